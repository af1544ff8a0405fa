/** All recordings of a capture, in memory, within a bound; and what of it could not be read. */
import { readCapture } from '../capture/reader.ts'
import type { ExchangeRecord } from '../recorded/exchange-record.ts'
import { RecordGatherer } from '../recorded/record-gatherer.ts'
import type { Recording } from './recording.ts'
import { toRecording } from './recording.ts'

export interface LoadedRecordings {
  readonly recordings: readonly Recording[]
  /** One line each: damaged lines, and what the bound left out. */
  readonly problems: readonly string[]
}

/** Bytes of bodies that are kept: more is no fixture. */
const defaultMaxBytes = 1024 * 1024 * 1024
/** Problems told one by one. */
const toldProblems = 5

/** Rejects with `ERR_CAPTURE_UNREADABLE` where there is no such file. */
export async function loadRecordings(
  path: string,
  maxBytes = defaultMaxBytes,
): Promise<LoadedRecordings> {
  const gatherer = new RecordGatherer()
  const recordings: Recording[] = []
  const problems: string[] = []
  let bytes = 0
  let leftOut = 0
  const keep = (record: ExchangeRecord | undefined): void => {
    const recording = record === undefined ? undefined : toRecording(record)
    if (record === undefined || recording === undefined) return
    const size = recording.body.length + record.response.bytes
    if (bytes + size > maxBytes) {
      leftOut += 1
      return
    }
    bytes += size
    recordings.push(recording)
  }
  for await (const line of readCapture(path)) {
    if (line.type === 'message') keep(gatherer.take(line.msg))
    if (line.type === 'problem') problems.push(`line ${line.lineNumber}: ${line.problem}`)
  }
  for (const record of gatherer.end()) keep(record)
  const more = problems.length - toldProblems
  const told = problems.slice(0, toldProblems)
  if (more > 0) told.push(`${more} more lines could not be read`)
  if (leftOut > 0) told.push(`${leftOut} recordings were left out: they are too large in all`)
  return { recordings, problems: told }
}
