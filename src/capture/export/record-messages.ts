/**
 * A record as the messages that it was gathered from, as far as it kept them, numbered anew: for
 * the export of one exchange by itself.
 */
import { encodeBytes } from '../../messages/codec.ts'
import { messageVersion } from '../../messages/message-kind.ts'
import type { AnalysisMsg, MsgOf } from '../../messages/schema.ts'
import type { ExchangeRecord, RecordedBody } from '../../recorded/exchange-record.ts'

/** In order, those of one exchange by their own numbers. */
export function recordMessages(record: ExchangeRecord): AnalysisMsg[] {
  const { started, requestEnded, responseStarted, responseEnded } = record
  // Whole messages stand where they stood; chunks lost their numbers, and follow what opened them.
  const numbered = [
    ...withBody(record, started, record.request, 'request-body'),
    ...withBody(record, responseStarted, record.response, 'response-body'),
    requestEnded,
    responseEnded,
    record.refused,
    record.end,
    record.operation,
    ...record.calls.flatMap(({ called, merged, answered, link }) => [
      called,
      merged,
      answered,
      link,
    ]),
    ...record.mcp,
    ...record.frames,
    ...record.notes,
    record.connection,
  ].filter((msg) => msg !== undefined)
  const ordered = numbered.sort((a, b) => a.seq - b.seq)
  return Array.from(ordered, (msg, seq) => ({ ...msg, seq }))
}

function withBody(
  record: ExchangeRecord,
  head: MsgOf<'request-started' | 'response-started'> | undefined,
  body: RecordedBody,
  kind: 'request-body' | 'response-body',
): AnalysisMsg[] {
  const messages: AnalysisMsg[] = head === undefined ? [] : [head]
  let offset = 0
  for (const { at, bytes } of body.chunks) {
    messages.push({
      v: messageVersion,
      seq: head?.seq ?? 0,
      at,
      ...(record.connectionId === undefined ? {} : { connectionId: record.connectionId }),
      exchangeId: record.id,
      ...(record.agent === undefined ? {} : { agent: record.agent }),
      kind,
      ...encodeBytes(bytes),
      offset,
    })
    offset += bytes.length
  }
  return messages
}
