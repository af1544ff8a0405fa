import { describe, expect, test } from 'vitest'

import { readAnthropicUsage } from '../../../analyzers/providers/anthropic-usage.ts'
import { priceCall } from '../../../analyzers/providers/price.ts'
import type { ReportedUsage } from '../../../analyzers/providers/usage.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'

const at = Date.UTC(2026, 5, 1)
const counts = { input_tokens: 100, output_tokens: 10 }

function read(usage: object, more: object = {}): ReportedUsage | undefined {
  const message = { stop_reason: 'end_turn', usage: { ...counts, ...usage }, ...more }
  return readAnthropicUsage(JSON.parse(JSON.stringify(message)) as JsonRecord)
}

function cost(usage: object): ReturnType<typeof priceCall> {
  const reported = read(usage)
  if (reported === undefined) throw new Error('no usage')
  return priceCall({ provider: 'anthropic', model: 'claude-sonnet-4-5', usage: reported, at })
}

const message = { type: 'message', ...counts }
const compaction = { type: 'compaction', input_tokens: 1_000, output_tokens: 50 }
const advice = {
  type: 'advisor_message',
  model: 'claude-opus-4-8',
  input_tokens: 200,
  output_tokens: 20,
}

describe('what is counted per iteration', () => {
  test('is priced beside the message where its counts leave it out', () => {
    const { usd, confidence, lines } = cost({ iterations: [message, compaction] })

    expect(lines.map(({ bucket, tokens }) => [bucket, tokens])).toEqual([
      ['input', 100],
      ['output', 10],
      ['compaction-input', 1_000],
      ['compaction-output', 50],
    ])
    expect(usd).toBeCloseTo((1_100 * 3 + 60 * 15) / 1e6, 12)
    expect(confidence).toBe('exact')
  })

  test('of an advisor has the price of its own model', () => {
    const { usd } = cost({ iterations: [message, advice] })

    expect(usd).toBeCloseTo((100 * 3 + 10 * 15 + 200 * 5 + 20 * 25) / 1e6, 12)
    expect(cost({ iterations: [{ ...advice, model: 'nobody-knows' }] })).toEqual({
      confidence: 'unknown',
      lines: [],
    })
  })

  test('is part of the total, and of no bucket of the message', () => {
    expect(read({ iterations: [message, compaction] })?.usage).toMatchObject({
      inputTokens: 100,
      outputTokens: 10,
      totalTokens: 1_160,
    })
    expect(read({ iterations: [message, message] })?.usage.totalTokens).toBe(110)
    expect(read({ iterations: null })?.usage.totalTokens).toBe(110)
  })

  test('gives nothing where it cannot be read', () => {
    expect(read({ iterations: [{ ...compaction, input_tokens: '5' }] })).toBeUndefined()
    expect(read({ iterations: [{ ...compaction, output_tokens: null }] })).toBeUndefined()
    expect(read({ iterations: Array.from({ length: 100 }, () => compaction) })).toBeUndefined()
  })
})

test('other rates than the plain ones are marked', () => {
  const ran = [{ type: 'server_tool_use', name: 'bash_code_execution' }]
  const special = [
    read({ inference_geo: 'us' }),
    read({ speed: 'fast' }),
    read({ service_tier: 'batch' }),
    read({ iterations: [{ type: 'fallback_message', ...counts }] }),
    read({ fallback_credit: { status: { type: 'redeemed' } } }),
    read({}, { content: ran }),
  ]
  const plain = [
    read({ inference_geo: 'global' }),
    read({ inference_geo: 'not_available' }),
    read({ inference_geo: null, speed: 'standard', service_tier: 'standard' }),
    read({ fallback_credit: null, speed: null, iterations: null, service_tier: null }),
    read({}, { content: [{ type: 'server_tool_use', name: 'web_search' }] }),
  ]

  expect(special.map((usage) => usage?.billing.isSpecial)).toEqual(special.map(() => true))
  expect(plain.map((usage) => usage?.billing.isSpecial)).toEqual(plain.map(() => false))
})

test('counts that are none give nothing, not a price without them', () => {
  for (const key of [
    'cache_read_input_tokens',
    'cache_creation_input_tokens',
    'input_tokens',
    'output_tokens',
  ]) {
    for (const odd of ['5', -1, 1.5, 2 ** 53, [], {}, true]) {
      expect(read({ [key]: odd }), `${key} ${JSON.stringify(odd)}`).toBeUndefined()
    }
  }
  expect(read({ cache_creation: { ephemeral_1h_input_tokens: '9' } })).toBeUndefined()
  expect(read({ server_tool_use: { web_search_requests: -2 } })).toBeUndefined()
})
