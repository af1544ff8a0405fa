/**
 * How the providers' prompt caches work, as data: the least that is cached, how long it is kept,
 * and whether it must be asked for. Only what the providers document; where a number differs between
 * models and the model is not listed, the lowest stands, so that no miss is explained away wrongly.
 */
import type { Json, MsgOf } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, recordOf } from '../wire/json.ts'

const minute = 60_000
const hour = 60 * minute

export interface CacheRule {
  /** Whether a cache is used only where the request marks a place for it. */
  readonly isOnRequest: boolean
  /** Tokens below which nothing is cached. */
  readonly minimum: number
  /** Prefixes are cached in steps of so many tokens; absent where the answer tells what is cached. */
  readonly step?: number
  /** Cached for at least and at most so long after its last use; absent where nobody says. */
  readonly kept?: CacheTimes
}

export interface CacheTimes {
  readonly leastMs: number
  readonly mostMs: number
}

/** What a request asks of the cache. */
export interface CacheRequest {
  /** Marks a place up to which the prompt shall be cached; undefined if the body was not seen. */
  readonly isMarked?: boolean
  /** Where the request chooses it. */
  readonly kept?: CacheTimes
}

const anthropic: CacheRule = {
  isOnRequest: true,
  minimum: 1_024,
  kept: { leastMs: 5 * minute, mostMs: 5 * minute },
}
const openai: CacheRule = {
  isOnRequest: false,
  minimum: 1_024,
  step: 128,
  kept: { leastMs: 5 * minute, mostMs: hour },
}
const rules: Readonly<Record<string, CacheRule>> = {
  anthropic,
  openai,
  azure: openai,
  deepseek: { isOnRequest: false, minimum: 64, step: 64 },
  google: { isOnRequest: false, minimum: 1_024 },
}

/** Models of Anthropic whose minimum is higher than the lowest one. */
const anthropicMinimums: ReadonlyArray<{ readonly model: RegExp; readonly minimum: number }> = [
  { model: /opus-4-[56]|haiku-4-5/u, minimum: 4_096 },
  { model: /3-haiku|3-5-haiku/u, minimum: 2_048 },
]

/** Undefined where it is not known what the counts of a provider would mean. */
export function cacheRule(call: MsgOf<'model-called'>): CacheRule | undefined {
  const { provider, model = '' } = call
  const isClaude = provider === 'anthropic' || /claude/iu.test(model)
  if (isClaude && (provider === 'anthropic' || provider === 'aws' || provider === 'google')) {
    const own = anthropicMinimums.find((row) => row.model.test(model))
    return own === undefined ? anthropic : { ...anthropic, minimum: own.minimum }
  }
  return Object.hasOwn(rules, provider) ? rules[provider] : undefined
}

export function readCacheRequest(body: JsonRecord | undefined): CacheRequest {
  if (body === undefined) return {}
  const times = markedTimes(body)
  const shortest = Math.min(...times)
  const longest = Math.max(...times)
  const isKeptForDay = body['prompt_cache_retention'] === '24h'
  return {
    isMarked: times.length > 0,
    ...(times.length > 0 ? { kept: { leastMs: shortest, mostMs: longest } } : {}),
    ...(isKeptForDay ? { kept: { leastMs: 24 * hour, mostMs: 24 * hour } } : {}),
  }
}

/** Marks stand on the request, on system blocks, on tools, and on blocks of messages. */
function markedTimes(body: JsonRecord): number[] {
  const messages = listOf(body['messages']).flatMap((message) =>
    listOf(recordOf(message)['content']),
  )
  const places = [body, ...listOf(body['system']), ...listOf(body['tools']), ...messages]
  return places.flatMap((place) => markOf(place))
}

function markOf(place: Json): number[] {
  const record = recordOf(place)
  const mark = record['cache_control'] ?? record['cachePoint']
  if (!isRecord(mark)) return []
  return [mark['ttl'] === '1h' ? hour : 5 * minute]
}
