/**
 * What counts for rules with an amount, rates and budgets: asked of every rule that matches before
 * any of them is told that the request goes on, so that a refused one uses nothing up. Types alone.
 */
import type { Rule } from './rule.ts'

export interface MeteredRequest {
  /** Of a tunnel, the id of its connection. */
  readonly exchangeId: string
  readonly agent: string | undefined
  readonly host: string
  readonly port: number
  /** `CONNECT` for a tunnel. */
  readonly method: string
  /** Origin-form, with its query; empty for a tunnel. */
  readonly path: string
  /** As its head tells; undefined where it does not. */
  readonly bodyBytes?: number | undefined
  /** That it names, where that had to be read anyway. */
  readonly models?: readonly string[] | undefined
}

/** What a call is taken to come to as long as nothing is known of it. */
export interface Forecast {
  readonly tokens: number
  /** Dollars. */
  readonly usd: number
}

/** Nothing is left of what the rule allows. */
export interface Exhausted {
  /** One line for the user, without secrets. */
  readonly message: string
  readonly retryAfterSeconds?: number
  /** Until all that the rule allows is there again. */
  readonly resetSeconds?: number
  readonly limit?: number
  readonly spent?: number
}

export interface Meter {
  /** Whether the request may still pass. Uses nothing up. Throws where that cannot be known. */
  check(rule: Rule, request: MeteredRequest): Exhausted | undefined
  /** The request passes: it counts from now on. */
  consume(rule: Rule, request: MeteredRequest): void
}
