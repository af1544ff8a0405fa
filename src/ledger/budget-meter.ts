/**
 * Budgets of money and tokens, asked before a call and told of it after. What a call takes is known
 * only when it has been answered: until then it is taken to be as the mean of those before it, so
 * that a burst of calls passes a budget by no more than they differ from that, and by the last one.
 */
import type { Clock } from '../base/clock.ts'
import type { Exhausted, Meter, MeteredRequest } from '../policy/rules/meter.ts'
import type { Budget, Rule } from '../policy/rules/rule.ts'
import { explainExhausted } from './budget-text.ts'
import { dayOf, SpendSums } from './spend.ts'
import type { Charge, Spend, SpendBook } from './spend.ts'

export type BudgetRule = Extract<Rule, { readonly action: 'budget' }>

/** What an answered call took; undefined is not known. */
export interface CallSpend {
  /** Epoch milliseconds. */
  readonly at: number
  readonly model: string | undefined
  readonly tokens: number | undefined
  /** Dollars. */
  readonly usd: number | undefined
}

export interface BudgetMeterOptions {
  readonly clock: Pick<Clock, 'now'>
  /** What outlasts this process; asked only for budgets that do. */
  readonly book: SpendBook
  /** Whether a request runs a model, as far as method and path tell: others take nothing. */
  readonly runsModel: (request: MeteredRequest) => boolean
}

/** A request that has passed and may still be charged. */
interface Running {
  readonly request: MeteredRequest
  readonly rules: Map<string, BudgetRule>
  /** Nothing is known of what it takes yet. */
  isReserved: boolean
}

export class BudgetMeter implements Meter {
  readonly #options: BudgetMeterOptions
  readonly #run = new SpendSums()
  /** By exchange. */
  readonly #running = new Map<string, Running>()

  constructor(options: BudgetMeterOptions) {
    this.#options = options
  }

  /** Undefined for rules that are none of budgets too. Throws where the ledger cannot be read. */
  check(rule: Rule, request: MeteredRequest): Exhausted | undefined {
    if (rule.action !== 'budget') return undefined
    const { budget } = rule
    const now = this.#options.clock.now()
    const { spent, expected, running, unknown } = this.#stateOf(rule, request, now)
    if (spent + expected < budget.amount) return undefined
    return {
      limit: budget.amount,
      spent,
      message: explainExhausted(rule, {
        agent: request.agent,
        now,
        spent,
        unknown,
        running: spent < budget.amount ? { calls: running, expected } : undefined,
      }),
    }
  }

  /** What is spent of a budget, with what is expected of the calls under way; in its unit. */
  level(rule: BudgetRule, request: MeteredRequest): number {
    const { spent, expected } = this.#stateOf(rule, request, this.#options.clock.now())
    return spent + expected
  }

  consume(rule: Rule, request: MeteredRequest): void {
    if (rule.action !== 'budget') return
    const known = this.#running.get(request.exchangeId)
    if (known !== undefined) {
      known.rules.set(rule.id, rule)
      return
    }
    const isReserved = this.#options.runsModel(request)
    const rules = new Map([[rule.id, rule]])
    this.#running.set(request.exchangeId, { request, rules, isReserved })
  }

  /** A call of this exchange has been answered; a WebSocket carries several. */
  answered(exchangeId: string, call: CallSpend): void {
    const running = this.#running.get(exchangeId)
    if (running === undefined) return
    running.isReserved = false
    const { request, rules } = running
    for (const { id, budget } of rules.values()) {
      const charge: Charge = {
        at: call.at,
        rule: id,
        agent: request.agent ?? '',
        host: request.host,
        model: call.model,
        exchange: exchangeId,
        calls: 1,
        tokens: call.tokens ?? 0,
        nanoUsd: Math.round((call.usd ?? 0) * 1e9),
        unknownTokens: Number(call.tokens === undefined),
        unknownUsd: Number(call.usd === undefined),
      }
      if (budget.per === 'run') this.#run.charge(charge)
      else this.#options.book.charge(charge)
    }
  }

  /** Nothing more comes of this exchange: what was held ready for it is free again. */
  ended(exchangeId: string): void {
    this.#running.delete(exchangeId)
  }

  #stateOf(
    rule: BudgetRule,
    request: MeteredRequest,
    now: number,
  ): {
    readonly spent: number
    readonly expected: number
    /** Calls under way. */
    readonly running: number
    /** Calls that are not in `spent`. */
    readonly unknown: number
  } {
    const { budget } = rule
    const { sofar, typical } = this.#spendOf(rule, request, now)
    const running = this.#countRunning(rule, request)
    return {
      spent: amountOf(budget, sofar),
      expected: running * meanOf(budget, typical),
      running,
      unknown: budget.unit === 'usd' ? sofar.unknownUsd : sofar.unknownTokens,
    }
  }

  /** What was spent of a budget, and what a call typically takes: today's, or else all there were. */
  #spendOf(
    { id, budget }: BudgetRule,
    request: MeteredRequest,
    now: number,
  ): { readonly sofar: Spend; readonly typical: Spend } {
    const place = { rule: id, agent: budget.scope === 'agent' ? (request.agent ?? '') : undefined }
    if (budget.per === 'run') {
      const sofar = this.#run.spent({ ...place, day: undefined })
      return { sofar, typical: sofar }
    }
    const total = this.#options.book.spent({ ...place, day: undefined })
    const today = this.#options.book.spent({ ...place, day: dayOf(now) })
    return {
      sofar: budget.per === 'day' ? today : total,
      typical: today.calls > 0 ? today : total,
    }
  }

  #countRunning({ id, budget }: BudgetRule, request: MeteredRequest): number {
    let count = 0
    for (const running of this.#running.values()) {
      const isOther = budget.scope === 'agent' && running.request.agent !== request.agent
      if (running.isReserved && running.rules.has(id) && !isOther) count += 1
    }
    return count
  }
}

/** In the unit of the budget. */
function amountOf({ unit }: Budget, spend: Spend): number {
  return unit === 'usd' ? spend.nanoUsd / 1e9 : spend.tokens
}

/** What one call took on average; 0 as long as none is known. */
function meanOf(budget: Budget, spend: Spend): number {
  const unknown = budget.unit === 'usd' ? spend.unknownUsd : spend.unknownTokens
  const known = spend.calls - unknown
  return known <= 0 ? 0 : amountOf(budget, spend) / known
}
