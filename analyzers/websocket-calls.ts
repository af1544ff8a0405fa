/**
 * Model calls over a WebSocket: one socket carries many, so that each has its number as `call` in
 * `model-called`, `stream-merged` and `model-answered`. Times count from the message that asked.
 * Where messages are missing it tells what came: a response that nobody was seen asking for is a
 * call without a prompt, one whose end never comes is answered as incomplete when the socket closes.
 */
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit } from '../src/pipeline/analyzer.ts'
import type { Failure } from './providers/failure.ts'
import { failureFrom, shortFailure } from './providers/failure.ts'
import type { CallTarget } from './providers/model-wire.ts'
import { optional, shortName, toldAnswer } from './providers/model-wire.ts'
import type { PriceList } from './providers/price-list.ts'
import { priceCall } from './providers/price.ts'
import { providerOf } from './providers/provider-hosts.ts'
import { dialectOf, modelInPath, targetOf } from './providers/recognize.ts'
import type { Asked, Heard, SocketDialect } from './providers/socket-dialect.ts'
import type { StreamMerger, StreamResult } from './providers/stream-format.ts'
import { errorIn } from './providers/stream-format.ts'
import { mergedDataLength, openSocketCalls } from './wire/bounds.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import type { JsonRecord } from './wire/json.ts'
import { countOf, parseRecord } from './wire/json.ts'

type EndMsg = MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>

interface Call {
  readonly index: number
  readonly asked: Asked
  /** Nobody was seen asking: when it was asked for is not known. */
  readonly isUnasked: boolean
  readonly startedAt: number
  readonly merger: StreamMerger
  responseId: string | undefined
  hasBegun: boolean
  eventCount: number
  mergedLength: number
  firstEventMs: number | undefined
  lastEventMs: number | undefined
  firstContentMs: number | undefined
  /** A message of the server could not be read while this call was open. */
  isLossy: boolean
  /** As an error said it, which is not that of the socket. */
  status: number | undefined
}

interface Socket {
  readonly prices: PriceList | undefined
  readonly target: CallTarget
  readonly provider: string
  readonly dialect: SocketDialect
  readonly open: Call[]
  callCount: number
  status: number | undefined
  /** How the server closed the socket. */
  closing: MsgOf<'websocket-message'> | undefined
}

const kinds = [
  'request-started',
  'response-started',
  'websocket-message',
  'exchange-completed',
  'exchange-failed',
] as const

export class WebSocketCalls implements Analyzer {
  readonly name = 'websocket-calls'
  readonly kinds = kinds
  readonly #prices: PriceList | undefined
  readonly #sockets = new ExchangeStates<Socket>()

  /** `prices`: the user's own, which go before the built-in tables. */
  constructor(options: { readonly prices?: PriceList | undefined } = {}) {
    this.#prices = options.prices
  }

  onMessage(msg: AnalysisMsg, emit: Emit): void {
    if (msg.kind === 'request-started') {
      this.#start(msg)
      return
    }
    const socket = this.#sockets.get(msg.exchangeId)
    if (socket === undefined) return
    switch (msg.kind) {
      case 'response-started':
        socket.status = msg.status
        break
      case 'websocket-message':
        takeMessage(socket, msg, emit)
        break
      case 'exchange-completed':
      case 'exchange-failed':
        this.#sockets.take(msg.exchangeId)
        openRefused(socket, msg.at, emit)
        for (const call of socket.open) finish(socket, call, msg.at, emit, msg)
        break
      default:
    }
  }

  #start({ method, host, url, exchangeId }: MsgOf<'request-started'>): void {
    if (method !== 'GET' || exchangeId === undefined) return
    const target = targetOf(host, url)
    const dialect = dialectOf(target)
    if (dialect === undefined) return
    this.#sockets.set(exchangeId, {
      target,
      provider: providerOf(host),
      dialect,
      prices: this.#prices,
      open: [],
      callCount: 0,
      status: undefined,
      closing: undefined,
    })
  }
}

