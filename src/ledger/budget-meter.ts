/**
 * Budgets of money and tokens, asked before a call and told of it after. What a call takes is known
 * only when it has been answered: until then a place is held for it, as large as the mean of those
 * before it, or, where none is known, as its forecast. A budget is so passed by the last call, and by
 * what those beside it take beyond what was held for them.
 */
import type { Clock } from '../base/clock.ts'
import type { Exhausted, Forecast, Meter, MeteredRequest } from '../policy/rules/meter.ts'
import type { Budget, Rule } from '../policy/rules/rule.ts'
import { explainExhausted } from './budget-text.ts'
import type { Held, Hold } from './holds.ts'
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
  /** Undefined for a request that runs no model, as far as its head tells: those take nothing. */
  readonly forecast: (request: MeteredRequest, at: number) => Forecast | undefined
}

/** A request that has passed and may still be charged. */
interface Running {
  readonly request: MeteredRequest
  readonly rules: Map<string, BudgetRule>
  /** As long as nothing is known of what it takes. */
  forecast: Forecast | undefined
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

  /** What is spent of a budget, and what is expected of the calls under way; in its unit. */
  level(
    rule: BudgetRule,
    request: MeteredRequest,
  ): { readonly spent: number; readonly expected: number } {
    const { spent, expected } = this.#stateOf(rule, request, this.#options.clock.now())
    return { spent, expected }
  }

  consume(rule: Rule, request: MeteredRequest): void {
    if (rule.action !== 'budget') return
    const known = this.#running.get(request.exchangeId)
    const running = known ?? {
      request,
      rules: new Map<string, BudgetRule>(),
      forecast: this.#options.forecast(request, this.#options.clock.now()),
    }
    if (running.rules.has(rule.id)) return
    running.rules.set(rule.id, rule)
    this.#running.set(request.exchangeId, running)
    if (running.forecast === undefined) return
    this.#bookOf(rule).hold(holdOf(rule, request, running.forecast))
  }

  /** A call of this exchange has been answered; a WebSocket carries several. */
  answered(exchangeId: string, call: CallSpend): void {
    const running = this.#running.get(exchangeId)
    if (running === undefined) return
    const { request, rules } = running
    for (const rule of rules.values()) {
      const charge: Charge = {
        at: call.at,
        rule: rule.id,
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
      this.#bookOf(rule).charge(charge)
    }
    this.#release(running)
  }

  /** Nothing more comes of this exchange: what was held ready for it is free again. */
  ended(exchangeId: string): void {
    const running = this.#running.get(exchangeId)
    this.#running.delete(exchangeId)
    if (running !== undefined) this.#release(running)
  }

  #bookOf({ budget }: BudgetRule): SpendBook {
    return budget.per === 'run' ? this.#run : this.#options.book
  }

  #release(running: Running): void {
    const { request, rules, forecast } = running
    if (forecast === undefined) return
    running.forecast = undefined
    for (const rule of rules.values()) {
      this.#bookOf(rule).release(holdOf(rule, request, forecast))
    }
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
    const { sofar, typical, held } = this.#spendOf(rule, request, now)
    const mean = meanOf(budget, typical)
    return {
      spent: amountOf(budget, sofar),
      expected: mean === undefined ? amountOf(budget, held) : held.calls * mean,
      running: held.calls,
      unknown: budget.unit === 'usd' ? sofar.unknownUsd : sofar.unknownTokens,
    }
  }

  /** What was spent of a budget, and what a call typically takes: today's, or else all there were. */
  #spendOf(
    { id, budget }: BudgetRule,
    request: MeteredRequest,
    now: number,
  ): { readonly sofar: Spend; readonly typical: Spend; readonly held: Held } {
    const place = { rule: id, agent: budget.scope === 'agent' ? (request.agent ?? '') : undefined }
    if (budget.per === 'run') {
      const sofar = this.#run.spent({ ...place, day: undefined })
      return { sofar, typical: sofar, held: this.#run.held(place) }
    }
    const { book } = this.#options
    const total = book.spent({ ...place, day: undefined })
    const today = book.spent({ ...place, day: dayOf(now) })
    return {
      sofar: budget.per === 'day' ? today : total,
      typical: today.calls > 0 ? today : total,
      held: book.held(place),
    }
  }
}

/** In the unit of the budget. */
function amountOf({ unit }: Budget, { nanoUsd, tokens }: Held): number {
  return unit === 'usd' ? nanoUsd / 1e9 : tokens
}

/** What one call took on average; undefined before the first, 0 where none of them is known. */
function meanOf(budget: Budget, spend: Spend): number | undefined {
  const unknown = budget.unit === 'usd' ? spend.unknownUsd : spend.unknownTokens
  const known = spend.calls - unknown
  if (spend.calls === 0) return undefined
  return known <= 0 ? 0 : amountOf(budget, spend) / known
}

function holdOf({ id }: BudgetRule, { agent = '' }: MeteredRequest, forecast: Forecast): Hold {
  const { tokens, usd } = forecast
  return { rule: id, agent, calls: 1, tokens, nanoUsd: Math.round(usd * 1e9) }
}
