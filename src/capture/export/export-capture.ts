/**
 * A capture, or what a filter chooses of it, in one of the formats: text in pieces, one exchange at
 * a time, so that its size does not matter.
 */
import { encodeLine } from '../../messages/codec.ts'
import { messageVersion } from '../../messages/message-kind.ts'
import type { Filter } from '../../query/filter.ts'
import type { ExchangeRecord } from '../../recorded/exchange-record.ts'
import { matchesRecord } from '../../recorded/record-subject.ts'
import { refEntry } from '../capture-entry.ts'
import { KnownPieces } from '../known-pieces.ts'
import type { CaptureLine, CaptureProblemLine } from '../reader.ts'
import { curlCommand } from './curl-command.ts'
import type { ExportFormat, ExportOptions } from './export-format.ts'
import { harHead, harTail } from './export-record.ts'
import { harEntry } from './har-entry.ts'
import { createMarkdownWriter } from './markdown-calls.ts'
import { gatherRecords, selectLines } from './select-lines.ts'

export interface CaptureExport {
  /** Reads the capture from its beginning; `jsonl` calls it twice. */
  readonly read: () => AsyncIterable<CaptureLine>
  readonly format: ExportFormat
  /** Without one: everything that the format has a word for. */
  readonly filter?: Filter | undefined
  readonly options: ExportOptions
  onProblem(line: CaptureProblemLine): void
}

/** The pieces of the document, and at the end how many exchanges are in it. */
export function exportCapture(
  request: CaptureExport,
): AsyncGenerator<string, { readonly count: number }, undefined> {
  return request.format === 'jsonl' ? exportLines(request) : exportRecords(request)
}

async function* exportRecords(
  request: CaptureExport,
): AsyncGenerator<string, { readonly count: number }, undefined> {
  const { format, filter, options } = request
  const write = createWriter(request)
  let count = 0
  if (format === 'har') yield harHead(options.porthole)
  const records = gatherRecords(request.read(), (line) => {
    if (line.type === 'problem') request.onProblem(line)
  })
  for await (const record of records) {
    if (filter === undefined ? !isSaid(record, format) : !matchesRecord(filter, record)) continue
    const text = write(record)
    if (text === '') continue
    if (count > 0) yield format === 'har' ? ',\n' : '\n'
    yield text
    count += 1
  }
  if (format === 'har') yield harTail
  return { count }
}

/** Without a filter, what passed beside the conversations is left out where it would be noise. */
function isSaid(record: ExchangeRecord, format: ExportFormat): boolean {
  if (format !== 'markdown') return record.started !== undefined
  return record.calls.length > 0 || record.mcp.length > 0 || record.operation !== undefined
}

function createWriter({ format, options }: CaptureExport): (record: ExchangeRecord) => string {
  switch (format) {
    case 'har':
      return (record) => {
        const entry = harEntry(record)
        return entry === undefined ? '' : JSON.stringify(entry)
      }
    case 'curl':
      return (record) => `${curlCommand(record, options.secrets)}\n`
    default: {
      const markdown = createMarkdownWriter()
      return (record) => markdown.write(record)
    }
  }
}

async function* exportLines(
  request: CaptureExport,
): AsyncGenerator<string, { readonly count: number }, undefined> {
  const { read, filter, options } = request
  const known = new KnownPieces()
  let count = 0
  let isOpen = false
  const openAt = (startedAt: number): string => {
    isOpen = true
    const { porthole } = options
    return encodeLine({ kind: 'capture-opened', v: messageVersion, porthole, startedAt })
  }
  for await (const line of filter === undefined ? read() : selectLines(read, filter)) {
    if (line.type === 'problem') {
      request.onProblem(line)
      continue
    }
    if (!isOpen) yield openAt(startOf(line))
    // One file from here on: first lines of others say nothing more.
    if (line.type === 'header') continue
    if (line.type === 'unknown') {
      yield `${line.raw}\n`
      continue
    }
    if (line.msg.kind === 'request-started') count += 1
    const entry = refEntry(line.msg)
    if (entry === undefined) yield encodeLine(line.msg)
    else yield* entry.encode(known)
  }
  if (!isOpen) yield openAt(0)
  return { count }
}

function startOf(line: Exclude<CaptureLine, CaptureProblemLine>): number {
  if (line.type === 'header') return line.header.startedAt
  return line.type === 'message' ? line.msg.at : 0
}
