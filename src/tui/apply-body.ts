/**
 * What messages about bodies do to a row. The bytes as they were sent are kept, and what they say
 * only where it cannot be told from them again: nothing is kept twice.
 */
import type { MsgOf } from '../messages/schema.ts'
import type { Body, Row } from './row.ts'
import { reserve } from './row.ts'

export function keepChunk(
  row: Row,
  msg: MsgOf<'request-body'> | MsgOf<'response-body'>,
  maxRowBytes: number,
): void {
  const isRequest = msg.kind === 'request-body'
  const kept = (msg.text ?? msg.base64 ?? '').length
  if (isRequest) row.requestBytes = Math.max(row.requestBytes, msg.offset + kept)
  else row.responseBytes = Math.max(row.responseBytes, msg.offset + kept)
  const body = bodyOf(row, isRequest)
  if (body === undefined || body.isCut) return
  // What comes after a gap stands in the wrong place.
  if (msg.offset !== body.bytes || !reserve(row, kept, maxRowBytes)) {
    body.isCut = true
    return
  }
  body.chunks.push({ at: msg.at, text: msg.text, base64: msg.base64 })
  body.bytes +=
    msg.text === undefined
      ? Buffer.byteLength(msg.base64 ?? '', 'base64')
      : Buffer.byteLength(msg.text)
}

export function keepParsed(row: Row, msg: MsgOf<'http-parsed'>, maxRowBytes: number): void {
  const body = bodyOf(row, msg.direction === 'request')
  if (body === undefined) return
  // A message without content (a stream, say, that is told event by event) adds nothing to show.
  const held = [msg.json, msg.text, msg.base64, msg.form, msg.media]
  if (held.every((content) => content === undefined)) return
  const { json: _json, text: _text, base64: _base64, ...rest } = msg
  const isKept = body.chunks.length > 0 && !body.isCut && body.bytes === msg.bytes
  if (isKept || (body.chunks.length > 0 && !body.isCut && msg.contentEncoding !== undefined)) {
    body.parsed = rest
  } else if (reserve(row, msg.bytes, maxRowBytes)) body.parsed = msg
}

function bodyOf(row: Row, isRequest: boolean): Body | undefined {
  return isRequest ? row.detail?.request : row.detail?.response
}
