import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readAnthropicUsage } from '../../../analyzers/providers/anthropic-usage.ts'
import type { ReportedUsage } from '../../../analyzers/providers/usage.ts'
import { readOpenaiUsage, readResponsesUsage } from '../../../analyzers/providers/usage.ts'

const wrote = { input_tokens: 9, output_tokens: 1, total_tokens: 10 }
const cached = { cached_tokens: 0, cache_write_tokens: 3 }

function chat(usage: object, more: object = {}): ReportedUsage | undefined {
  return readOpenaiUsage(JSON.parse(JSON.stringify({ usage, ...more })) as never)
}

describe('OpenAI usage', () => {
  test('takes cached and written tokens out of the prompt, and reasoning as part of the output', () => {
    const usage = {
      prompt_tokens: 1_000,
      completion_tokens: 300,
      total_tokens: 1_300,
      prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 100, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 200 },
    }

    expect(readOpenaiUsage({ usage })?.usage).toEqual({
      inputTokens: 300,
      cacheReadTokens: 600,
      cacheWriteTokens: 100,
      outputTokens: 300,
      reasoningTokens: 200,
      totalTokens: 1_300,
      source: 'reported',
    })
  })

  test('of the Responses API reads the same from its own names', () => {
    const usage = {
      input_tokens: 50,
      input_tokens_details: { cached_tokens: 20 },
      output_tokens: 10,
      output_tokens_details: { reasoning_tokens: 4 },
      total_tokens: 60,
    }

    expect(readResponsesUsage({ usage })?.usage).toMatchObject({
      inputTokens: 30,
      cacheReadTokens: 20,
      outputTokens: 10,
      reasoningTokens: 4,
      totalTokens: 60,
    })
  })

  test('adds reasoning to the output where only the total counts it', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 115,
      completion_tokens_details: { reasoning_tokens: 100 },
    }

    expect(readOpenaiUsage({ usage })?.usage).toMatchObject({ outputTokens: 105, totalTokens: 115 })
  })

  test('reads the dialects of Groq and DeepSeek, and embeddings with a total alone', () => {
    const counts = { prompt_tokens: 7, completion_tokens: 1, total_tokens: 8 }

    expect(readOpenaiUsage({ x_groq: { usage: counts } })?.usage.totalTokens).toBe(8)
    expect(
      readOpenaiUsage({ usage: { ...counts, prompt_cache_hit_tokens: 3 } })?.usage,
    ).toMatchObject({ inputTokens: 4, cacheReadTokens: 3 })
    expect(readOpenaiUsage({ data: [], usage: { total_tokens: 9 } })?.usage).toMatchObject({
      inputTokens: 9,
      outputTokens: 0,
      totalTokens: 9,
    })
  })

  test('that contradicts its own total is none', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 15 }

    expect(readOpenaiUsage({ usage })).toBeUndefined()
  })

  test('is none where none is reported, or numbers are no counts', () => {
    expect(readOpenaiUsage({ usage: null })).toBeUndefined()
    expect(readOpenaiUsage({ usage: { prompt_tokens: -1 } })).toBeUndefined()
    expect(readOpenaiUsage({ usage: { prompt_tokens: '5' } })).toBeUndefined()
    expect(readResponsesUsage({})).toBeUndefined()
  })

  test('is marked special for other tiers and for tools with fees', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
    const flags = ['default', null, 'on_demand', 'flex', 'priority'].map(
      (tier) => readOpenaiUsage({ usage, service_tier: tier })?.billing.isSpecial,
    )
    const searched = readResponsesUsage({
      usage: { input_tokens: 1, output_tokens: 1 },
      output: [{ type: 'web_search_call' }],
    })

    expect(flags).toEqual([false, false, false, true, true])
    expect(searched?.billing.isSpecial).toBe(true)
  })

  test('is marked special for what is billed apart by compatibles, and for cached sound', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 }
    const choice = (message: object): object => ({ choices: [{ message }] })
    const sound = { cached_tokens: 4, audio_tokens: 4 }
    const long = { ttl_30m_tokens: 0, ttl_12h_tokens: 3 }
    const special = [
      chat(usage, choice({ annotations: [{ type: 'url_citation' }] })),
      chat(usage, choice({ executed_tools: [{ type: 'search' }] })),
      chat(usage, { usage_breakdown: { models: [] } }),
      chat({ ...usage, num_sources_used: 3 }),
      chat({ ...usage, prompt_tokens_details: sound }),
      readResponsesUsage({
        usage: { ...wrote, input_tokens_details: { ...cached, cache_write_tokens_details: long } },
      }),
      readResponsesUsage({ usage: { ...wrote, num_server_side_tools_used: 1 } }),
    ]

    expect(special.map((read) => read?.billing.isSpecial)).toEqual(special.map(() => true))
    expect(chat(usage, choice({ annotations: [] }))?.billing.isSpecial).toBe(false)
    expect(chat({ ...usage, num_sources_used: 0 })?.billing.isSpecial).toBe(false)
  })

  test('whose details are no counts, or more than the whole, is none', () => {
    const usage = { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 }
    for (const odd of ['50', -1, 1.5, 1e308, [], {}, false, 101]) {
      const details = { prompt_tokens_details: { cached_tokens: odd } }
      expect(chat({ ...usage, ...details }), JSON.stringify(odd)).toBeUndefined()
    }
    expect(chat({ ...usage, total_tokens: '101' })).toBeUndefined()
    expect(chat({ ...usage, completion_tokens: null })?.usage.outputTokens).toBe(0)
  })
})

