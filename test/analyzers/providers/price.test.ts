import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { calcPrice } from '@pydantic/genai-prices'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readAnthropicUsage } from '../../../analyzers/providers/anthropic-usage.ts'
import { priceCall, priceSource } from '../../../analyzers/providers/price.ts'
import type { ReportedUsage } from '../../../analyzers/providers/usage.ts'
import { readOpenaiUsage } from '../../../analyzers/providers/usage.ts'

const at = Date.UTC(2026, 5, 1)

function anthropic(counts: object): ReportedUsage {
  const body = JSON.parse(JSON.stringify({ usage: counts, stop_reason: 'end_turn' })) as never
  const usage = readAnthropicUsage(body)
  if (usage === undefined) throw new Error('no usage')
  return usage
}

function openai(counts: object): ReportedUsage {
  const usage = readOpenaiUsage(JSON.parse(JSON.stringify({ usage: counts })) as never)
  if (usage === undefined) throw new Error('no usage')
  return usage
}

describe('the price of a call', () => {
  test('counts cached tokens once, at their own rate', () => {
    const usage = openai({
      prompt_tokens: 1_000,
      completion_tokens: 100,
      total_tokens: 1_100,
      prompt_tokens_details: { cached_tokens: 400 },
    })

    const cost = priceCall({ provider: 'openai', model: 'gpt-4o-mini', usage, at })

    expect(cost).toMatchObject({
      confidence: 'exact',
      lines: [
        { bucket: 'input', tokens: 600, usdPerMillion: 0.15 },
        { bucket: 'cache-read', tokens: 400, usdPerMillion: 0.075 },
        { bucket: 'output', tokens: 100, usdPerMillion: 0.6 },
      ],
    })
    expect(cost.usd).toBeCloseTo((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6, 12)
  })

  test('keeps cache writes of five minutes and of an hour apart', () => {
    const usage = anthropic({
      input_tokens: 10,
      cache_creation_input_tokens: 3_000,
      cache_creation: { ephemeral_5m_input_tokens: 2_000, ephemeral_1h_input_tokens: 1_000 },
      cache_read_input_tokens: 400,
      output_tokens: 100,
    })

    const cost = priceCall({ provider: 'anthropic', model: 'claude-sonnet-4-5', usage, at })

    expect(cost.confidence).toBe('exact')
    expect(cost.lines).toMatchObject([
      { bucket: 'input', tokens: 10, usdPerMillion: 3 },
      { bucket: 'cache-read', tokens: 400, usdPerMillion: 0.3 },
      { bucket: 'cache-write', tokens: 2_000, usdPerMillion: 3.75 },
      { bucket: 'cache-write-1h', tokens: 1_000, usdPerMillion: 6 },
      { bucket: 'output', tokens: 100, usdPerMillion: 15 },
    ])
  })

  test('of a long prompt is at the long rate, for all of it', () => {
    const usage = anthropic({ input_tokens: 300_000, output_tokens: 100 })
    const cost = priceCall({ provider: 'anthropic', model: 'claude-sonnet-4-5', usage, at })

    expect(cost).toMatchObject({
      confidence: 'exact',
      lines: [
        { bucket: 'input', usdPerMillion: 6 },
        { bucket: 'output', usdPerMillion: 22.5 },
      ],
    })
  })

  test('lists web searches beside the tokens', () => {
    const usage = anthropic({
      input_tokens: 5,
      output_tokens: 5,
      server_tool_use: { web_search_requests: 2 },
    })
    const cost = priceCall({ provider: 'anthropic', model: 'claude-sonnet-4-5', usage, at })

    expect(cost.lines.at(-1)).toEqual({
      bucket: 'web-search',
      tokens: 2,
      usdPerMillion: 10_000,
      usd: 0.02,
    })
  })

  test.each([
    ['model', 'openai', 'gpt-99-imaginary'],
    ['provider', 'llm.internal:8080', 'gpt-4o'],
    ['model name', 'openai', undefined],
  ])('of an unknown %s is unknown, and never zero', (_what, provider, model) => {
    const usage = openai({ prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 })
    const cost = priceCall({ provider, model, usage, at })

    expect(cost).toEqual({ confidence: 'unknown', lines: [] })
  })

  test('is an estimate where the rates are not the plain ones', () => {
    const usage = anthropic({ input_tokens: 5, output_tokens: 5, service_tier: 'priority' })
    const cost = priceCall({ provider: 'anthropic', model: 'claude-sonnet-4-5', usage, at })

    expect(cost.confidence).toBe('estimated')
  })

  test.each([
    ['openai', 'gpt-4o-mini'],
    ['openai', 'ft:gpt-4o-mini-2024-07-18:somebody::id'],
    ['openai', 'no-such-model'],
    ['no-such-provider', 'gpt-4o-mini'],
    ['api.deepseek.com', 'deepseek-chat'],
    ['litellm', 'openai/gpt-4o-mini'],
    ['azure', 'claude-sonnet-4-5'],
  ])('of %s for %s is the same however often it is asked for', (provider, model) => {
    const prices = [0, 1, 2].map((days) => {
      const usage = openai({ prompt_tokens: 10 + days, completion_tokens: 5 })
      return priceCall({ provider, model, usage, at: at + days })
    })
    const usage = openai({ prompt_tokens: 12, completion_tokens: 5 })
    const first = priceCall({ provider, model: model.toUpperCase(), usage, at: at + 2 })

    expect(prices[1]?.priceDate).toBe(prices[0]?.priceDate)
    expect(prices[2]).toEqual(first)
  })

  test('names the installed tables', () => {
    const path = resolve('node_modules', '@pydantic', 'genai-prices', 'package.json')
    const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>

    expect(priceSource).toBe(`${name} ${version}`)
  })

  test('is the sum of its lines, and what the library computes', () => {
    const models = [
      ['openai', 'gpt-4o'],
      ['openai', 'gpt-5'],
      ['openai', 'o3-mini'],
      ['openai', 'gpt-4o-audio-preview'],
      ['anthropic', 'claude-sonnet-4-5'],
      ['anthropic', 'claude-opus-4-8'],
      ['groq', 'llama-3.3-70b-versatile'],
      ['google', 'gemini-2.5-pro'],
      ['deepseek', 'deepseek-chat'],
    ] as const
    const count = fc.nat(400_000)
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.tuple(count, count, count, count, count),
        ([provider, model], [fresh, read, written, long, output]) => {
          const usage = anthropic({
            input_tokens: fresh,
            cache_read_input_tokens: read,
            cache_creation_input_tokens: written,
            cache_creation: { ephemeral_1h_input_tokens: long },
            output_tokens: output,
          })
          const cost = priceCall({ provider, model, usage, at })
          const reference = calcPrice(
            {
              input_tokens: fresh + read + written,
              cache_read_tokens: read,
              cache_write_tokens: written,
              cache_write_1h_tokens: Math.min(long, written),
              output_tokens: output,
            },
            model,
            { providerId: provider, timestamp: new Date(at) },
          )

          // An hour in the cache costs more than the tables of some providers say.
          const isKnown = long === 0 || written === 0 || provider === 'anthropic'
          expect(cost.confidence).toBe(isKnown ? 'exact' : 'estimated')
          expect(cost.usd).toBe(cost.lines.reduce((sum, line) => sum + line.usd, 0))
          expect(cost.usd).toBeCloseTo(reference?.total_price ?? Number.NaN, 8)
          for (const line of cost.lines) {
            expect(line.usd).toBeCloseTo((line.tokens * line.usdPerMillion) / 1e6, 10)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
