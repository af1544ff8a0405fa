import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { estimateUsage as estimateInSteps } from '../../../analyzers/providers/estimate.ts'
import type { AnswerReading, CallReading } from '../../../analyzers/providers/model-wire.ts'
import type { ReportedUsage } from '../../../analyzers/providers/usage.ts'
import type { Part } from '../../../src/messages/schema.ts'

function call(...parts: Part[]): CallReading {
  return { streaming: true, messages: [{ role: 'user', parts }], tools: [] }
}

function answer(...output: Part[]): AnswerReading {
  return { output, toolCalls: [] }
}

function estimateUsage(...given: Parameters<typeof estimateInSteps>): ReportedUsage | undefined {
  const steps = estimateInSteps(...given)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

const text = (words: string): Part => ({ type: 'text', text: words })

describe('an estimate', () => {
  test('is what the tokenizer counts, marked as estimated', () => {
    // In o200k: Hello | , | world | ! and one token a word here.
    const usage = estimateUsage(call(text('Hello, world!')), answer(text('one two three')))?.usage

    expect(usage).toEqual({
      inputTokens: 4 + 3,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 3,
      reasoningTokens: 0,
      totalTokens: 10,
      source: 'estimated',
    })
  })

  test('counts tool calls, tool definitions and reasoning', () => {
    const usage = estimateUsage(
      { ...call(text('go')), tools: [{ name: 'search', description: 'finds things' }] },
      answer(
        { type: 'reasoning', text: 'one two' },
        { type: 'tool-call', name: 'search', arguments: '{"q":"x"}' },
      ),
    )?.usage

    expect(usage?.inputTokens).toBeGreaterThan(1 + 3)
    expect(usage?.reasoningTokens).toBe(2)
    expect(usage?.outputTokens).toBeGreaterThan(2)
  })

  test('is not made up where it would mislead', () => {
    const image: Part = { type: 'media', mediaType: 'image/png', bytes: 10 }

    expect(estimateUsage(call(text('x'), image), answer(text('y')))).toBeUndefined()
    expect(estimateUsage(call(text('x')), answer())).toBeUndefined()
    const later = { ...call(text('x')), previousResponseId: 'resp_1' }
    expect(estimateUsage(later, answer(text('y')))).toBeUndefined()
    expect(
      estimateUsage(
        call(text('x')),
        answer({ type: 'other', name: 'embeddings', text: '1 × 8 dimensions' }),
      ),
    ).toBeUndefined()
  })

  test('scales up what is too long to be counted whole', () => {
    const sentence = 'The quick brown fox jumps over the lazy dog. '
    const short = estimateUsage(call(text(sentence.repeat(100))), answer(text('x')))
    const long = estimateUsage(call(text(sentence.repeat(20_000))), answer(text('x')))

    const ratio = (long?.usage.inputTokens ?? 0) / (short?.usage.inputTokens ?? 1)
    expect(ratio).toBeGreaterThan(190)
    expect(ratio).toBeLessThan(210)
  })

  test('of long texts is made in steps', () => {
    const steps = estimateInSteps(call(text('word '.repeat(20_000))), answer(text('x')))
    let count = 0

    while (steps.next().done !== true) count += 1

    expect(count).toBeGreaterThanOrEqual(3)
  })

  test('takes any text for text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (words) => {
        const usage = estimateUsage(call(text(`${words}<|endoftext|>`)), answer(text('x')))?.usage

        expect(usage?.totalTokens).toBe((usage?.inputTokens ?? 0) + 1)
      }),
    )
  })
})
