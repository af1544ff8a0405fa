/**
 * From model calls to conversations: `call-linked` tells, right after each `model-answered`, which
 * session, turn and branch the call belongs to, what it shares with the call before it, why its
 * prompt came out of the provider's cache or did not, whether it is a retry, and which tool results
 * it brings. It reads what `ModelCalls` emits, and the heads and bodies that are behind it.
 */
import { headerValues } from '../src/messages/header-values.ts'
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit, Work } from '../src/pipeline/analyzer.ts'
import type { HeadIds } from './conversation/client-ids.ts'
import { idOf, readHeadIds } from './conversation/client-ids.ts'
import type { PendingCall } from './conversation/linked-calls.ts'
import { LinkedCalls } from './conversation/linked-calls.ts'
import { RecentMap } from './conversation/recent-map.ts'
import { recognizeCall, targetOf } from './providers/recognize.ts'
import { pendingCallsOfExchange, pendingExchanges } from './wire/bounds.ts'
import type { JsonRecord } from './wire/json.ts'
import { isRecord, parseRecord, recordOf } from './wire/json.ts'
import { begun } from './wire/work.ts'

interface Exchange {
  readonly head: HeadIds
  /** Of the request; undefined if its start was not seen. Epoch milliseconds. */
  readonly startedAt: number | undefined
  /** One WebSocket carries many calls. */
  readonly isSocket: boolean
  /** In order; more than one only on a WebSocket. */
  readonly pending: PendingCall[]
  responseId: string | undefined
  hasEnded: boolean
}

/** The request that a `model-called` is about comes right before it. */
interface LatestRequest {
  readonly exchangeId: string
  readonly at: number
  readonly body: () => JsonRecord | undefined
}

const kinds = [
  'request-started',
  'request-ended',
  'response-ended',
  'http-parsed',
  'websocket-message',
  'stream-merged',
  'model-called',
  'model-answered',
  'exchange-completed',
  'exchange-failed',
] as const

export class Conversations implements Analyzer {
  readonly name = 'conversations'
  readonly kinds = kinds
  readonly #exchanges = new RecentMap<Exchange>(pendingExchanges)
  readonly #calls = new LinkedCalls()
  #latest: LatestRequest | undefined

  onMessage(msg: AnalysisMsg, emit: Emit): Work | undefined {
    // What the analyzers before this one make of a message comes before the next of the proxy.
    if (msg.by === undefined) this.#latest = undefined
    const { exchangeId } = msg
    if (exchangeId === undefined) return undefined
    switch (msg.kind) {
      case 'request-started':
        this.#start(exchangeId, msg)
        break
      case 'http-parsed':
        this.#takeBody(exchangeId, msg)
        break
      case 'websocket-message':
        this.#takeFrame(exchangeId, msg)
        break
      case 'stream-merged':
        this.#takeResponse(exchangeId, recordOf(msg.merged))
        break
      case 'model-called':
        return begun(this.#call(exchangeId, msg))
      case 'model-answered':
        this.#answer(exchangeId, msg, emit)
        break
      case 'exchange-completed':
      case 'exchange-failed':
        this.#end(exchangeId)
        break
      default:
    }
    return undefined
  }

  #start(exchangeId: string, msg: MsgOf<'request-started'>): void {
    this.#exchanges.delete(exchangeId)
    const isSocket = headerValues(msg.headers, 'upgrade').length > 0
    if (!isSocket && recognizeCall(msg.method, targetOf(msg.host, msg.url)) === undefined) return
    this.#exchanges.set(exchangeId, newExchange(readHeadIds(msg.headers), msg.at, isSocket))
  }

  #takeBody(exchangeId: string, msg: MsgOf<'http-parsed'>): void {
    const { json, direction } = msg
    if (!isRecord(json) || this.#exchanges.get(exchangeId) === undefined) return
    if (direction === 'response') this.#takeResponse(exchangeId, json)
    else this.#latest = { exchangeId, at: msg.at, body: () => json }
  }

  #takeFrame(exchangeId: string, { direction, text, at }: MsgOf<'websocket-message'>): void {
    if (text === undefined || this.#exchanges.get(exchangeId) === undefined) return
    if (direction === 'request') {
      this.#latest = { exchangeId, at, body: () => parseRecord(text) }
      return
    }
    const id = /"response"\s*:\s*\{\s*"id"\s*:\s*"([^"\\]+)"/u.exec(text.slice(0, 1_000))?.[1]
    if (id !== undefined) this.#takeResponse(exchangeId, { id })
  }

  #takeResponse(exchangeId: string, answer: JsonRecord): void {
    const exchange = this.#exchanges.get(exchangeId)
    if (exchange !== undefined) exchange.responseId = idOf(answer['id']) ?? exchange.responseId
  }

  *#call(exchangeId: string, msg: MsgOf<'model-called'>): Generator<undefined, void, undefined> {
    if (alone.has(msg.operation)) return
    const exchange = this.#exchanges.get(exchangeId) ?? newExchange(unknownHead, undefined, false)
    this.#exchanges.set(exchangeId, exchange)
    if (exchange.pending.length >= pendingCallsOfExchange) exchange.pending.shift()
    const latest = this.#latest?.exchangeId === exchangeId ? this.#latest : undefined
    const startedAt = exchange.isSocket ? latest?.at : exchange.startedAt
    const body = latest?.body()
    this.#latest = undefined
    if (!exchange.isSocket && body === undefined && isUnread(msg)) return
    // Its server holds what was said: each turn sends what is new alone.
    const isLive = exchange.isSocket && msg.operation === 'live'
    const socket = isLive ? JSON.stringify([exchangeId, exchange.startedAt]) : undefined
    const start = { msg, head: exchange.head, body, socket, startedAt: startedAt ?? msg.at }
    exchange.pending.push(yield* this.#calls.begin(start))
  }

  #answer(exchangeId: string, msg: MsgOf<'model-answered'>, emit: Emit): void {
    const exchange = this.#exchanges.get(exchangeId)
    // Its call is not among those that wait.
    if (alone.has(msg.operation)) return
    const call = exchange?.pending.shift()
    if (exchange === undefined || call === undefined) return
    const linked = this.#calls.finish(call, msg, exchange.responseId)
    emit(msg.call === undefined ? linked : Object.assign(linked, { call: msg.call }))
    exchange.responseId = undefined
    if (exchange.hasEnded && exchange.pending.length === 0) this.#exchanges.delete(exchangeId)
  }

  /** Of an exchange that was cut off, call and answer are still to come. */
  #end(exchangeId: string): void {
    const exchange = this.#exchanges.get(exchangeId)
    if (exchange !== undefined) exchange.hasEnded = true
  }
}

/** Texts that are turned into vectors, pictures or sound, and the like, are no conversation. */
const alone = new Set([
  'embeddings',
  'images',
  'speech',
  'transcription',
  'translation',
  'moderations',
])

/** Nothing is known of what it says: to which conversation it belongs, or which call it repeats. */
function isUnread({
  messages,
  previousResponseId,
  conversationId,
}: MsgOf<'model-called'>): boolean {
  return messages.length === 0 && previousResponseId === undefined && conversationId === undefined
}

const unknownHead: HeadIds = { isSubAgent: false }

function newExchange(head: HeadIds, startedAt: number | undefined, isSocket: boolean): Exchange {
  return { head, startedAt, isSocket, pending: [], responseId: undefined, hasEnded: false }
}
