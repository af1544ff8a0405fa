/**
 * What is held ready for calls that have passed and are not answered yet, by rule and agent. Pure;
 * those of other processes are told of by `ledger.ts`, each with a time from which on it counts no
 * more: one that has crashed renews nothing.
 */

/** Sums over calls under way. */
export interface Held {
  readonly calls: number
  /** As forecast, each when it passed. */
  readonly tokens: number
  /** Billionths of a dollar, as forecast. */
  readonly nanoUsd: number
}

export interface HoldPlace {
  /** Id of the rule. */
  readonly rule: string
  /** Name; empty for who has none. */
  readonly agent: string
}

export type Hold = HoldPlace & Held

/** Without an agent, those of all together. */
export interface HoldQuery {
  readonly rule: string
  readonly agent: string | undefined
}

/** Of another process. */
export interface Lease extends Hold {
  /** Epoch milliseconds until which it counts, unless it is renewed. */
  readonly until: number
}

/** How long what a process holds outlasts it, in ms. */
export const leaseMs = 15_000

export const nothingHeld: Held = { calls: 0, tokens: 0, nanoUsd: 0 }

export class HoldSums {
  readonly #byPlace = new Map<string, Hold>()

  held(query: HoldQuery): Held {
    if (query.agent !== undefined) {
      return this.#byPlace.get(keyOf(query.rule, query.agent)) ?? nothingHeld
    }
    return sumOf([...this.#byPlace.values()].filter(({ rule }) => rule === query.rule))
  }

  hold(hold: Hold): void {
    this.#add(hold, 1)
  }

  release(hold: Hold): void {
    this.#add(hold, -1)
  }

  /** Every place at which something is held. */
  all(): Hold[] {
    return [...this.#byPlace.values()]
  }

  #add({ rule, agent, ...held }: Hold, sign: 1 | -1): void {
    const key = keyOf(rule, agent)
    const known = this.#byPlace.get(key) ?? nothingHeld
    const calls = known.calls + sign * held.calls
    if (calls <= 0) {
      this.#byPlace.delete(key)
      return
    }
    const tokens = Math.max(0, known.tokens + sign * held.tokens)
    const nanoUsd = Math.max(0, known.nanoUsd + sign * held.nanoUsd)
    this.#byPlace.set(key, { rule, agent, calls, tokens, nanoUsd })
  }
}

/** What others hold at `now`; a lease that lies further ahead than one can is of a clock gone wrong. */
export function leasedAt(leases: readonly Lease[], query: HoldQuery, now: number): Held {
  return sumOf(
    leases.filter(
      ({ rule, agent, until }) =>
        rule === query.rule &&
        (query.agent === undefined || agent === query.agent) &&
        until > now &&
        until <= now + 2 * leaseMs,
    ),
  )
}

export function sumOf(held: readonly Held[]): Held {
  let sum = nothingHeld
  for (const { calls, tokens, nanoUsd } of held) {
    sum = {
      calls: sum.calls + calls,
      tokens: sum.tokens + tokens,
      nanoUsd: sum.nanoUsd + nanoUsd,
    }
  }
  return sum
}

function keyOf(rule: string, agent: string): string {
  return JSON.stringify([rule, agent])
}
