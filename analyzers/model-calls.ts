/**
 * From exchanges to model calls: `model-called` when a request has been read, `model-answered` when
 * its exchange has ended. It reads what `HttpParser` and `SseMerger` before it emit; of an exchange
 * that was cut off, refused or failed it tells what came and why there is no more.
 */
import type { AnalysisMsg, AnalysisMsgDraft, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit, Work } from '../src/pipeline/analyzer.ts'
import { estimateUsage } from './providers/estimate.ts'
import { readFailure } from './providers/failure.ts'
import { optional, shortName, toldAnswer } from './providers/model-wire.ts'
import type { AnswerReading, CallReading, CallTarget, ModelWire } from './providers/model-wire.ts'
import type { PriceList } from './providers/price-list.ts'
import { priceCall } from './providers/price.ts'
import { knownProvider, providerOf } from './providers/provider-hosts.ts'
import {
  modelInPath,
  recognizeCall,
  recognizeStream,
  targetOf,
  wireOfStream,
} from './providers/recognize.ts'
import type { ReportedUsage } from './providers/usage.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import { recordOfForm } from './wire/form-record.ts'
import type { JsonRecord } from './wire/json.ts'
import { isRecord, readRecord } from './wire/json.ts'
import { readRateLimits } from './wire/rate-limits.ts'
import { begun } from './wire/work.ts'

type EndMsg = MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>

interface Exchange {
  readonly wire: ModelWire
  readonly target: CallTarget
  readonly provider: string
  readonly started: MsgOf<'request-started'>
  call?: CallReading
  /** Its request cannot be read: what is not told of it is not known. */
  isUnread?: true
  /** A request that is no call as it stands, as those that are refused for it. */
  unfit?: JsonRecord
  hasRequestBody: boolean
  hasResponseBody: boolean
  response?: MsgOf<'response-started'>
  refused?: MsgOf<'request-refused'>
  parsed?: MsgOf<'http-parsed'>
  merged?: MsgOf<'stream-merged'>
  firstContentMs?: number
}

interface Ending {
  readonly exchange: Exchange
  readonly end: EndMsg
}

export interface ModelCallsOptions {
  /** The user's own prices, which go before the built-in tables. */
  readonly prices?: PriceList | undefined
}

export class ModelCalls implements Analyzer {
  readonly name = 'model-calls'
  readonly #prices: PriceList | undefined
  readonly #exchanges = new ExchangeStates<Exchange>()
  /**
   * Ended by a message that the analyzers before this one answer too: what they make of the cut-off
   * bodies comes right after it, before any message of another exchange.
   */
  #ending: Ending | undefined

  constructor(options: ModelCallsOptions = {}) {
    this.#prices = options.prices
  }

  onMessage(msg: AnalysisMsg, emit: Emit): Work | undefined {
    if (this.#ending !== undefined) return begun(this.#finish(this.#ending, msg, emit))
    if (msg.kind === 'request-started') {
      this.#start(msg)
      return undefined
    }
    const exchange = this.#exchanges.get(msg.exchangeId)
    if (exchange === undefined) return undefined
    if (msg.kind !== 'exchange-completed' && msg.kind !== 'exchange-failed') {
      take(exchange, msg, emit)
      return undefined
    }
    this.#exchanges.take(msg.exchangeId)
    if (isSettled(exchange)) return begun(answer({ exchange, end: msg }, this.#prices, emit))
    this.#ending = { exchange, end: msg }
    return undefined
  }

  #start(msg: MsgOf<'request-started'>): void {
    const target = targetOf(msg.host, msg.url)
    const wire = recognizeCall(msg.method, target)
    if (wire === undefined || msg.exchangeId === undefined) return
    this.#exchanges.set(msg.exchangeId, {
      wire,
      target,
      provider: providerOf(msg.host, wire.provider),
      started: msg,
      hasRequestBody: false,
      hasResponseBody: false,
    })
  }

