/** What a run's conversations came to: sessions, turns, branches, retries, use of prompt caches. */
import type { CallLink } from '../messages/schema.ts'

export interface ConversationSummary {
  readonly sessions: number
  readonly turns: number
  readonly subAgents: number
  /** Attempts after the first one of a call. */
  readonly retries: number
  readonly cacheHits: number
  readonly cachePartial: number
  readonly cacheMisses: number
  /** Of misses and partial hits for which there is one, most frequent first. */
  readonly missReasons: ReadonlyArray<readonly [reason: string, count: number]>
}

/** Sessions and branches told apart; more of them are not counted. */
const countedIds = 10_000
/** Misses that nothing could have prevented say nothing about a program. */
const expectedReasons: ReadonlySet<string> = new Set(['first-call', 'below-minimum', 'unknown'])

export class ConversationTotals {
  /** The highest turn of each session. */
  readonly #turns = new Map<string, number>()
  readonly #subAgents = new Set<string>()
  readonly #verdicts = { hit: 0, partial: 0, miss: 0, unknown: 0 }
  readonly #reasons = new Map<string, number>()
  #retries = 0

  add({ sessionId, turn, branch, branchId, attempt, cache }: CallLink): void {
    const before = this.#turns.get(sessionId)
    if (before !== undefined || this.#turns.size < countedIds) {
      this.#turns.set(sessionId, Math.max(before ?? 0, turn))
    }
    if (branch === 'sub-agent' && this.#subAgents.size < countedIds) this.#subAgents.add(branchId)
    if (attempt > 1) this.#retries += 1
    this.#verdicts[cache.verdict] += 1
    const { reason } = cache
    if (cache.verdict === 'unknown' || reason === undefined || expectedReasons.has(reason)) return
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1)
  }

  summarize(): ConversationSummary {
    let turns = 0
    for (const count of this.#turns.values()) turns += count
    return {
      sessions: this.#turns.size,
      turns,
      subAgents: this.#subAgents.size,
      retries: this.#retries,
      cacheHits: this.#verdicts.hit,
      cachePartial: this.#verdicts.partial,
      cacheMisses: this.#verdicts.miss,
      missReasons: [...this.#reasons].toSorted((a, b) => b[1] - a[1]),
    }
  }
}
