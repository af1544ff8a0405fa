/**
 * Regular expressions of a user over text of strangers, without ever hanging on it. Where the text
 * is so long, or the expression such, that backtracking could take long (quadratic is enough for
 * that: `foo.*bar` over a megabyte of `foo`), it runs under a time limit; what passes it counts as
 * no match and is counted. After a few of those a filter no longer tries such texts at all.
 */
import { Script, createContext } from 'node:vm'

/** UTF-16 units of a text that are looked at. */
export const maxTextLength = 1024 * 1024
/** Of one expression over one text. */
const timeLimitMs = 100
/** So many texts may pass the limit: a second for the whole life of a filter. */
const maxTimeouts = 10
/** Steps of a matcher that surely take less than the limit; a step is about a nanosecond. */
const safeSteps = 20_000_000

export type CompiledPattern =
  | { readonly ok: true; readonly regex: RegExp }
  | { readonly ok: false; readonly problem: string }

/** Without case. `flags` besides: `s` or `m`. */
export function compilePattern(pattern: string, flags: '' | 's' | 'm' = ''): CompiledPattern {
  let problem = ''
  // The `u` grammar is stricter: what it refuses, such as `\-`, may still be an expression.
  for (const mode of ['iu', 'i']) {
    try {
      return { ok: true, regex: new RegExp(pattern, `${mode}${flags}`) }
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
  #timeouts = 0

  /** Whether `regex` is found in `text`, as far as that can be said in time. Never throws. */
  isFound(regex: RegExp, text: string): boolean {
    const seen = text.length > maxTextLength ? text.slice(0, maxTextLength) : text
    try {
      if (mostSteps(regex.source, seen.length) <= safeSteps) return regex.test(seen)
      if (this.#timeouts < maxTimeouts) return testInTime(regex, seen)
    } catch {
      // Out of time, or more than the engine can hold in memory.
      this.#timeouts += 1
    }
    this.skipped += 1
    return false
  }
}

/** An upper bound on what backtracking can cost: each repetition may try every length. */
function mostSteps(source: string, length: number): number {
  const plain = source.replaceAll(/\\[^1-9k]|\[(?:[^\]\\]|\\.)*\]/gsu, 'x')
  if (/\)[*+{]|\\[1-9k]/u.test(plain)) return length < 2 ? 0 : Infinity
  const repetitions = plain.match(/[*+{]|[^(]\?/gu)?.length ?? 0
  // Alternatives one after the other multiply, as in `(a|b)(c|d)`; those of no group only add up.
  const choices = plain.includes('(') ? (plain.match(/\|/gu)?.length ?? 0) : 0
  return length ** (repetitions + 1) * 2 ** choices * source.length
}

const runner = new Script('run()')
const place: { run: () => boolean } = { run: () => false }
let context: object | undefined

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