  /** Takes what still comes of an ended exchange; answers once all is there or nothing more comes. */
  *#finish(ending: Ending, msg: AnalysisMsg, emit: Emit): Generator<undefined, void, undefined> {
    const isOwn = isDerived(msg) && msg.exchangeId === ending.end.exchangeId
    if (isOwn) take(ending.exchange, msg, emit, ending.end)
    if (isOwn && !isSettled(ending.exchange)) return
    this.#ending = undefined
    yield* answer(ending, this.#prices, emit)
    if (isOwn) return
    const work = this.onMessage(msg, emit)
    if (work !== undefined) yield* stepsOf(work)
  }
}

function* stepsOf(work: Work): Generator<undefined, void, undefined> {
  while (work.next().done !== true) yield
}

function isDerived(msg: AnalysisMsg): boolean {
  return msg.kind === 'http-parsed' || msg.kind === 'sse-event' || msg.kind === 'stream-merged'
}

/** Whether nothing that the analyzers before this one may still emit would change the answer. */
function isSettled(exchange: Exchange): boolean {
  if (exchange.call === undefined && exchange.hasRequestBody) return false
  if (exchange.call === undefined && !isModelHost(exchange)) return true
  if (!exchange.hasResponseBody || exchange.merged !== undefined) return true
  if (exchange.parsed === undefined) return false
  return !isStream(exchange.parsed, exchange.wire) || exchange.wire.stream === undefined
}

/** An event stream is parsed without content, but for arrays, which are JSON all the same. */
function isStream(parsed: MsgOf<'http-parsed'>, wire: ModelWire): boolean {
  const { json, text, base64, form, media } = parsed
  const isArray = Array.isArray(json) || text?.trimStart().startsWith('[') === true
  if (isArray && wire.stream?.inArrays === true) return true
  return parsed.bytes > 0 && [json, text, base64, form, media].every((held) => held === undefined)
}

function take(exchange: Exchange, msg: AnalysisMsg, emit: Emit, end?: EndMsg): void {
  switch (msg.kind) {
    case 'request-body':
      exchange.hasRequestBody = true
      break
    case 'response-body':
      exchange.hasResponseBody = true
      break
    case 'response-started':
      exchange.response = msg
      break
    case 'request-refused':
      exchange.refused = msg
      break
    case 'http-parsed':
      if (msg.direction === 'response') exchange.parsed = msg
      else takeRequest(exchange, msg, emit, end)
      break
    case 'sse-event':
      takeEvent(exchange, msg)
      break
    case 'stream-merged':
      exchange.merged = msg
      break
    default:
  }
}

function takeRequest(
  exchange: Exchange,
  msg: MsgOf<'http-parsed'>,
  emit: Emit,
  end: EndMsg | undefined,
): void {
  exchange.hasRequestBody = false
  const { wire, target } = exchange
  const body = msg.json ?? (msg.form === undefined ? undefined : recordOfForm(msg.form))
  if (isRecord(body) && wire.isCall(body, target)) {
    tellCall(exchange, wire.readCall(body, target), emit, end)
  } else if (isRecord(body)) {
    exchange.unfit = body
  } else if (isModelHost(exchange)) {
    exchange.isUnread = true
    tellCall(exchange, wire.readCall({}, target), emit, end)
  }
}

function tellCall(
  exchange: Exchange,
  call: CallReading,
  emit: Emit,
  end: EndMsg | undefined,
): CallReading {
  exchange.call = call
  const { wire, target, provider } = exchange
  const model = shortName(call.model ?? modelInPath(target))
  emit({
    kind: 'model-called',
    provider,
    operation: wire.operation,
    ...optional('model', model),
    streaming: call.streaming,
    messages: call.messages,
    tools: call.tools,
    ...optional('previousResponseId', call.previousResponseId),
    ...optional('conversationId', call.conversationId),
    ...optional('background', call.background),
    ...(end === undefined ? {} : headOf(end)),
  })
  return call
}

/** Where the path alone says that a model is called: elsewhere it may mean anything. */
function isModelHost({ target }: Exchange): boolean {
  return knownProvider(target.host) !== undefined
}

