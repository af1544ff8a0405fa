/** Opens the files of captures for reading: plain or gzip (RFC 1952), told by their first bytes. */
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'

/** Fewer, larger reads: most of what reading a large capture costs beside parsing is their number. */
const readBytes = 256 * 1024

/** Rejects with ERR_CAPTURE_UNREADABLE, also where `path` is a folder. */
export async function openForReading(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, 'r')
    if (!(await handle.stat()).isDirectory()) return handle
    await handle.close()
  } catch (error) {
    throw unreadable(path, error)
  }
  throw unreadable(path, new Error('it is a folder, not a file'))
}

export function unreadable(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  const problem = errorCodeOf(error) === 'ENOENT' ? 'no such file' : describeError(error)
  return new AppError('ERR_CAPTURE_UNREADABLE', { path, problem }, error)
}

/**
 * The plain bytes of a capture. By its first bytes, not by its name. A pipe cannot be looked into
 * first: it is read as it is.
 */
export async function openStream(handle: FileHandle, path: string): Promise<Readable> {
  if (!(await handle.stat()).isFile()) return handle.createReadStream()
  const stream = handle.createReadStream({ start: 0, highWaterMark: readBytes })
  if (!(await isCompressed(handle, path))) return stream
  return pipeline(stream, createGunzip({ chunkSize: readBytes }), () => {
    // The reader of the last stream is told of every error.
  })
}

export async function isCompressed(handle: FileHandle, path: string): Promise<boolean> {
  if (path.endsWith('.gz')) return true
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
}

/**
 * The bytes of a plain file from `from` on, all in one buffer: what was given is gone when more is
 * asked for. New buffers by the thousand are memory that comes back late.
 */
export async function* readReused(
  handle: FileHandle,
  from: number,
): AsyncGenerator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafe(readBytes)
  for (let at = from; ;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/**
 * Bytes of the plain text; of a compressed file as its last four say (RFC 1952 §2.3.1), and 0 of a
 * pipe, which is not touched. Rejects with ERR_CAPTURE_UNREADABLE.
 */
export async function plainSize(path: string): Promise<number> {
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (!stats.isFile()) return 0
  if (!path.endsWith('.gz')) return stats.size
  const handle = await openForReading(path)
  try {
    const from = Math.max(0, stats.size - 4)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, from)
    return bytesRead === 4 ? buffer.readUInt32LE() : 0
  } finally {
    await handle.close()
  }
}