function takeMessage(socket: Socket, msg: MsgOf<'websocket-message'>, emit: Emit): void {
  if (msg.truncated === true && msg.direction === 'response') {
    for (const call of socket.open) call.isLossy = true
  }
  if (msg.opcode === 8 && msg.direction === 'response') socket.closing = msg
  const text = textIn(socket, msg)
  const message = text === undefined ? undefined : parseRecord(text)
  if (text === undefined || message === undefined) return
  if (msg.direction === 'request') {
    const asked = socket.dialect.sent(message)
    if (asked !== undefined) takeAsked(socket, asked, msg.at, emit)
    return
  }
  const heard = socket.dialect.heard(message)
  if (heard !== undefined) takeEvent(socket, heard, { message, text, at: msg.at }, emit)
}

function textIn(
  { dialect }: Socket,
  { opcode, text, base64 }: MsgOf<'websocket-message'>,
): string | undefined {
  if (opcode === 1) return text
  const isRead = opcode === 2 && dialect.readsBinary === true && base64 !== undefined
  return isRead ? Buffer.from(base64, 'base64').toString() : undefined
}

function takeAsked(socket: Socket, asked: Asked, at: number, emit: Emit): void {
  const ended = socket.open.find((call) => call.hasBegun && call.asked.lane === asked.lane)
  if (asked.endsOpen === true && ended !== undefined) close(socket, ended, at, emit)
  openCall(socket, asked, at, emit)
}

/** A session that the server turned down before anything was said. */
function openRefused(socket: Socket, at: number, emit: Emit): void {
  if (socket.callCount > 0 || closedBy(socket) === undefined) return
  const asked = socket.dialect.unanswered?.()
  if (asked !== undefined) openCall(socket, asked, at, emit)
}

function openCall(socket: Socket, asked: Asked, at: number, emit: Emit, isUnasked = false): Call {
  const call: Call = {
    index: socket.callCount,
    asked,
    isUnasked,
    startedAt: at,
    merger: socket.dialect.stream.createMerger(),
    responseId: undefined,
    hasBegun: false,
    eventCount: 0,
    mergedLength: 0,
    firstEventMs: undefined,
    lastEventMs: undefined,
    firstContentMs: undefined,
    isLossy: false,
    status: undefined,
  }
  socket.callCount += 1
  socket.open.push(call)
  const { reading, operation } = asked
  emit({
    kind: 'model-called',
    call: call.index,
    provider: socket.provider,
    operation,
    ...optional('model', shortName(reading.model ?? modelInPath(socket.target))),
    streaming: reading.streaming,
    messages: reading.messages,
    tools: reading.tools,
    ...optional('previousResponseId', reading.previousResponseId),
    ...optional('conversationId', reading.conversationId),
    ...optional('background', reading.background),
  })
  const [oldest] = socket.open
  if (socket.open.length > openSocketCalls && oldest !== undefined) close(socket, oldest, at, emit)
  return call
}

interface Event {
  readonly message: JsonRecord
  readonly text: string
  readonly at: number
}

function takeEvent(socket: Socket, heard: Heard, event: Event, emit: Emit): void {
  const call =
    heard.phase === 'begins' || heard.phase === 'is-whole'
      ? beginCall(socket, heard, event, emit)
      : callOf(socket, heard)
  if (call === undefined) return
  const sinceMs = Math.max(0, event.at - call.startedAt)
  call.firstEventMs ??= sinceMs
  call.lastEventMs = sinceMs
  call.eventCount += 1
  call.mergedLength += event.text.length
  if (call.mergedLength <= mergedDataLength) call.merger.push(event.text)
  if (socket.dialect.stream.carriesContent(event.message)) call.firstContentMs ??= sinceMs
  if (heard.phase === 'fails') call.status = countOf(event.message['status'])
  if (heard.phase !== 'begins' && heard.phase !== 'goes-on') close(socket, call, event.at, emit)
}

/** Responses of one lane begin in the order in which they were asked for. */
function beginCall(socket: Socket, heard: Heard, event: Event, emit: Emit): Call {
  const waiting = socket.open.find(({ hasBegun, asked }) => !hasBegun && asked.lane === heard.lane)
  const call =
    waiting ?? openCall(socket, socket.dialect.unasked(event.message), event.at, emit, true)
  call.hasBegun = true
  call.responseId = heard.responseId
  return call
}

