/**
 * One open capture file: appends whole lines, and after a failed write cuts the file back to the
 * last whole one. Private to its owner from the moment it exists; a symbolic link, a device or a
 * pipe in its place is refused. Knows nothing of queues and rotation.
 */
import { constants } from 'node:fs'
import { lstat, open as openFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

import { errorCodeOf } from '../base/errors.ts'
import { makeFolders } from '../config/folders.ts'

/** `node:fs/promises` open; a test hands in one whose writes fail. */
export type OpenHandle = (path: string, flags: number, mode: number) => Promise<FileHandle>

export type Appended =
  | { readonly ok: true }
  /** `keptBytes` of what was to be appended are in the file: whole lines, possibly none. */
  | { readonly ok: false; readonly keptBytes: number; readonly error: unknown }

const newline = 0x0a
/** Without O_NONBLOCK a named pipe in the file's place would hang `open` for ever. */
const openFlags =
  constants.O_RDWR |
  constants.O_APPEND |
  constants.O_CREAT |
  (constants.O_NOFOLLOW ?? 0) |
  (constants.O_NONBLOCK ?? 0)

export class CaptureFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #identity: string
  #size: number
  /** The last line has no end: the next append starts on a new one. */
  #midLine: boolean

  private constructor(
    path: string,
    handle: FileHandle,
    from: { readonly identity: string; readonly size: number; readonly midLine: boolean },
  ) {
    this.#path = path
    this.#handle = handle
    this.#identity = from.identity
    this.#size = from.size
    this.#midLine = from.midLine
  }

  /** Opens or creates, with missing parent folders; rejects with the system's error. */
  static async open(path: string, openHandle: OpenHandle = openFile): Promise<CaptureFile> {
    await makeFolders(dirname(path))
    const handle = await openHandle(path, openFlags, 0o600).catch((error: unknown) => {
      throw errorCodeOf(error) === 'ELOOP' ? new Error('it is a symbolic link') : error
    })
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw new Error('it is not a regular file')
      // An existing file may be wider than we make them; chmod fails if it belongs to another user.
      if ((stat.mode & 0o777) !== 0o600) await handle.chmod(0o600)
      const midLine = await endsInMidLine(handle, stat.size)
      return new CaptureFile(path, handle, { identity: identityOf(stat), size: stat.size, midLine })
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Bytes in the file, as far as this process knows. */
  get size(): number {
    return this.#size
  }

  /** Appends `lines`, each with its newline. Never throws. */
  async append(lines: Buffer): Promise<Appended> {
    const prefix = this.#midLine ? 1 : 0
    const data = prefix === 1 ? Buffer.concat([Buffer.of(newline), lines]) : lines
    let written = 0
    try {
      while (written < data.length) {
        const { bytesWritten } = await this.#handle.write(data, written, data.length - written)
        if (bytesWritten === 0) throw new Error('nothing was written')
        written += bytesWritten
      }
    } catch (error) {
      const kept = await this.#keepWholeLines(data, written)
      return { ok: false, keptBytes: Math.max(0, kept - prefix), error }
    }
    this.#size += written
    this.#midLine = false
    return { ok: true }
  }

  /**
   * What became of the file under its name: `replaced` when it was renamed, deleted or swapped
   * (log rotation from outside), `emptied` when it was truncated to nothing, `shortened` to less.
   */
  async check(): Promise<'same' | 'replaced' | 'emptied' | 'shortened'> {
    let stat
    try {
      stat = await lstat(this.#path)
    } catch (error) {
      if (errorCodeOf(error) === 'ENOENT' || errorCodeOf(error) === 'ENOTDIR') return 'replaced'
      throw error
    }
    if (identityOf(stat) !== this.#identity) return 'replaced'
    if (stat.size < this.#size) {
      this.#size = stat.size
      this.#midLine = await endsInMidLine(this.#handle, stat.size)
      return stat.size === 0 ? 'emptied' : 'shortened'
    }
    return 'same'
  }

  /** Waits until the disk has it. */
  async sync(): Promise<void> {
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /** Cuts off the part of a line that a failed write left behind; returns the bytes that stay. */
  async #keepWholeLines(data: Buffer, written: number): Promise<number> {
    const whole = written === 0 ? 0 : data.lastIndexOf(newline, written - 1) + 1
    if (whole < written) {
      try {
        const { size } = await this.#handle.stat()
        // Another process appends too: cutting would take its lines away.
        if (size !== this.#size + written) throw new Error('shared file')
        await this.#handle.truncate(this.#size + whole)
      } catch {
        // The torn line stays; the next append begins on a new one, and readers report this one.
        this.#size += written
        this.#midLine = true
        return whole
      }
    }
    this.#size += whole
    if (whole > 0) this.#midLine = false
    return whole
  }
}

function identityOf(stat: { readonly dev: number; readonly ino: number }): string {
  return `${stat.dev}:${stat.ino}`
}

async function endsInMidLine(handle: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return bytesRead === 1 && buffer[0] !== newline
}
