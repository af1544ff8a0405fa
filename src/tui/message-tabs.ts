/**
 * The Request and Response tabs: the head as it came (redacted), and the body as it is meant: its
 * content codings undone, JSON indented, forms as fields, pictures and sounds by what they are.
 */
import type { FormPart, HeaderPairs, MsgOf } from '../messages/schema.ts'
import type { TabView } from './block.ts'
import { fieldLines, foldBlock, heading, solidBlock, spacer, textLines } from './block.ts'
import { decodedBytes, textOf } from './body-content.ts'
import type { Block, Document } from './document.ts'
import { documentOf, plainBlock, plainDocument } from './document.ts'
import { formatBytes, formatCount, formatTime } from './format.ts'
import { hexLines } from './hex-lines.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import { describeMedia } from './media-text.ts'
import { prettyJson } from './pretty-json.ts'
import type { Body, Row, RowDetail } from './row.ts'

export function requestTab(row: Row, view: TabView): Document {
  const { width } = view
  const { detail } = row
  if (detail === undefined) return droppedDocument(width)
  const target = [row.method, row.url === '' ? row.host : row.url].filter((part) => part !== '')
  return documentOf([
    headBlock([...target, protocol(detail.httpVersion)].join(' '), detail.requestHeaders, view),
    ...trailerBlocks('request', detail.heads.requestEnded?.trailers, view),
    spacer('before-body'),
    ...bodyBlocks(detail.request, {
      headers: detail.requestHeaders,
      bytes: row.requestBytes,
      view,
    }),
    spacer('before-exchange'),
    plainBlock('exchange', exchangeLines(row, detail, width)),
  ])
}

export function responseTab(row: Row, view: TabView): Document {
  const { width } = view
  const { detail } = row
  if (detail === undefined) return droppedDocument(width)
  const { heads, merged } = detail
  const status = [protocol(heads.responseStarted?.httpVersion ?? ''), row.status, detail.statusText]
  const answer = row.status === undefined ? 'none yet' : status.join(' ').trim()
  const blocks = [
    headBlock(answer, detail.responseHeaders, view),
    ...trailerBlocks('response', heads.responseEnded?.trailers, view),
    spacer('before-body'),
    ...(merged === undefined ? [] : [mergedBlock(merged, view), spacer('after-merged')]),
    ...bodyBlocks(detail.response, {
      headers: detail.responseHeaders,
      bytes: row.responseBytes,
      view,
    }),
  ]
  if (row.problem !== undefined) {
    const lines = [heading('error', width, '', 'bad'), ...textLines(row.problem, width, 'bad')]
    blocks.push(spacer('before-problem'), plainBlock('problem', lines))
  }
  return documentOf(blocks)
}

function protocol(version: string): string {
  return version === '' ? '' : `HTTP/${version.replace(/^HTTP\//u, '')}`
}

