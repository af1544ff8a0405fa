/** The Headers, Events and Raw tabs: what went over the wire, as it was recorded (redacted). */
import { isUtf8 } from 'node:buffer'

import { decodeBytes } from '../messages/codec.ts'
import type { FormPart, HeaderPairs, MsgOf } from '../messages/schema.ts'
import type { BlockCache } from './block.ts'
import { fieldLines, heading, maxTextCharacters, textLines } from './block.ts'
import { formatBytes, formatCount, formatTime, safeLine } from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import { describeMedia } from './media-text.ts'
import type { Body, Row, RowDetail, StreamEvent } from './row.ts'
import { wrapText } from './wrap.ts'

const blank: Line = []
/** Bytes of a binary body that are shown as hexadecimal. */
const maxHexBytes = 4096

export function headersTab(row: Row, width: number, cache: BlockCache): readonly Line[] {
  const { detail } = row
  if (detail === undefined) return droppedLines(width)
  const target = [row.method, row.url === '' ? row.host : row.url].filter((part) => part !== '')
  const answer = row.status === undefined ? 'none yet' : `${row.status} ${detail.statusText}`
  return [
    heading('request', width),
    ...textLines([...target, protocol(detail)].join(' '), width, 'strong'),
    ...cache.lines(detail.requestHeaders, width, () => pairLines(detail.requestHeaders, width)),
    blank,
    heading('response', width),
    ...textLines(answer, width, 'strong'),
    ...cache.lines(detail.responseHeaders, width, () => pairLines(detail.responseHeaders, width)),
    blank,
    heading('exchange', width),
    ...fieldLines('id', row.id.replaceAll('\u0000', ' '), width, 'dim'),
    ...fieldLines('proxy', row.origin, width, 'dim'),
    ...(row.agent === undefined ? [] : fieldLines('agent', row.agent, width, 'dim')),
    ...fieldLines(
      'bytes',
      `${formatBytes(row.requestBytes)} sent, ${formatBytes(row.responseBytes)} received`,
      width,
      'dim',
    ),
    ...noteLines(detail, width),
  ]
}

function protocol(detail: RowDetail): string {
  return detail.httpVersion === '' ? '' : `HTTP/${detail.httpVersion.replace(/^HTTP\//u, '')}`
}

function pairLines(pairs: HeaderPairs, width: number): Line[] {
  if (pairs.length === 0) return [[span('  no headers', 'dim')]]
  return pairs.flatMap(([name, value]) => fieldLines(name, value, width, 'user'))
}

function noteLines(detail: RowDetail, width: number): Line[] {
  if (detail.notes.length === 0) return []
  return [
    blank,
    heading('notes', width),
    ...detail.notes.flatMap((note) =>
      textLines(`${formatTime(note.at)} ${note.text}`, width, note.isProblem ? 'warn' : 'plain'),
    ),
  ]
}

/** Cells of an event's number and arrival time, before its data. */
const eventPrefixWidth = 18

export function eventsTab(row: Row, width: number, cache: BlockCache): readonly Line[] {
  const { detail } = row
  if (detail === undefined) return droppedLines(width)
  if (detail.events.length === 0) {
    return [clipLine([span('  no events: this answer was not streamed', 'dim')], width)]
  }
  const lines: Line[] = []
  for (const [index, event] of detail.events.entries()) {
    for (const line of cache.lines(event, width, () => eventLines(event, index, width))) {
      lines.push(line)
    }
  }
  return detail.isCut ? [...lines, cutLine(width)] : lines
}

function eventLines(event: StreamEvent, index: number, width: number): Line[] {
  const prefix = `${String(index).padStart(5)} ${formatCount(event.sinceRequestMs).padStart(8)} ms `
  const isNamed = event.label !== '' && !event.data.includes(`"${event.label}"`)
  const text = isNamed ? `${event.label}: ${event.data}` : event.data
  const shown = text.length > maxTextCharacters ? `${text.slice(0, maxTextCharacters)} …` : text
  const isNarrow = width < eventPrefixWidth * 2 || prefix.length > eventPrefixWidth
  const lines = wrapText(shown, Math.max(1, width - (isNarrow ? 2 : eventPrefixWidth)))
  const padding = ' '.repeat(isNarrow ? 2 : eventPrefixWidth)
  const data = lines.map((line, at): Line =>
    at === 0 && !isNarrow ? [span(prefix, 'dim'), span(line)] : [span(padding + line)],
  )
  return isNarrow ? [clipLine([span(prefix, 'dim')], width), ...data] : data
}

