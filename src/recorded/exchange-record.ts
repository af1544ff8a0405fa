/**
 * What a capture holds of one exchange, tunnel, refusal or failed handshake, gathered from its
 * messages: for exports, for the index, and for answering as the recorded upstream did. Everything
 * is as it was recorded; what was not recorded is absent.
 */
import type { CallLink, MsgOf } from '../messages/schema.ts'

export type RecordType = 'exchange' | 'tunnel' | 'refused' | 'tls'

export interface RecordedChunk {
  /** Wall-clock milliseconds of its arrival. */
  readonly at: number
  readonly bytes: Buffer
}

export interface RecordedBody {
  /** As sent, without any chunked framing, content codings not undone. */
  readonly chunks: readonly RecordedChunk[]
  /** Bytes in `chunks`. */
  readonly bytes: number
  /** Something is missing: it was dropped, passed the bound, or the body broke off. */
  readonly isCut: boolean
}

/** One model call; an exchange has several where a WebSocket carries one after the other. */
export interface RecordedCall {
  readonly called: MsgOf<'model-called'> | undefined
  readonly merged: MsgOf<'stream-merged'> | undefined
  readonly answered: MsgOf<'model-answered'> | undefined
  readonly link: CallLink | undefined
}

export type RecordedNote = MsgOf<
  | 'credential-injected'
  | 'credential-echoed'
  | 'secret-withheld'
  | 'token-replaced'
  | 'token-stripped'
  | 'rule-matched'
  | 'budget-exceeded'
  | 'analyzer-failed'
  | 'messages-dropped'
>

export interface ExchangeRecord {
  /** Of an exchange its `exchangeId`; of what has none, one that no other record has. */
  readonly id: string
  readonly type: RecordType
  /** Wall-clock milliseconds of its first message, and of its last so far. */
  readonly startedAt: number
  readonly endedAt: number
  readonly connectionId: string | undefined
  readonly agent: string | undefined
  readonly started: MsgOf<'request-started'> | undefined
  readonly request: RecordedBody
  readonly requestEnded: MsgOf<'request-ended'> | undefined
  readonly refused: MsgOf<'request-refused'> | undefined
  readonly responseStarted: MsgOf<'response-started'> | undefined
  readonly response: RecordedBody
  readonly responseEnded: MsgOf<'response-ended'> | undefined
  /** Absent while it runs, or where the capture ends before it does. */
  readonly end: MsgOf<'exchange-completed' | 'exchange-failed'> | undefined
  /** By `call`, in the order in which they began. */
  readonly calls: readonly RecordedCall[]
  readonly operation: MsgOf<'operation-performed'> | undefined
  readonly mcp: ReadonlyArray<MsgOf<'mcp-called' | 'mcp-answered'>>
  readonly frames: ReadonlyArray<MsgOf<'websocket-message'>>
  readonly notes: readonly RecordedNote[]
  /** Of a tunnel, a refused connection or a failed handshake. */
  readonly connection:
    | MsgOf<'tunnel-opened' | 'tunnel-closed' | 'connection-refused' | 'tls-failed'>
    | undefined
}