function headBlock(title: string, headers: HeaderPairs, view: TabView): Block {
  const { width, cache } = view
  const first = textLines(title, width, 'strong')
  const lines = cache.lines(headers, width, () => pairLines(headers, width))
  const text = (): string =>
    [title, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\n')
  return solidBlock('head', [...first, ...lines], text)
}

function trailerBlocks(
  id: string,
  trailers: HeaderPairs | undefined,
  { width, cache }: TabView,
): Block[] {
  if (trailers === undefined) return []
  const lines = cache.lines(trailers, width, () => pairLines(trailers, width))
  return [plainBlock(`${id}-trailers`, [heading('trailers', width), ...lines])]
}

function pairLines(pairs: HeaderPairs, width: number): Line[] {
  if (pairs.length === 0) return [clipLine([span('  no headers', 'dim')], width)]
  return pairs.flatMap(([name, value]) => fieldLines(name, value, width, 'user'))
}

interface BodyPlace {
  readonly headers: HeaderPairs
  readonly bytes: number
  readonly view: TabView
}

function bodyBlocks(body: Body, place: BodyPlace): Block[] {
  const { view, bytes } = place
  const { width, cache } = view
  const { parsed } = body
  const aside = [
    parsed?.mediaType,
    parsed?.contentEncoding,
    formatBytes(parsed?.bytes ?? bytes),
    parsed?.truncated === true ? 'truncated' : undefined,
    parsed?.problem,
  ].filter((piece) => piece !== undefined && piece !== '')
  const first = heading(
    'body',
    width,
    bytes === 0 && parsed === undefined ? 'empty' : aside.join(' · '),
  )
  const text = (): string => bodyText(body, place.headers) ?? ''
  const key = `${body.chunks.length} ${parsed === undefined ? '' : 'parsed'}`
  const lines = cache.lines(body, width, () => contentLines(body, place), key)
  return [solidBlock('body', [first, ...lines], text)]
}

function contentLines(body: Body, { headers, bytes, view }: BodyPlace): readonly Line[] {
  const { width } = view
  const { parsed } = body
  if (parsed?.form !== undefined) return parsed.form.flatMap((part) => formLines(part, width))
  if (parsed?.media !== undefined) return textLines(describeMedia(parsed.media), width)
  if (parsed?.json !== undefined) {
    return textLines(JSON.stringify(parsed.json, undefined, 2), width)
  }
  if (parsed?.text !== undefined) return textLines(parsed.text, width)
  if (body.chunks.length === 0) {
    return bytes === 0 ? [] : textLines('not kept', width, 'dim')
  }
  const shown = decodedBytes(body, headers)
  const text = textOf(shown)
  const lines =
    text === undefined ? hexLines(shown.bytes, width) : textLines(prettyJson(text), width)
  return shown.isCut ? [...lines, cutLine(width)] : lines
}

/** The body as text, for copying; undefined for what is none. */
function bodyText(body: Body, headers: HeaderPairs): string | undefined {
  const { parsed } = body
  if (parsed?.json !== undefined) return JSON.stringify(parsed.json, undefined, 2)
  return parsed?.text ?? textOf(decodedBytes(body, headers))
}

function formLines(part: FormPart, width: number): Line[] {
  const { name = '', filename, text, ...media } = part
  if (filename === undefined && text !== undefined) return fieldLines(name, text, width, 'user')
  const file = [filename ?? '', describeMedia(media)].filter((piece) => piece !== '').join(', ')
  return fieldLines(name, file, width, 'user')
}

function mergedBlock(merged: MsgOf<'stream-merged'>, view: TabView): Block {
  const { width, cache } = view
  const words = [
    merged.format,
    `from ${formatCount(merged.eventCount)} events`,
    merged.complete ? '' : 'incomplete',
  ].filter((word) => word !== '')
  const text = (): string => JSON.stringify(merged.merged, undefined, 2)
  return foldBlock(
    {
      id: 'merged',
      title: [span('answer, its events merged', 'heading'), span(` ${words.join(', ')}`, 'dim')],
      preview: () => merged.text,
      isOpenByDefault: true,
      body: () => cache.lines(merged, width, () => textLines(text(), width)),
      text,
    },
    view,
  )
}

function exchangeLines(row: Row, detail: RowDetail, width: number): Line[] {
  const bytes = `${formatBytes(row.requestBytes)} sent, ${formatBytes(row.responseBytes)} received`
  return [
    heading('exchange', width),
    ...fieldLines('id', row.id.replaceAll('\u0000', ' '), width, 'dim'),
    ...fieldLines('proxy', row.origin, width, 'dim'),
    ...(row.agent === undefined ? [] : fieldLines('agent', row.agent, width, 'dim')),
    ...fieldLines('bytes', bytes, width, 'dim'),
    ...detail.notes.flatMap((note) =>
      textLines(`${formatTime(note.at)} ${note.text}`, width, note.isProblem ? 'warn' : 'plain'),
    ),
  ]
}

export function cutLine(width: number): Line {
  const text = '  … the rest was too large to keep in memory; the capture has it'
  return clipLine([span(text, 'warn')], width)
}

/** For a row whose details had to go. */
export function droppedDocument(width: number): Document {
  const text = 'The details of this row were dropped to make room; the capture has them.'
  return plainDocument(textLines(text, width, 'warn'))
}
