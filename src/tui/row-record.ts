/**
 * A row as a record of what was captured, for exports: from what the viewer has kept, and so the
 * same live and on a capture. What was not kept is marked as cut.
 */
import { bytesOf } from '../messages/body-bytes.ts'
import type { MsgOf } from '../messages/schema.ts'
import type {
  ExchangeRecord,
  RecordedBody,
  RecordedCall,
  RecordType,
} from '../recorded/exchange-record.ts'
import type { Body, Heads, Row } from './row.ts'

/** `whole` is the row of the exchange; `row` itself unless that is one of several calls of it. */
export function recordOfRow(row: Row, whole: Row): ExchangeRecord {
  const { request, response, heads } = exchangePart(whole)
  const { operation, asked, replied } = row.detail ?? {}
  return {
    id: whole.id,
    type: typeOf(whole),
    startedAt: whole.startedAt,
    endedAt: Math.max(whole.lastAt, row.lastAt),
    connectionId: heads.started?.connectionId,
    agent: row.agent,
    request,
    refused: undefined,
    response,
    ...heads,
    calls: callsOf(row),
    operation,
    mcp: [asked, replied].filter((msg) => msg !== undefined),
    frames: framesOf(whole),
    notes: [],
    connection: undefined,
  }
}

type ExchangePart = Pick<ExchangeRecord, 'request' | 'response'> & { readonly heads: Heads }

function exchangePart({ detail, requestBytes, responseBytes }: Row): ExchangePart {
  const heads = detail?.heads ?? noHeads
  return {
    heads,
    request: recordedBody(detail?.request, heads.requestEnded?.bytes ?? requestBytes),
    response: recordedBody(detail?.response, heads.responseEnded?.bytes ?? responseBytes),
  }
}

const noHeads: Heads = {
  started: undefined,
  requestEnded: undefined,
  responseStarted: undefined,
  responseEnded: undefined,
  end: undefined,
}

function typeOf({ kind }: Row): RecordType {
  if (kind === 'tunnel' || kind === 'refused' || kind === 'tls') return kind
  return 'exchange'
}

/** `sent` is how many bytes there were in all. */
function recordedBody(body: Body | undefined, sent: number): RecordedBody {
  if (body === undefined) return { chunks: [], bytes: 0, isCut: sent > 0 }
  const chunks = body.chunks.map((chunk) => ({ at: chunk.at, bytes: bytesOf(chunk) }))
  return { chunks, bytes: body.bytes, isCut: body.isCut || body.bytes < sent }
}

function callsOf({ detail }: Row): RecordedCall[] {
  if (detail === undefined) return []
  const { call, merged, answered, link } = detail
  if (call === undefined && merged === undefined && answered === undefined) return []
  return [{ called: call, merged, answered, link }]
}

function framesOf({ detail }: Row): Array<MsgOf<'websocket-message'>> {
  return (detail?.events ?? []).flatMap(({ frame }) => (frame === undefined ? [] : [frame]))
}
