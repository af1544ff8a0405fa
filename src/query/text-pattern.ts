/**
 * Regular expressions of a user over text of strangers, without ever hanging on it. Where the text
 * is so long, or the expression such, that backtracking could take long (quadratic is enough for
 * that: `foo.*bar` over a megabyte of `foo`), it runs under a time limit; what passes it counts as
 * no match and is counted. A filter that has spent its patience on such texts passes them over.
 */
import { Script, createContext } from 'node:vm'

import type { PatternCost } from './pattern-cost.ts'
import { costOf, mostSteps } from './pattern-cost.ts'
import { requiredLiterals } from './required-literal.ts'

/** UTF-16 units of a text that are looked at. */
export const maxTextLength = 1024 * 1024
/** Of one expression over one text. */
const timeLimitMs = 100
/** Steps, each of about a nanosecond, that pass unnoticed; and those that are a second or two. */
const quickSteps = 20_000_000
const boundedSteps = 2_000_000_000

export interface TextPattern {
  readonly regex: RegExp
  /** Found wherever `regex` is, and found quickly. */
  readonly required: readonly RegExp[]
  readonly cost: PatternCost
}

export type CompiledPattern =
  | { readonly ok: true; readonly pattern: TextPattern }
  | { readonly ok: false; readonly problem: string }

/** Without case. `flags` besides: `s` or `m`. */
export function compilePattern(source: string, flags: '' | 's' | 'm' = ''): CompiledPattern {
  let problem = ''
  // The `u` grammar is stricter: what it refuses, such as `\-`, may still be an expression.
  for (const mode of ['iu', 'i']) {
    try {
      const regex = new RegExp(source, `${mode}${flags}`)
      const required = requiredLiterals(source).map((text) => new RegExp(escapeRegex(text), mode))
      return { ok: true, pattern: { regex, required, cost: costOf(source) } }
    } catch (error) {
      problem = String(error).replace(/^.*: /su, '').toLowerCase()
    }
  }
  return { ok: false, problem }
}

/** What the patterns of one filter share. */
export class MatchBudget {
  /** Texts that were not looked through to the end. */
  skipped = 0
  readonly #mostMs: number
  readonly #now: () => number
  #leftMs: number
  #seenAt: number

  /** `patienceMs` is spent at most on texts that may take long, and a tenth of the time since. */
  constructor(patienceMs: number, now: () => number = () => performance.now()) {
    this.#mostMs = patienceMs
    this.#leftMs = patienceMs
    this.#now = now
    this.#seenAt = now()
  }

  /** Whether it is found in `text`, as far as that can be said in time. Never throws. */
  isFound({ regex, required, cost }: TextPattern, text: string): boolean {
    const seen = text.length > maxTextLength ? text.slice(0, maxTextLength) : text
    try {
      const steps = mostSteps(cost, seen.length)
      if (steps <= quickSteps) return regex.test(seen)
      if (!required.every((literal) => literal.test(seen))) return false
      const found = this.#testSlowly(regex, seen, steps)
      if (found !== undefined) return found
    } catch {
      // More than the engine can hold in memory.
    }
    this.skipped += 1
    return false
  }

  /** Undefined where that takes too long, or there is no time left. */
  #testSlowly(regex: RegExp, text: string, steps: number): boolean | undefined {
    const began = this.#now()
    this.#leftMs = Math.min(this.#mostMs, this.#leftMs + (began - this.#seenAt) / 10)
    this.#seenAt = began
    if (this.#leftMs <= 0) return undefined
    try {
      // A time limit costs more than most texts do, where they do not make the most of it.
      return steps <= boundedSteps ? regex.test(text) : testTwice(regex, text)
    } catch {
      return undefined
    } finally {
      this.#seenAt = this.#now()
      this.#leftMs -= this.#seenAt - began
    }
  }
}

function escapeRegex(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`)
}

const runner = new Script('run()')
const place: { run: () => boolean } = { run: () => false }
let context: object | undefined

/** Time passes on a busy machine too, or while memory is collected: once more, then it is believed. */
function testTwice(regex: RegExp, text: string): boolean {
  try {
    return testInTime(regex, text)
  } catch {
    return testInTime(regex, text)
  }
}

/** Throws where it takes too long. Costs about a quarter of a millisecond by itself. */
function testInTime(regex: RegExp, text: string): boolean {
  context ??= createContext(place)
  place.run = () => regex.test(text)
  try {
    return runner.runInContext(context, { timeout: timeLimitMs }) === true
  } finally {
    place.run = () => false
  }
}
