/**
 * Calls of the Model Context Protocol over HTTP (its streamable transport): `mcp-called` for every
 * request and notification that a client posts, `mcp-answered` for every request, be the answer JSON
 * or an event of a stream. A kind of its own: no model runs here, nothing has tokens or a price.
 */
import { headerValues } from '../src/messages/header-values.ts'
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit } from '../src/pipeline/analyzer.ts'
import { readFailure, shortFailure } from './providers/failure.ts'
import type { McpRequest, McpResponse } from './providers/mcp.ts'
import {
  messagesIn,
  readMcpRequest,
  readMcpResponse,
  resultParts,
  toolFailure,
} from './providers/mcp.ts'
import { optional } from './providers/model-wire.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import { readRecord } from './wire/json.ts'

interface OpenCall {
  readonly request: McpRequest
  /** Absent where the exchange is one call. */
  readonly call: number | undefined
}

interface Exchange {
  readonly started: MsgOf<'request-started'>
  readonly sessionId: string | undefined
  /** Sent with headers of the protocol's own. */
  readonly isNamed: boolean
  /** By request id; those without an answer yet. */
  readonly open: Map<string, OpenCall>
  response?: MsgOf<'response-started'>
  refused?: MsgOf<'request-refused'>
  parsed?: MsgOf<'http-parsed'>
}

const kinds = [
  'request-started',
  'request-refused',
  'response-started',
  'http-parsed',
  'sse-event',
  'exchange-completed',
  'exchange-failed',
] as const

export class McpCalls implements Analyzer {
  readonly name = 'mcp-calls'
  readonly kinds = kinds
  readonly #exchanges = new ExchangeStates<Exchange>()

  onMessage(msg: AnalysisMsg, emit: Emit): void {
    if (msg.kind === 'request-started') {
      this.#start(msg)
      return
    }
    const exchange = this.#exchanges.get(msg.exchangeId)
    if (exchange === undefined) return
    switch (msg.kind) {
      case 'response-started':
        exchange.response = msg
        break
      case 'request-refused':
        exchange.refused = msg
        break
      case 'http-parsed':
        if (msg.direction === 'request') takeRequest(exchange, msg, emit)
        else takeAnswer(exchange, msg, emit)
        break
      case 'sse-event': {
        const message = exchange.open.size === 0 ? undefined : readRecord(msg.data)
        if (message !== undefined) takeResponses(exchange, [message], msg.at, emit)
        break
      }
      case 'exchange-completed':
      case 'exchange-failed':
        this.#exchanges.take(msg.exchangeId)
        giveUp(exchange, msg, emit)
        break
      default:
    }
  }

  #start(msg: MsgOf<'request-started'>): void {
    if (msg.method !== 'POST' || msg.exchangeId === undefined) return
    const [sessionId] = headerValues(msg.headers, 'mcp-session-id')
    const [version] = headerValues(msg.headers, 'mcp-protocol-version')
    const isNamed = sessionId !== undefined || version !== undefined
    this.#exchanges.set(msg.exchangeId, { started: msg, sessionId, isNamed, open: new Map() })
  }
}

function takeRequest(exchange: Exchange, msg: MsgOf<'http-parsed'>, emit: Emit): void {
  const requests = messagesIn(msg.json).flatMap(
    (message) => readMcpRequest(message, exchange.isNamed) ?? [],
  )
  for (const [index, request] of requests.entries()) {
    const call = requests.length === 1 ? undefined : index
    if (request.id !== undefined) exchange.open.set(request.id, { request, call })
    emit({
      kind: 'mcp-called',
      ...optional('call', call),
      server: exchange.started.host,
      method: request.method,
      ...optional('requestId', request.id),
      ...optional('name', request.name),
      ...optional('arguments', request.arguments),
      ...optional('sessionId', exchange.sessionId),
    })
  }
}

function takeAnswer(exchange: Exchange, msg: MsgOf<'http-parsed'>, emit: Emit): void {
  exchange.parsed = msg
  takeResponses(exchange, messagesIn(msg.json), msg.at, emit)
}

function takeResponses(
  exchange: Exchange,
  messages: ReturnType<typeof messagesIn>,
  at: number,
  emit: Emit,
): void {
  for (const message of messagesIn([...messages])) {
    const response = readMcpResponse(message)
    const open = response === undefined ? undefined : exchange.open.get(response.id)
    if (response === undefined || open === undefined) continue
    exchange.open.delete(response.id)
    const durationMs = Math.max(0, at - exchange.started.at)
    emit(answered(exchange, open, response, durationMs))
  }
}

/** Requests that the end of their exchange leaves without an answer. */
function giveUp(
  exchange: Exchange,
  end: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>,
  emit: Emit,
): void {
  const { open, refused, response, parsed } = exchange
  if (open.size === 0) return
  const error = readFailure({ end, refused, response, parsed, merged: undefined }) ?? {
    type: 'no-answer',
    message: 'the response does not answer this request',
  }
  for (const [id, call] of open) {
    emit(answered(exchange, call, { id, result: undefined, error }, end.durationMs))
  }
}

function answered(
  { started, response, refused }: Exchange,
  { request, call }: OpenCall,
  { id, result, error }: McpResponse,
  durationMs: number,
): Parameters<Emit>[0] {
  const failure = error ?? toolFailure(request.method, result)
  return {
    kind: 'mcp-answered',
    ...optional('call', call),
    server: started.host,
    method: request.method,
    requestId: id,
    ...optional('name', request.name),
    result: error === undefined ? resultParts(request.method, result) : [],
    ...optional('status', response?.status ?? refused?.status),
    durationMs,
    complete: error === undefined,
    ...optional('error', failure === undefined ? undefined : shortFailure(failure)),
  }
}
