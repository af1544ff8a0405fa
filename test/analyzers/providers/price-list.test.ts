import { describe, expect, test } from 'vitest'

import { readAnthropicUsage } from '../../../analyzers/providers/anthropic-usage.ts'
import { parsePriceList } from '../../../analyzers/providers/price-list.ts'
import { priceCall } from '../../../analyzers/providers/price.ts'
import type { ReportedUsage } from '../../../analyzers/providers/usage.ts'
import { readOpenaiUsage } from '../../../analyzers/providers/usage.ts'

const at = Date.UTC(2026, 5, 1)
const list = parsePriceList(
  JSON.stringify({
    sample_spec: { input_cost_per_token: 'documentation' },
    'my-model': {
      litellm_provider: 'openai',
      max_tokens: 4096,
      input_cost_per_token: 0.000002,
      output_cost_per_token: 0.00001,
      cache_read_input_token_cost: 2e-7,
      cache_creation_input_token_cost: 0.0000025,
      cache_creation_input_token_cost_above_1hr: 0.000004,
      input_cost_per_token_above_200k_tokens: 0.000004,
      input_cost_per_token_flex: 0.000001,
      output_cost_per_token_flex: 0.000005,
    },
    'azure/my-model': { input_cost_per_token: 0.000003, output_cost_per_token: 0 },
  }),
  'prices.json',
)

function openai(counts: object, tier?: string): ReportedUsage {
  const body = { usage: counts, ...(tier === undefined ? {} : { service_tier: tier }) }
  const usage = readOpenaiUsage(JSON.parse(JSON.stringify(body)) as never)
  if (usage === undefined) throw new Error('no usage')
  return usage
}

function linesOf(usage: ReportedUsage, provider = 'openai'): Array<[string, number]> {
  const { lines } = priceCall({ provider, model: 'my-model', usage, at, list })
  return lines.map((line) => [line.bucket, line.usdPerMillion])
}

const counts = { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 }

describe("a user's price list", () => {
  test('prices what the built-in tables do not know, and says where the price is from', () => {
    const usage = openai({ ...counts, prompt_tokens_details: { cached_tokens: 400 } })

    const cost = priceCall({ provider: 'openai', model: 'My-Model', usage, at, list })

    expect(cost).toEqual({
      usd: expect.closeTo((600 * 2 + 400 * 0.2 + 100 * 10) / 1e6, 12) as number,
      confidence: 'exact',
      priceSource: 'prices.json',
      lines: [
        { bucket: 'input', tokens: 600, usdPerMillion: 2, usd: 0.0012 },
        { bucket: 'cache-read', tokens: 400, usdPerMillion: 0.2, usd: 0.00008 },
        { bucket: 'output', tokens: 100, usdPerMillion: 10, usd: 0.001 },
      ],
    })
  })

  test('goes before the built-in tables, for the models that it names', () => {
    const own = parsePriceList('{"gpt-4o-mini":{"input_cost_per_token":1e-6}}', 'own')
    const usage = openai({ prompt_tokens: 1_000, total_tokens: 1_000 })
    const price = (model: string) => priceCall({ provider: 'openai', model, usage, at, list: own })

    expect(price('gpt-4o-mini')).toMatchObject({ usd: 0.001, priceSource: 'own' })
    expect(price('gpt-4o').priceSource).toContain('genai-prices')
  })

  test('has a row for the provider go before the one for the model', () => {
    expect(linesOf(openai(counts), 'azure')).toEqual([
      ['input', 3],
      ['output', 0],
    ])
  })

  test('knows that long prompts cost more', () => {
    const long = { prompt_tokens: 200_001, completion_tokens: 1, total_tokens: 200_002 }

    expect(linesOf(openai(long))).toEqual([
      ['input', 4],
      ['output', 10],
    ])
  })

  test("bills a service tier at the tier's own price", () => {
    const usage = openai(counts, 'flex')

    expect(linesOf(usage)).toEqual([
      ['input', 1],
      ['output', 5],
    ])
    expect(priceCall({ provider: 'openai', model: 'my-model', usage, at, list }).confidence).toBe(
      'exact',
    )
    const priority = openai(counts, 'priority')
    expect(
      priceCall({ provider: 'openai', model: 'my-model', usage: priority, at, list }).confidence,
    ).toBe('estimated')
  })

  test('keeps cache writes of five minutes and of an hour apart', () => {
    const usage = readAnthropicUsage({
      usage: {
        input_tokens: 1,
        output_tokens: 1,
        cache_creation_input_tokens: 30,
        cache_creation: { ephemeral_1h_input_tokens: 10 },
      },
      stop_reason: 'end_turn',
    })
    if (usage === undefined) throw new Error('no usage')

    expect(linesOf(usage)).toEqual([
      ['input', 2],
      ['cache-write', 2.5],
      ['cache-write-1h', 4],
      ['output', 10],
    ])
  })

  test('leaves a model with a price missing to the built-in tables', () => {
    const partial = parsePriceList('{"gpt-4o":{"input_cost_per_token":1}}', 'own')

    const cost = priceCall({
      provider: 'openai',
      model: 'gpt-4o',
      usage: openai(counts),
      at,
      list: partial,
    })

    expect(cost.priceSource).toContain('genai-prices')
  })
})

test.each([
  ['{', 'JSON'],
  ['[]', 'not an object of models'],
  ['{"a":1}', '"a" is not an object'],
  ['{"a":{"input_cost_per_token":"free"}}', 'input_cost_per_token of "a" is not a price'],
  ['{"a":{"input_cost_per_token":-1}}', 'input_cost_per_token of "a" is not a price'],
])('the list %s is refused: %s', (text, problem) => {
  expect(() => parsePriceList(text, 'p.json')).toThrow(
    expect.objectContaining({
      code: 'ERR_PRICES_INVALID',
      message: expect.stringContaining(problem) as string,
    }) as Error,
  )
})