/** A call that its answer alone shows: a model was called, or not for want of a proper request. */
function callBehind(
  { exchange, end }: Ending,
  { usage }: AnswerReading,
  emit: Emit,
): CallReading | undefined {
  const { wire, target, response, merged, unfit = {} } = exchange
  const isOne = (response?.status ?? 0) >= 400 || usage !== undefined || merged !== undefined
  if (!isOne || !isModelHost(exchange)) return undefined
  exchange.isUnread = true
  return tellCall(exchange, wire.readCall(unfit, target), emit, end)
}

function takeEvent(exchange: Exchange, msg: MsgOf<'sse-event'>): void {
  if (exchange.firstContentMs !== undefined) return
  const data = readRecord(msg.data)
  if (data === undefined) return
  const format = recognizeStream(exchange.wire.stream, data)
  if (format?.carriesContent(data) === true) exchange.firstContentMs = msg.sinceRequestMs
}

/** Whose message it is, set in full: what causes it may be a message of another exchange. */
function headOf(end: EndMsg): Pick<AnalysisMsg, 'at' | 'connectionId' | 'exchangeId' | 'agent'> {
  const { at, connectionId, exchangeId, agent } = end
  return { at, connectionId, exchangeId, agent }
}

/** In steps where tokens have to be counted. */
function* answer(
  { exchange, end }: Ending,
  prices: PriceList | undefined,
  emit: Emit,
): Generator<undefined, void, undefined> {
  const { provider, merged, parsed, response, refused, started, wire } = exchange
  const reading = readingOf(exchange)
  const call = exchange.call ?? callBehind({ exchange, end }, reading, emit)
  if (call === undefined) return
  const body = parsed === undefined ? undefined : wire.bodyOf?.(parsed)
  const error = readFailure({ end, refused, response, parsed, merged, body })
  const model = shortName(reading.model ?? call.model ?? modelInPath(exchange.target))
  const usage = reading.usage ?? (yield* estimated(exchange, call, reading))
  const draft: AnalysisMsgDraft = {
    kind: 'model-answered',
    ...headOf(end),
    provider,
    operation: wire.operation,
    ...optional('model', model),
    ...optional('status', response?.status ?? refused?.status ?? end.status),
    ...toldAnswer(reading),
    ...optional('usage', usage?.usage),
    ...optional(
      'cost',
      usage && priceCall({ provider, model, usage, at: started.at, list: prices }),
    ),
    ...optional('ttftMs', exchange.firstContentMs),
    durationMs: end.durationMs,
    ...optional('tokensPerSecond', speedOf(exchange, usage)),
    complete: error === undefined,
    ...optional('error', error),
    ...optional('rateLimits', response && readRateLimits(response.headers, response.at)),
  }
  emit(draft)
}

/** Nothing where the prompt is not known in full. */
function* estimated(
  { isUnread, wire }: Exchange,
  call: CallReading,
  reading: AnswerReading,
): Generator<undefined, ReportedUsage | undefined, undefined> {
  if (isUnread === true || wire.keepsHistory === true) return undefined
  return yield* estimateUsage(call, reading)
}

/** A stream is read by its own format, which a gateway may have put behind the path of another. */
function readingOf({ wire, target, merged, parsed, response }: Exchange): AnswerReading {
  const plain = parsed === undefined ? undefined : (wire.bodyOf?.(parsed) ?? parsed.json)
  const body = merged?.merged ?? plain
  if (!isRecord(body)) return { output: [], toolCalls: [] }
  const reader = merged === undefined ? wire : (wireOfStream(merged.format) ?? wire)
  return reader.readAnswer(body, target, response?.headers ?? [])
}

/** Output tokens over the time from the first content to the last event. */
function speedOf(exchange: Exchange, usage: AnswerReading['usage']): number | undefined {
  const { merged, firstContentMs } = exchange
  if (usage?.usage.source !== 'reported' || merged?.lastEventMs === undefined) return undefined
  if (firstContentMs === undefined || merged.lastEventMs <= firstContentMs) return undefined
  return (usage.usage.outputTokens * 1_000) / (merged.lastEventMs - firstContentMs)
}
