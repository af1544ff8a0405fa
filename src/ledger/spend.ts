/**
 * Sums of what calls took, by rule, agent and day, in memory. Pure: what is kept on the disk is
 * `ledger.ts`'s matter, and this is what it knows of it.
 */
import type { Held, Hold, HoldQuery } from './holds.ts'
import { HoldSums } from './holds.ts'

export interface Spend {
  readonly calls: number
  readonly tokens: number
  /** Billionths of a dollar. */
  readonly nanoUsd: number
  /** Calls whose tokens, and whose cost, nobody knows: they are not in the sums. */
  readonly unknownTokens: number
  readonly unknownUsd: number
}

/** What one call, or several of one day, took from one rule. */
export interface Charge extends Spend {
  /** Epoch milliseconds. */
  readonly at: number
  /** Id of the rule. */
  readonly rule: string
  /** Name; empty for who has none. */
  readonly agent: string
  readonly host: string
  readonly model: string | undefined
  readonly exchange: string
}

export const nothing: Spend = { calls: 0, tokens: 0, nanoUsd: 0, unknownTokens: 0, unknownUsd: 0 }

export interface SpendQuery {
  readonly rule: string
  /** Undefined for all of them together. */
  readonly agent: string | undefined
  /** Days since the epoch, UTC; undefined for all days. */
  readonly day: number | undefined
}

/** Where charges go, and sums come from. */
export interface SpendBook {
  /** Throws where it cannot be known. */
  spent(query: SpendQuery): Spend
  charge(charge: Charge): void
  /** What is held ready for calls under way, as of the last question what is spent. */
  held(query: HoldQuery): Held
  hold(hold: Hold): void
  /** What was held of the same numbers is free again. */
  release(hold: Hold): void
}

const dayMs = 24 * 60 * 60 * 1000
/** Of each rule; no budget asks for more than the present one, and clocks of processes differ. */
const keptDays = 3

/** Days since the epoch, UTC. */
export function dayOf(at: number): number {
  return Math.floor(at / dayMs)
}

/** Milliseconds until the next day begins. */
export function untilNextDayMs(at: number): number {
  return (dayOf(at) + 1) * dayMs - at
}

interface Periods {
  total: Spend
  readonly days: Map<number, Spend>
}

interface RuleSums {
  readonly all: Periods
  readonly byAgent: Map<string, Periods>
}

/** What it is told is there as long as it lives, and no longer. */
export class SpendSums implements SpendBook {
  readonly #rules = new Map<string, RuleSums>()
  readonly #holds = new HoldSums()

  spent({ rule, agent, day }: SpendQuery): Spend {
    const sums = this.#rules.get(rule)
    const periods = agent === undefined ? sums?.all : sums?.byAgent.get(agent)
    return (day === undefined ? periods?.total : periods?.days.get(day)) ?? nothing
  }

  charge(charge: Charge): void {
    this.add(charge.rule, charge.agent, dayOf(charge.at), charge)
  }

  held(query: HoldQuery): Held {
    return this.#holds.held(query)
  }

  hold(hold: Hold): void {
    this.#holds.hold(hold)
  }

  release(hold: Hold): void {
    this.#holds.release(hold)
  }

  add(rule: string, agent: string, day: number, spend: Spend): void {
    const sums = this.#rules.get(rule) ?? { all: newPeriods(), byAgent: new Map() }
    this.#rules.set(rule, sums)
    const periods = sums.byAgent.get(agent) ?? newPeriods()
    sums.byAgent.set(agent, periods)
    enter(sums.all, day, spend)
    enter(periods, day, spend)
  }
}

export function addSpend(left: Spend, right: Spend): Spend {
  return {
    calls: left.calls + right.calls,
    tokens: left.tokens + right.tokens,
    nanoUsd: left.nanoUsd + right.nanoUsd,
    unknownTokens: left.unknownTokens + right.unknownTokens,
    unknownUsd: left.unknownUsd + right.unknownUsd,
  }
}

function newPeriods(): Periods {
  return { total: nothing, days: new Map() }
}

function enter(periods: Periods, day: number, spend: Spend): void {
  periods.total = addSpend(periods.total, spend)
  periods.days.set(day, addSpend(periods.days.get(day) ?? nothing, spend))
  if (periods.days.size > keptDays) periods.days.delete(Math.min(...periods.days.keys()))
}
