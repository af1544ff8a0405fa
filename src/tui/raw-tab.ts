/** The Raw tab: the bytes of both bodies as they were sent, codings and all. */
import type { TabView } from './block.ts'
import { heading, solidBlock, spacer, textLines } from './block.ts'
import { sentBytes, textOf } from './body-content.ts'
import type { Block, Document } from './document.ts'
import { documentOf, plainBlock } from './document.ts'
import { formatBytes } from './format.ts'
import { hexLines } from './hex-lines.ts'
import { cutLine, droppedDocument } from './message-tabs.ts'
import type { Body, Row } from './row.ts'

export function rawTab(row: Row, view: TabView): Document {
  const { detail } = row
  if (detail === undefined) return droppedDocument(view.width)
  return documentOf([
    rawBlock('request body', detail.request, row.requestBytes, view),
    spacer('between'),
    rawBlock('response body', detail.response, row.responseBytes, view),
    ...(detail.isCut ? [plainBlock('cut', [cutLine(view.width)])] : []),
  ])
}

function rawBlock(title: string, body: Body, bytes: number, view: TabView): Block {
  const { width, cache } = view
  if (body.chunks.length === 0) {
    const aside = bytes === 0 ? 'empty' : `${formatBytes(bytes)}, not kept`
    return plainBlock(title, [heading(title, width, aside)])
  }
  const lines = cache.lines(
    body.chunks,
    width,
    () => {
      const shown = sentBytes(body)
      const text = textOf(shown)
      const aside = `${formatBytes(bytes)}${text === undefined ? ', binary' : ''}`
      const content = text === undefined ? hexLines(shown.bytes, width) : textLines(text, width)
      return [heading(title, width, aside), ...content]
    },
    `${body.chunks.length} ${bytes}`,
  )
  return solidBlock(title, lines, () => textOf(sentBytes(body)) ?? '')
}