describe('Anthropic usage', () => {
  const usage = {
    input_tokens: 504,
    cache_creation_input_tokens: 123,
    cache_read_input_tokens: 50,
    cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 23 },
    output_tokens: 97,
    service_tier: 'standard',
  }

  test('adds the cache to the input for the total', () => {
    const read = readAnthropicUsage({ usage, stop_reason: 'end_turn' })

    expect(read?.usage).toEqual({
      inputTokens: 504,
      cacheReadTokens: 50,
      cacheWriteTokens: 123,
      outputTokens: 97,
      reasoningTokens: 0,
      totalTokens: 774,
      source: 'reported',
    })
    expect(read?.billing.cacheWriteLongTokens).toBe(23)
  })

  test('of a message that never ended is an estimate: its output count is a placeholder', () => {
    expect(readAnthropicUsage({ usage, stop_reason: null })?.usage.source).toBe('estimated')
  })
})

/** Plausible and absurd counts alike. */
const anyCount = fc.oneof(fc.nat(1_000), fc.constantFrom(undefined, null, -5, 1.5, 2 ** 53, 'x'))

function check(read: ReportedUsage | undefined, reported: unknown): void {
  if (read === undefined) return
  const { usage, billing } = read
  const sum =
    usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens + usage.outputTokens
  expect(sum).toBeLessThanOrEqual(usage.totalTokens)
  if (typeof reported === 'number' && Number.isSafeInteger(reported) && reported > 0) {
    expect(usage.totalTokens).toBe(reported)
  }
  for (const count of [usage.inputTokens, usage.cacheReadTokens, usage.cacheWriteTokens]) {
    expect(count).toBeGreaterThanOrEqual(0)
  }
  expect(usage.reasoningTokens).toBeLessThanOrEqual(usage.outputTokens)
  expect(billing.cacheWriteLongTokens).toBeLessThanOrEqual(usage.cacheWriteTokens)
  expect(billing.inputAudioTokens).toBeLessThanOrEqual(usage.inputTokens)
  expect(billing.outputAudioTokens).toBeLessThanOrEqual(usage.outputTokens)
}

test('buckets never overlap and never exceed the reported total, whatever is reported', () => {
  fc.assert(
    fc.property(fc.array(anyCount, { minLength: 8, maxLength: 8 }), (counts) => {
      const [a, b, total, cached, written, reasoning, audio, speech] = counts.map((c) => c ?? null)
      const input = { cached_tokens: cached, cache_write_tokens: written, audio_tokens: audio }
      const output = { reasoning_tokens: reasoning, audio_tokens: speech }
      const chat = {
        prompt_tokens: a,
        completion_tokens: b,
        total_tokens: total,
        prompt_tokens_details: input,
        completion_tokens_details: output,
      }
      const responses = {
        input_tokens: a,
        output_tokens: b,
        total_tokens: total,
        input_tokens_details: input,
        output_tokens_details: output,
      }
      const anthropic = {
        input_tokens: a,
        output_tokens: b,
        cache_read_input_tokens: cached,
        cache_creation_input_tokens: written,
        cache_creation: { ephemeral_1h_input_tokens: total },
        output_tokens_details: { thinking_tokens: reasoning },
      }
      const json = (value: object): never => JSON.parse(JSON.stringify({ usage: value })) as never
      check(readOpenaiUsage(json(chat)), total)
      check(readResponsesUsage(json(responses)), total)
      check(readAnthropicUsage(json(anthropic)), undefined)
    }),
    { numRuns: 1_000 },
  )
})
