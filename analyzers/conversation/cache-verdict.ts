/**
 * Whether a call's prompt came out of the provider's cache, and if not, why. The verdict is by the
 * reported counts alone; the reason is the first thing, in the order in which caches compare, that
 * explains it for sure. Where none does, it is `unknown`.
 */
import type { CallLink, Usage } from '../../src/messages/schema.ts'
import { sentTokens } from '../../src/messages/sent-tokens.ts'
import type { CacheRequest, CacheRule } from './cache-rules.ts'

type Reason = NonNullable<CallLink['cache']['reason']>

export interface CachedCall {
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly answeredAt?: number | undefined
  readonly usage?: Usage | undefined
  readonly cache: CacheRequest
}

export interface CacheCase {
  readonly call: CachedCall
  readonly rule: CacheRule | undefined
  /** The call before it in its branch; undefined for the first one. */
  readonly previous: CachedCall | undefined
  /** Whether there was a call before it of which nothing is known. */
  readonly isContinued: boolean
  readonly changed: CallLink['changed']
}

export function judgeCache(cacheCase: CacheCase): CallLink['cache'] {
  const { call, rule, previous } = cacheCase
  const { usage } = call
  if (usage === undefined || usage.source !== 'reported') {
    return { verdict: 'unknown', reason: 'no-usage' }
  }
  const read = usage.cacheReadTokens
  if (rule === undefined && read === 0) return { verdict: 'unknown', reason: 'no-cache-counts' }
  const expected = expectedTokens(previous, rule)
  const told = expected === undefined || expected === 0 ? {} : { expectedTokens: expected }
  if (read > 0 && (expected === undefined || read >= expected)) return { verdict: 'hit', ...told }
  const verdict = read > 0 ? 'partial' : 'miss'
  return { verdict, reason: reasonOf(cacheCase, usage, rule, expected), ...told }
}

/** What the previous call left in the cache, or undefined if that cannot be told. */
function expectedTokens(
  previous: CachedCall | undefined,
  rule: CacheRule | undefined,
): number | undefined {
  const usage = previous?.usage
  if (usage === undefined || usage.source !== 'reported' || rule === undefined) return undefined
  if (rule.isOnRequest) return usage.cacheReadTokens + usage.cacheWriteTokens
  if (rule.step === undefined) return undefined
  const whole = Math.floor(sentTokens(usage) / rule.step) * rule.step
  return whole < rule.minimum ? 0 : whole
}

function reasonOf(
  cacheCase: CacheCase,
  usage: Usage,
  rule: CacheRule | undefined,
  expected: number | undefined,
): Reason {
  const { call, previous, isContinued, changed } = cacheCase
  if (rule?.isOnRequest === true && call.cache.isMarked === false) return 'not-requested'
  if (isBelowMinimum(usage, previous?.usage, rule)) return 'below-minimum'
  if (previous === undefined) return isContinued ? 'unknown' : 'first-call'
  if (changed.includes('model')) return 'model-changed'
  if (changed.includes('tools')) return 'tools-changed'
  if (changed.includes('system')) return 'system-changed'
  if (changed.includes('message')) return 'message-changed'
  if (previous.answeredAt === undefined || call.startedAt < previous.answeredAt) {
    return 'previous-unfinished'
  }
  if (expected === 0) return 'previous-not-cached'
  return expiry(call, previous, previous.answeredAt, rule, usage) ?? 'unknown'
}

/** The prefix that could be shared is at most the previous prompt, and at most this one. */
function isBelowMinimum(
  usage: Usage,
  before: Usage | undefined,
  rule: CacheRule | undefined,
): boolean {
  if (rule === undefined || usage.cacheReadTokens > 0 || usage.cacheWriteTokens > 0) return false
  const isBefore = before?.source === 'reported' && !rule.isOnRequest
  const shared = Math.min(sentTokens(usage), isBefore ? sentTokens(before) : Infinity)
  return shared < rule.minimum
}

/** A cache entry was last used at some time between the previous call's start and its end. */
function expiry(
  call: CachedCall,
  previous: CachedCall,
  answeredAt: number,
  rule: CacheRule | undefined,
  usage: Usage,
): Reason | undefined {
  const kept = previous.cache.kept ?? rule?.kept
  if (kept === undefined) return undefined
  const leastAge = call.startedAt - answeredAt
  const mostAge = call.startedAt - previous.startedAt
  // Where a part is left, that with the shortest time has gone.
  const isPart = usage.cacheReadTokens > 0
  const isChosen = previous.cache.kept !== undefined || rule?.isOnRequest === true
  const sureMs = isPart && isChosen ? kept.leastMs : kept.mostMs
  if (leastAge > sureMs) return 'expired'
  return mostAge > kept.leastMs ? 'maybe-expired' : undefined
}
