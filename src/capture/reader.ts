/**
 * Reads a capture line by line in constant memory: plain or gzip, and with the files that rotation
 * made of it, oldest first. Content that stands in blobs is put back: messages come as they were
 * live. A line that cannot be read is told with its number and never ends the reading: a crash may
 * cut off the last line, a disk or an editor may damage any other.
 */
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import type { AnalysisMsg, CaptureOpened } from '../messages/schema.ts'
import { BlobStore } from './blob-store.ts'
import { decodeSplitLine } from './line-decoder.ts'
import type { SplitLine } from './line-splitter.ts'
import { createLineSplitter } from './line-splitter.ts'
import { openForReading, openStream, unreadable } from './open-capture.ts'
import { rotatedPath, rotationNumber } from './rotated-files.ts'
import { maxLineBytes as defaultMaxLineBytes } from './scan-lines.ts'

interface Place {
  /** The file that this line stands in: one of a rotated set. */
  readonly path: string
  /** From 1, within that file; 0 where a whole file is meant. */
  readonly lineNumber: number
}

export type CaptureProblemLine = Place & {
  readonly type: 'problem'
  readonly problem: string
  /** Nothing was damaged: the end of a line or a file was never written, or was taken away. */
  readonly cutOff: boolean
}

/** `raw` is the line as it stands, or would without refs to blobs; without its newline. */
export type CaptureLine =
  | (Place & { readonly type: 'message'; readonly msg: AnalysisMsg; readonly raw: string })
  | (Place & { readonly type: 'header'; readonly header: CaptureOpened; readonly raw: string })
  | (Place & {
      readonly type: 'unknown'
      readonly value: Readonly<Record<string, unknown>>
      readonly raw: string
    })
  | CaptureProblemLine

interface ReadOptions {
  readonly maxLineBytes?: number | undefined
}

/**
 * All lines of the capture, in order. Rejects with ERR_CAPTURE_UNREADABLE where the file cannot be
 * opened. Earlier files are read when the first line says that there are some (`continues`), unless
 * `path` is itself one of the earlier files.
 */
export async function* readCapture(
  path: string,
  options: ReadOptions = {},
): AsyncGenerator<CaptureLine, void, undefined> {
  const maxLineBytes = options.maxLineBytes ?? defaultMaxLineBytes
  // Opened before the earlier ones: a rotation in the meantime must not make a file be read twice.
  const lines = readFileLines(await openForReading(path), path, maxLineBytes)
  try {
    const first = await lines.next()
    if (first.done === true) return
    const continues = first.value.type === 'header' ? (first.value.header.continues ?? 0) : 0
    const earlier = rotationNumber(path) === continues + 1 ? 0 : continues
    for (let n = 1; n <= earlier; n += 1) yield* readEarlier(path, n, maxLineBytes)
    yield first.value
    yield* lines
  } finally {
    await lines.return()
  }
}

async function* readEarlier(
  path: string,
  n: number,
  maxLineBytes: number,
): AsyncGenerator<CaptureLine, void, undefined> {
  // A finished capture may itself have been compressed, by hand.
  const plain = rotatedPath(path.replace(/\.gz$/u, ''), n)
  for (const candidate of [plain, `${plain}.gz`]) {
    let handle
    try {
      handle = await openForReading(candidate)
    } catch (error) {
      if (error instanceof AppError && errorCodeOf(error.cause) === 'ENOENT') continue
      throw error
    }
    yield* readFileLines(handle, candidate, maxLineBytes)
    return
  }
  const problem = `the earlier file ${basename(plain)} is missing`
  yield { type: 'problem', path: plain, lineNumber: 0, problem, cutOff: true }
}

async function* readFileLines(
  handle: FileHandle,
  path: string,
  maxLineBytes: number,
): AsyncGenerator<CaptureLine, void, undefined> {
  let held: CaptureProblemLine | undefined
  for await (const line of readLinesAsTheyStand(handle, path, maxLineBytes)) {
    // A crash cuts a line off, and the next process goes on below it: with a first line of its own.
    if (held !== undefined) yield line.type === 'header' ? { ...held, cutOff: true } : held
    held = line.type === 'problem' ? line : undefined
    if (line.type !== 'problem') yield line
  }
  if (held !== undefined) yield held
}

async function* readLinesAsTheyStand(
  handle: FileHandle,
  path: string,
  maxLineBytes: number,
): AsyncGenerator<CaptureLine, void, undefined> {
  const splitter = createLineSplitter(maxLineBytes)
  // Every file of a rotated capture is written so that it can be read by itself.
  const blobs = new BlobStore(maxLineBytes)
  let lineNumber = 0
  // One at a time: refs make lines many times longer than the bytes that hold them.
  function* readLines(splits: readonly SplitLine[]): Generator<CaptureLine, void, undefined> {
    for (const split of splits) {
      lineNumber += 1
      const line = readCaptureLine(split, { path, lineNumber }, blobs)
      if (line !== undefined) yield line
    }
  }
  let broken: unknown
  try {
    for await (const chunk of await openStream(handle, path)) {
      yield* readLines(splitter.push(chunk as Buffer))
    }
  } catch (error) {
    if (errorCodeOf(error)?.startsWith('Z_') !== true) throw unreadable(path, error)
    broken = error
  } finally {
    await handle.close().catch(() => {
      // The stream has closed it already.
    })
  }
  const rest = splitter.end()
  lineNumber += 1
  const last = rest === undefined ? undefined : readCaptureLine(rest, { path, lineNumber }, blobs)
  if (last?.type === 'problem') {
    yield { ...last, problem: `cut off (${last.problem})`, cutOff: true }
  } else if (last !== undefined) {
    yield last
  }
  if (broken === undefined) return
  const cutOff = errorCodeOf(broken) === 'Z_BUF_ERROR'
  const problem = cutOff
    ? 'the compressed file is cut off'
    : `the compressed file is damaged: ${describeError(broken)}`
  yield { type: 'problem', path, lineNumber, problem, cutOff }
}

/**
 * One line; undefined where there is nothing to tell: it is blank, or a blob. `isBrief`: see
 * `BlobStore.resolve`.
 */
export function readCaptureLine(
  split: SplitLine,
  place: Place,
  blobs: BlobStore,
  isBrief = false,
): CaptureLine | undefined {
  const decoded = decodeSplitLine(split, blobs, isBrief)
  if (decoded === undefined) return undefined
  if (!decoded.ok) return { type: 'problem', ...place, problem: decoded.problem, cutOff: false }
  switch (decoded.type) {
    case 'message':
      return {
        type: 'message',
        ...place,
        msg: decoded.msg,
        get raw() {
          return decoded.raw
        },
      }
    case 'header':
      return { type: 'header', ...place, header: decoded.header, raw: decoded.raw }
    default:
      return { type: 'unknown', ...place, value: decoded.value, raw: decoded.raw }
  }
}