export function rawTab(row: Row, width: number, cache: BlockCache): readonly Line[] {
  const { detail } = row
  if (detail === undefined) return droppedLines(width)
  const { merged } = detail
  return [
    ...bodyLines('request body', detail.request, row.requestBytes, { width, cache }),
    blank,
    ...bodyLines('response body', detail.response, row.responseBytes, { width, cache }),
    ...(merged === undefined ? [] : cache.lines(merged, width, () => mergedLines(merged, width))),
    ...(detail.isCut ? [cutLine(width)] : []),
  ]
}

function mergedLines(merged: MsgOf<'stream-merged'>, width: number): Line[] {
  const aside = `${merged.format}, from ${formatCount(merged.eventCount)} events${
    merged.complete ? '' : ', incomplete'
  }`
  return [
    blank,
    heading('merged answer', width, aside),
    ...textLines(JSON.stringify(merged.merged, undefined, 2), width),
  ]
}

interface Place {
  readonly width: number
  readonly cache: BlockCache
}

function bodyLines(title: string, body: Body, bytes: number, place: Place): readonly Line[] {
  const { width, cache } = place
  const { parsed } = body
  if (parsed !== undefined)
    return cache.lines(parsed, width, () => parsedLines(title, parsed, width))
  if (body.chunks.length === 0) {
    return [heading(title, width, bytes === 0 ? 'empty' : `${formatBytes(bytes)}, not kept`)]
  }
  const content = contentOf(body)
  const aside = formatBytes(bytes)
  return isUtf8(content)
    ? [heading(title, width, aside), ...cache.growing(body, content.toString(), width, 'plain')]
    : [heading(title, width, `${aside}, binary`), ...hexLines(content, width)]
}

function parsedLines(title: string, parsed: MsgOf<'http-parsed'>, width: number): Line[] {
  const aside = [
    parsed.mediaType,
    parsed.contentEncoding,
    formatBytes(parsed.bytes),
    parsed.truncated ? 'truncated' : undefined,
    parsed.problem,
  ].filter((piece) => piece !== undefined && piece !== '')
  const first = heading(title, width, aside.join(' · '))
  if (parsed.json !== undefined) {
    return [first, ...textLines(JSON.stringify(parsed.json, undefined, 2), width)]
  }
  if (parsed.text !== undefined) return [first, ...textLines(parsed.text, width)]
  if (parsed.form !== undefined)
    return [first, ...parsed.form.flatMap((part) => formLines(part, width))]
  if (parsed.media !== undefined) return [first, ...textLines(describeMedia(parsed.media), width)]
  return [first, ...hexLines(decodeBytes(parsed), width)]
}

function formLines(part: FormPart, width: number): Line[] {
  const { name = '', filename, text, ...media } = part
  if (filename === undefined && text !== undefined) return fieldLines(name, text, width, 'user')
  const file = [filename ?? '', describeMedia(media)].filter((piece) => piece !== '').join(', ')
  return fieldLines(name, file, width, 'user')
}

/** At most `maxTextCharacters` bytes, cut where a character ends. */
function contentOf(body: Body): Buffer {
  const pieces: Buffer[] = []
  let size = 0
  for (const chunk of body.chunks) {
    if (size >= maxTextCharacters) break
    const piece = decodeBytes(chunk)
    pieces.push(piece)
    size += piece.length
  }
  const whole = Buffer.concat(pieces).subarray(0, maxTextCharacters)
  // A body still on its way may end within a character: up to three bytes of it are left out.
  for (let missing = 0; missing <= 3; missing += 1) {
    const start = whole.subarray(0, whole.length - missing)
    if (isUtf8(start)) return start
  }
  return whole
}

function hexLines(content: Buffer, width: number): Line[] {
  // Each byte takes three cells, and one more for its character.
  const perLine = Math.max(1, Math.min(16, Math.floor((width - 14) / 4)))
  const lines: Line[] = []
  for (let offset = 0; offset < Math.min(content.length, maxHexBytes); offset += perLine) {
    const bytes = content.subarray(offset, offset + perLine)
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = bytes.toString('latin1').replaceAll(/[^\u0020-\u007e]/gu, '·')
    const address = offset.toString(16).padStart(8, '0')
    lines.push(
      clipLine(
        [span(`  ${address}  `, 'dim'), span(hex.padEnd(perLine * 3)), span(safeLine(text), 'dim')],
        width,
      ),
    )
  }
  if (content.length > maxHexBytes) {
    lines.push([span(`  … ${formatBytes(content.length - maxHexBytes)} more`, 'dim')])
  }
  return lines
}

function cutLine(width: number): Line {
  const text = '  … the rest was too large to keep in memory; the capture has it'
  return clipLine([span(text, 'warn')], width)
}

function droppedLines(width: number): Line[] {
  const text = '  The details of this row were dropped to make room; the capture has them.'
  return [clipLine([span(text, 'warn')], width)]
}
