/**
 * The lines of one capture file as bytes, each with its place in the plain text of the file, from
 * any line on: for those that need few of them and parse no more than that.
 */
import type { FileHandle } from 'node:fs/promises'

import { errorCodeOf } from '../base/errors.ts'
import type { SplitLine } from './line-splitter.ts'
import { createLineSplitter } from './line-splitter.ts'
import { isCompressed, openForReading, openStream, readReused, unreadable } from './open-capture.ts'

/** A longer line is a problem of its own; the writer's queue keeps lines below this. */
export const maxLineBytes = 64 * 1024 * 1024

export interface ScannedLine {
  /** Where it begins and where the next one does, in bytes of the plain text. */
  readonly at: number
  readonly end: number
  readonly split: SplitLine
}

/**
 * Lines with their newline, in groups as they are read, whose bytes are gone when the next group is
 * asked for; what follows the last newline is none yet, unless `withRest` asks for it as the last.
 * `from` is the beginning of a line. A compressed file that breaks off ends there. Rejects with
 * ERR_CAPTURE_UNREADABLE.
 */
export async function* scanLines(
  path: string,
  from = 0,
  { withRest = false }: { readonly withRest?: boolean } = {},
): AsyncGenerator<ScannedLine[], void, undefined> {
  const handle = await openForReading(path)
  try {
    yield* scanOpen(handle, path, { from, withRest })
  } catch (error) {
    if (errorCodeOf(error)?.startsWith('Z_') !== true) throw unreadable(path, error)
  } finally {
    await handle.close().catch(() => {
      // The stream has closed it already.
    })
  }
}

async function* scanOpen(
  handle: FileHandle,
  path: string,
  { from, withRest }: { readonly from: number; readonly withRest: boolean },
): AsyncGenerator<ScannedLine[], void, undefined> {
  const isStream = !(await handle.stat()).isFile() || (await isCompressed(handle, path))
  const chunks = isStream ? await openStream(handle, path) : readReused(handle, from)
  const splitter = createLineSplitter(maxLineBytes, { reusesChunks: !isStream })
  let toSkip = isStream ? from : 0
  let at = from
  for await (const piece of chunks) {
    const chunk = piece as Buffer
    const skipped = Math.min(toSkip, chunk.length)
    toSkip -= skipped
    const lines = splitter.push(chunk.subarray(skipped)).map((split): ScannedLine => {
      const length = split.ok ? split.bytes.length : split.length
      const line = { at, end: at + length + 1, split }
      at = line.end
      return line
    })
    if (lines.length > 0) yield lines
  }
  const rest = withRest ? splitter.end() : undefined
  if (rest === undefined) return
  const length = rest.ok ? rest.bytes.length : rest.length
  yield [{ at, end: at + length, split: rest }]
}
