/**
 * Tells budgets what calls took. It stands after those that make calls of exchanges, and before
 * nobody: it emits nothing. A call that reached its provider and of which nothing could be read
 * counts as one of unknown cost; one that was refused or never sent took nothing.
 */
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer } from '../src/pipeline/analyzer.ts'
import { recognizeCall, targetOf } from './providers/recognize.ts'
import { ExchangeStates } from './wire/exchange-states.ts'

/** Of one call; undefined is not known. */
export interface AnsweredCall {
  /** Epoch milliseconds. */
  readonly at: number
  readonly model: string | undefined
  readonly tokens: number | undefined
  /** Dollars. */
  readonly usd: number | undefined
}

export interface SpendListener {
  /** A call of this exchange has been answered; a WebSocket carries several. */
  answered(exchangeId: string, call: AnsweredCall): void
  /** Nothing more comes of this exchange. */
  ended(exchangeId: string): void
}

interface Exchange {
  /** One that has an answer of its own; a socket may carry none. */
  readonly isCall: boolean
  isAnswered: boolean
  /** It was refused here, or by the provider, or never got there. */
  tookNothing: boolean
}

export class BudgetKeeper implements Analyzer {
  readonly name = 'budget-keeper'
  readonly #listener: SpendListener
  readonly #later: (task: () => void) => void
  readonly #exchanges = new ExchangeStates<Exchange>()
  /** What is made of an end comes right after it, before any message of another exchange. */
  #ending: { readonly exchange: Exchange; readonly end: AnalysisMsg } | undefined

  /** `later` runs a task when all that comes of what has come is there. */
  constructor(listener: SpendListener, later: (task: () => void) => void = () => {}) {
    this.#listener = listener
    this.#later = later
  }

  onMessage(msg: AnalysisMsg): void {
    if (this.#ending !== undefined && this.#ending.end.exchangeId !== msg.exchangeId) this.#finish()
    if (msg.kind === 'request-started') this.#start(msg)
    const isLate = this.#ending?.end.exchangeId === msg.exchangeId
    const exchange = isLate ? this.#ending?.exchange : this.#exchanges.get(msg.exchangeId)
    if (exchange !== undefined) this.#take(exchange, msg)
  }

  async close(): Promise<void> {
    this.#finish()
  }

  #start(msg: MsgOf<'request-started'>): void {
    if (msg.exchangeId === undefined) return
    const isCall = recognizeCall(msg.method, targetOf(msg.host, msg.url)) !== undefined
    const state = { isCall, isAnswered: false, tookNothing: false }
    const forgotten = this.#exchanges.set(msg.exchangeId, state)
    if (forgotten !== undefined) this.#listener.ended(forgotten)
  }

  #take(exchange: Exchange, msg: AnalysisMsg): void {
    switch (msg.kind) {
      case 'request-refused':
        exchange.tookNothing = true
        break
      case 'response-started':
        exchange.tookNothing = msg.status >= 400
        break
      case 'model-answered':
        exchange.isAnswered = true
        if (!exchange.tookNothing) this.#answered(msg)
        break
      case 'exchange-failed':
        exchange.tookNothing ||= msg.phase === 'connect' || msg.phase === 'request'
        this.#end(exchange, msg)
        break
      case 'exchange-completed':
        this.#end(exchange, msg)
        break
      default:
    }
  }

  #answered(msg: MsgOf<'model-answered'>): void {
    this.#listener.answered(msg.exchangeId ?? '', {
      at: msg.at,
      model: msg.model,
      tokens: msg.usage?.totalTokens,
      usd: msg.cost?.usd,
    })
  }

  #end(exchange: Exchange, end: AnalysisMsg): void {
    this.#exchanges.take(end.exchangeId)
    this.#ending = { exchange, end }
    // Nothing that is still made of it counts: the next call need not wait for another's message.
    if (exchange.tookNothing) this.#finish()
    else {
      const ending = this.#ending
      // No message may come for long, and it would count as under way until then.
      this.#later(() => {
        if (this.#ending === ending) this.#finish()
      })
    }
  }

  #finish(): void {
    if (this.#ending === undefined) return
    const { exchange, end } = this.#ending
    this.#ending = undefined
    const exchangeId = end.exchangeId ?? ''
    if (exchange.isCall && !exchange.isAnswered && !exchange.tookNothing) {
      const unknown = { model: undefined, tokens: undefined, usd: undefined }
      this.#listener.answered(exchangeId, { at: end.at, ...unknown })
    }
    this.#listener.ended(exchangeId)
  }
}
