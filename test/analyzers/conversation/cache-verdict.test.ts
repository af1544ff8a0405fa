import { describe, expect, test } from 'vitest'

import { cacheRule, readCacheRequest } from '../../../analyzers/conversation/cache-rules.ts'
import type { CacheCase } from '../../../analyzers/conversation/cache-verdict.ts'
import { judgeCache } from '../../../analyzers/conversation/cache-verdict.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'
import type { CallLink, Usage } from '../../../src/messages/schema.ts'

const minute = 60_000
const hour = 60 * minute

function counts(inputTokens: number, cacheReadTokens: number, cacheWriteTokens = 0): Usage {
  const totalTokens = inputTokens + cacheReadTokens + cacheWriteTokens
  const rest = { outputTokens: 0, reasoningTokens: 0, totalTokens, source: 'reported' as const }
  return { inputTokens, cacheReadTokens, cacheWriteTokens, ...rest }
}

const marked: JsonRecord = {
  system: [{ type: 'text', text: 's', cache_control: { type: 'ephemeral' } }],
}

interface Pair {
  readonly provider: string
  readonly model?: string
  readonly before?: Usage | undefined
  readonly usage?: Usage
  /** From the end of the call before, which took a second, to the start of this one. */
  readonly gapMs?: number
  readonly body?: JsonRecord
  readonly changed?: CallLink['changed']
}

function judge({
  provider,
  model = 'm',
  before,
  usage,
  gapMs = 1_000,
  body = {},
  changed = ['appended'],
}: Pair) {
  const rule = cacheRule({
    v: 1,
    seq: 0,
    at: 0,
    kind: 'model-called',
    provider,
    operation: 'o',
    model,
    streaming: false,
    messages: [],
    tools: [],
  })
  const cache = readCacheRequest(body)
  const previous = { startedAt: 0, answeredAt: 1_000, usage: before, cache }
  const call = { startedAt: 1_000 + gapMs, usage, cache }
  const cacheCase: CacheCase = {
    call,
    rule,
    changed,
    isContinued: false,
    previous: before === undefined ? undefined : previous,
  }
  return judgeCache(cacheCase)
}

describe('for Anthropic', () => {
  const call = (pair: Omit<Pair, 'provider'>) =>
    judge({ provider: 'anthropic', body: marked, ...pair })
  const before = counts(10, 4_000, 1_000)

  test('a hit reads at least what the call before had read and written', () => {
    expect(call({ before, usage: counts(10, 5_000, 200) })).toEqual({
      verdict: 'hit',
      expectedTokens: 5_000,
    })
    expect(call({ before, usage: counts(10, 4_000, 1_200) })).toEqual({
      verdict: 'partial',
      reason: 'unknown',
      expectedTokens: 5_000,
    })
  })

  test('an entry lives for five minutes, or for an hour where it was asked for', () => {
    const usage = counts(10, 0, 5_200)
    const long: JsonRecord = { cache_control: { type: 'ephemeral', ttl: '1h' } }

    expect(call({ before, usage, gapMs: 6 * minute }).reason).toBe('expired')
    expect(call({ before, usage, gapMs: 5 * minute - 500 }).reason).toBe('maybe-expired')
    expect(call({ before, usage, gapMs: 4 * minute }).reason).toBe('unknown')
    expect(call({ before, usage, gapMs: 6 * minute, body: long }).reason).toBe('unknown')
    expect(call({ before, usage, gapMs: 61 * minute, body: long }).reason).toBe('expired')
  })

  test('nothing is cached without a mark, nor below the minimum of the model', () => {
    expect(call({ usage: counts(9_000, 0), body: {} })).toEqual({
      verdict: 'miss',
      reason: 'not-requested',
    })
    expect(call({ usage: counts(900, 0) }).reason).toBe('below-minimum')
    expect(call({ usage: counts(3_000, 0), model: 'claude-haiku-4-5' }).reason).toBe(
      'below-minimum',
    )
    expect(call({ usage: counts(3_000, 0), model: 'claude-sonnet-4-5' }).reason).toBe('first-call')
  })

  test('the first thing that differs is the reason', () => {
    const usage = counts(10, 0, 5_200)
    const reason = (...changed: CallLink['changed']) => call({ before, usage, changed }).reason

    expect(reason('model', 'tools', 'system', 'message')).toBe('model-changed')
    expect(reason('tools', 'system', 'message')).toBe('tools-changed')
    expect(reason('system', 'message')).toBe('system-changed')
    expect(reason('message', 'appended')).toBe('message-changed')
  })

  test('a call that began before the other was answered could not find its entry', () => {
    expect(call({ before, usage: counts(10, 0, 5_200), gapMs: -500 }).reason).toBe(
      'previous-unfinished',
    )
  })

  test('where the call before had cached nothing, nothing was to be had', () => {
    expect(call({ before: counts(5_000, 0), usage: counts(10, 0, 5_200) })).toEqual({
      verdict: 'miss',
      reason: 'previous-not-cached',
    })
  })
})

describe('for OpenAI', () => {
  const call = (pair: Omit<Pair, 'provider'>) => judge({ provider: 'openai', ...pair })

  test('a hit reads the whole steps of the prompt before', () => {
    expect(call({ before: counts(2_000, 0), usage: counts(180, 1_920) })).toEqual({
      verdict: 'hit',
      expectedTokens: 1_920,
    })
  })

  test('prompts below the minimum are never cached', () => {
    expect(call({ before: counts(1_000, 0), usage: counts(1_500, 0) })).toEqual({
      verdict: 'miss',
      reason: 'below-minimum',
    })
  })

  test('an entry may be gone after five minutes, and is after an hour unless it is to be kept', () => {
    const before = counts(2_000, 0)
    const usage = counts(2_100, 0)
    const kept: JsonRecord = { prompt_cache_retention: '24h' }

    expect(call({ before, usage, gapMs: 20 * minute }).reason).toBe('maybe-expired')
    expect(call({ before, usage, gapMs: 2 * hour }).reason).toBe('expired')
    expect(call({ before, usage, gapMs: 2 * hour, body: kept }).reason).toBe('unknown')
  })
})

describe('it is not guessed', () => {
  test('without reported counts', () => {
    const estimated: Usage = { ...counts(5_000, 0), source: 'estimated' }

    expect(judge({ provider: 'openai' })).toEqual({ verdict: 'unknown', reason: 'no-usage' })
    expect(judge({ provider: 'openai', usage: estimated })).toEqual({
      verdict: 'unknown',
      reason: 'no-usage',
    })
  })

  test('for a provider that may not count what it reads from a cache', () => {
    expect(judge({ provider: 'localhost', usage: counts(5_000, 0) })).toEqual({
      verdict: 'unknown',
      reason: 'no-cache-counts',
    })
    expect(judge({ provider: 'localhost', usage: counts(100, 4_900) })).toEqual({ verdict: 'hit' })
  })
})
