/**
 * Calls, tokens and cost for each model. Calls are paired with their answers, so that one without
 * an answer is counted too. An unknown cost is counted as unknown, never as zero. What the proxy has
 * refused is no call, whether its body was read before that or not.
 */
import type { MsgOf, Usage } from '../messages/schema.ts'
import { totalsRow } from './totals-row.ts'

export interface ModelTotals {
  readonly provider: string
  /** As the answer names it, else as the request did; empty if neither says. */
  readonly model: string
  calls: number
  /** Answered with an error, or never answered. */
  failed: number
  /** Answered in part: it broke off, or the program left. */
  cutShort: number
  /** Fresh input, without cache reads and writes. */
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  outputTokens: number
  /** Calls that were answered, in whole or in part, but told no token counts. */
  callsWithoutUsage: number
  /** Some of the counts are our estimates. */
  hasEstimatedUsage: boolean
  /** Sum of the known costs only. */
  costUsd: number
  hasEstimatedCost: boolean
  callsOfUnknownCost: number
}

/** Exchanges remembered while they wait for an answer; the oldest is given up first. */
const waitingLimit = 10_000

/** A call without an answer yet. */
interface WaitingCall {
  readonly exchangeId: string
  /** Which of its exchange; answers of one WebSocket may come in another order than the calls. */
  readonly call: number | undefined
  readonly provider: string
  readonly model: string
}

export class CallTotals {
  readonly #models = new Map<string, ModelTotals>()
  /** By exchange, in the order of the calls: one WebSocket exchange carries many. */
  readonly #waiting = new Map<string, WaitingCall[]>()
  /** Exchanges that never reached a provider in full, so that no call in them can have cost anything. */
  readonly #unsent = new Set<string>()

  readonly #refused = new Set<string>()

  addCall(msg: MsgOf<'model-called'>): void {
    const exchangeId = msg.exchangeId ?? ''
    if (this.#refused.has(exchangeId)) return
    const call = {
      exchangeId,
      call: msg.call,
      provider: msg.provider,
      model: msg.model ?? '',
    }
    const calls = this.#waiting.get(exchangeId)
    if (calls === undefined) this.#waiting.set(exchangeId, [call])
    else if (calls.length < waitingLimit) calls.push(call)
    else this.#addUnanswered(this.#models, call)
    if (this.#waiting.size <= waitingLimit) return
    const [oldest] = this.#waiting
    if (oldest === undefined) return
    this.#waiting.delete(oldest[0])
    for (const lost of oldest[1]) this.#addUnanswered(this.#models, lost)
  }

  addAnswer(msg: MsgOf<'model-answered'>): void {
    if (this.isRefused(msg.exchangeId)) return
    this.#settle(msg.exchangeId ?? '', msg.call)
    const totals = modelRow(this.#models, msg.provider, msg.model ?? '')
    const outcome = outcomeOf(msg)
    totals.calls += 1
    if (outcome === 'cut-short') totals.cutShort += 1
    else if (outcome !== 'whole') totals.failed += 1
    if (msg.usage !== undefined) addTokens(totals, msg.usage)
    else if (outcome === 'whole' || outcome === 'cut-short') totals.callsWithoutUsage += 1
    const wasSent = !this.#unsent.delete(msg.exchangeId ?? '')
    addCost(totals, msg, wasSent && outcome !== 'rejected')
  }

  /** Says that no provider saw all of this request: it could not be sent. */
  addUnsent(exchangeId = ''): void {
    remember(this.#unsent, exchangeId)
  }

  /** Says that the proxy refused this request. */
  addRefused(exchangeId: string | undefined): void {
    if (exchangeId === undefined) return
    this.#waiting.delete(exchangeId)
    remember(this.#refused, exchangeId)
  }

  isRefused(exchangeId: string | undefined): boolean {
    return exchangeId !== undefined && this.#refused.has(exchangeId)
  }

  /** In the order of their first answer; calls that still wait are counted as failed. */
  totals(): ModelTotals[] {
    const all = new Map<string, ModelTotals>()
    for (const [key, totals] of this.#models) all.set(key, { ...totals })
    for (const call of [...this.#waiting.values()].flat()) this.#addUnanswered(all, call)
    return [...all.values()]
  }

  #settle(exchangeId: string, call: number | undefined): void {
    const calls = this.#waiting.get(exchangeId)
    const at = calls?.findIndex((waiting) => waiting.call === call) ?? -1
    if (at !== -1) calls?.splice(at, 1)
    if (calls?.length === 0) this.#waiting.delete(exchangeId)
  }

  #addUnanswered(models: Map<string, ModelTotals>, call: WaitingCall): void {
    const totals = modelRow(models, call.provider, call.model)
    totals.calls += 1
    totals.failed += 1
    if (!this.#unsent.has(call.exchangeId)) totals.callsOfUnknownCost += 1
  }
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  const [oldest] = ids
  if (ids.size > waitingLimit && oldest !== undefined) ids.delete(oldest)
}

function outcomeOf(msg: MsgOf<'model-answered'>): 'whole' | 'cut-short' | 'rejected' | 'failed' {
  if ((msg.status ?? 0) >= 400) return 'rejected'
  if (msg.complete && msg.error === undefined) return 'whole'
  return msg.output.length > 0 ? 'cut-short' : 'failed'
}

function addTokens(totals: ModelTotals, usage: Usage): void {
  totals.inputTokens += usage.inputTokens
  totals.cacheReadTokens += usage.cacheReadTokens
  totals.cacheWriteTokens += usage.cacheWriteTokens
  totals.outputTokens += usage.outputTokens
  totals.hasEstimatedUsage ||= usage.source === 'estimated'
}

/** A request that was turned away generated nothing, so that there is nothing to bill. */
function addCost(
  totals: ModelTotals,
  { cost, usage }: MsgOf<'model-answered'>,
  wasAccepted: boolean,
): void {
  if (cost?.usd !== undefined) {
    totals.costUsd += cost.usd
    totals.hasEstimatedCost ||= cost.confidence === 'estimated'
  } else if (wasAccepted || usage !== undefined) {
    totals.callsOfUnknownCost += 1
  }
}

function modelRow(models: Map<string, ModelTotals>, provider: string, model: string): ModelTotals {
  return totalsRow(models, [provider, model], (isOverflow) => ({
    provider: isOverflow ? 'others' : provider,
    model: isOverflow ? '' : model,
    calls: 0,
    failed: 0,
    cutShort: 0,
    inputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    callsWithoutUsage: 0,
    hasEstimatedUsage: false,
    costUsd: 0,
    hasEstimatedCost: false,
    callsOfUnknownCost: 0,
  }))
}
