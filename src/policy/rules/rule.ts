/**
 * What a rule is: which requests it concerns, and what becomes of them. Types alone; how rules are
 * matched and in which order they decide is in this folder too, where they are kept is not.
 */
import type { HostPattern } from '../host-pattern.ts'

/** `observe` tells of a request and decides nothing. */
export type RuleAction = 'block' | 'allow' | 'rate' | 'budget' | 'observe'

/** What is undefined matches everything; lists match by any of their members. */
export interface RuleMatch {
  readonly hosts: readonly HostPattern[] | undefined
  /** `/v1/models`, or `/v1/*` for `/v1` and all below it; compared without the query. */
  readonly path: string | undefined
  /** Upper case. */
  readonly methods: readonly string[] | undefined
  /** Names of agents. */
  readonly agents: readonly string[] | undefined
  /** Names of models as the request gives them; `*` stands for any characters. */
  readonly models: readonly string[] | undefined
  /** Names of tools that the request offers to the model; `*` stands for any characters. */
  readonly tools: readonly string[] | undefined
}

export interface RateLimit {
  /** Requests that may pass within the window; a sliding one. */
  readonly requests: number
  readonly windowMs: number
  /** Counted for each agent by itself, or for all that the rule concerns together. */
  readonly scope: 'agent' | 'global'
}

export interface Budget {
  readonly unit: 'usd' | 'tokens'
  readonly amount: number
  /** `run`: since this process started; `day`: since midnight, UTC; `total`: since the rule was made. */
  readonly per: 'run' | 'day' | 'total'
  readonly scope: 'agent' | 'global'
}

interface RuleCommon {
  readonly id: string
  /** Unique among all rules; stands in messages, answers and the audit. */
  readonly name: string
  /** `file`: `porthole.json`. */
  readonly origin: 'vault' | 'file'
  /** `observe`: what it would have decided is told, and nothing enforced. */
  readonly mode: 'enforce' | 'observe'
  readonly match: RuleMatch
  /** Epoch milliseconds. */
  readonly createdAt: number
}

/** What it does, and how much of it. */
export type RuleKind =
  | { readonly action: 'block' | 'allow' | 'observe' }
  | { readonly action: 'rate'; readonly rate: RateLimit }
  | { readonly action: 'budget'; readonly budget: Budget }

export type Rule = RuleCommon & RuleKind

export interface RuleSet {
  readonly rules: readonly Rule[]
  /** For requests that no rule blocks and none allows. */
  defaultAction(agent: string | undefined): 'allow' | 'block'
}

/** Where rules come from. Throws where that cannot be known: then nothing is let through. */
export interface RuleSource {
  /** The same object as long as nothing has changed. */
  current(): RuleSet
}