function callOf(socket: Socket, heard: Heard): Call | undefined {
  const { responseId, eventId, lane } = heard
  if (responseId !== undefined) {
    const named = socket.open.find((call) => call.responseId === responseId)
    if (named !== undefined) return named
  }
  const inLane = socket.open.filter(({ asked }) => asked.lane === lane)
  if (eventId !== undefined) return inLane.find(({ asked }) => asked.eventId === eventId)
  const begun = inLane.find(({ hasBegun }) => hasBegun)
  const waiting = inLane.find(({ hasBegun }) => !hasBegun)
  // The event that began it may be lost; its id then says nothing about another call.
  if (responseId !== undefined && begun?.responseId !== undefined) return waiting
  return heard.isOfWaiting === true ? waiting : (begun ?? waiting)
}

function close(socket: Socket, call: Call, at: number, emit: Emit): void {
  socket.open.splice(socket.open.indexOf(call), 1)
  finish(socket, call, at, emit)
}

function finish(socket: Socket, call: Call, at: number, emit: Emit, end?: EndMsg): void {
  const { dialect, provider } = socket
  const result = call.merger.result()
  const problem = problemOf(call, result)
  const merged = {
    kind: 'stream-merged' as const,
    call: call.index,
    format: dialect.stream.name,
    merged: result.merged,
    text: result.text,
    eventCount: call.eventCount,
    ...optional('firstEventMs', call.firstEventMs),
    ...optional('lastEventMs', call.lastEventMs),
    complete: problem === undefined,
    ...optional('problem', problem),
  }
  if (call.eventCount > 0) emit(merged)
  const answer = dialect.readAnswer(result.merged)
  const { usage } = answer
  const model = shortName(answer.model ?? call.asked.reading.model ?? modelInPath(socket.target))
  const error = failureOf(call, result, problem, end === undefined ? {} : endOf(socket, end))
  emit({
    kind: 'model-answered',
    call: call.index,
    provider,
    operation: call.asked.operation,
    ...optional('model', model),
    ...optional('status', call.status ?? socket.status),
    ...toldAnswer(answer),
    ...optional('usage', usage?.usage),
    ...(usage === undefined
      ? {}
      : { cost: priceCall({ provider, model, usage, at: call.startedAt, list: socket.prices }) }),
    // Where the first that is seen of a call is content, nothing says how long it took.
    ...optional('ttftMs', call.isUnasked && call.firstContentMs === 0 ? null : call.firstContentMs),
    durationMs: Math.max(0, at - call.startedAt),
    ...optional('tokensPerSecond', speedOf(call, usage?.usage.outputTokens)),
    complete: error === undefined,
    ...optional('error', error),
  })
}

function problemOf(call: Call, result: StreamResult): string | undefined {
  if (result.problem !== undefined) return result.problem
  if (call.mergedLength > mergedDataLength) return 'the stream is longer than the limit'
  if (!result.complete) return 'ends before the answer does'
  return call.isLossy ? 'messages are missing' : undefined
}

function failureOf(
  call: Call,
  { merged }: StreamResult,
  problem: string | undefined,
  end: Partial<Failure>,
): Failure | undefined {
  const error = errorIn(merged)
  if (error !== undefined) return shortFailure(failureFrom(error, call.status ?? 0))
  if (problem === undefined) return undefined
  return shortFailure({ type: 'incomplete-stream', message: problem, ...end })
}

/** Why the socket ended, if it did not end well. */
function endOf(socket: Socket, end: EndMsg): Partial<Failure> {
  const closing = closedBy(socket)
  if (closing !== undefined) return closing
  if (end.kind !== 'exchange-failed') return {}
  return { type: end.code, message: end.message ?? `ended by the ${end.by} (${end.phase})` }
}

/** The server's word for closing the socket; 1000 and no code at all are the usual end. */
function closedBy({ closing }: Socket): Failure | undefined {
  const { closeCode = 1_000, closeReason = '' } = closing ?? {}
  if (closeCode === 1_000 || closeCode === 1_005) return undefined
  const message = closeReason === '' ? 'the server closed the connection' : closeReason
  return { type: `websocket-closed-${closeCode}`, message }
}

/** Output tokens over the time from the first content to the last event. */
function speedOf(call: Call, outputTokens: number | undefined): number | undefined {
  const { firstContentMs, lastEventMs } = call
  if (outputTokens === undefined || firstContentMs === undefined) return undefined
  const ms = (lastEventMs ?? 0) - firstContentMs
  return ms > 0 ? (outputTokens * 1_000) / ms : undefined
}
