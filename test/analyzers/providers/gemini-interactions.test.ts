import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../../analyzers/http-parser.ts'
import { ModelCalls } from '../../../analyzers/model-calls.ts'
import { createInteractionMerger } from '../../../analyzers/providers/gemini-interactions.ts'
import { SseMerger } from '../../../analyzers/sse-merger.ts'
import type { AnalysisMsg, HeaderPairs } from '../../../src/messages/schema.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const url = 'https://generativelanguage.googleapis.com/v1beta/interactions'
const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]
const usage = {
  total_input_tokens: 100,
  input_tokens_by_modality: [{ modality: 'text', tokens: 100 }],
  total_cached_tokens: 40,
  total_output_tokens: 20,
  total_thought_tokens: 30,
  total_tokens: 150,
}

function run(body: object, answer: object | readonly object[], more: object = {}): AnalysisMsg[] {
  const response = Array.isArray(answer)
    ? { headers: sse, body: answer.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('') }
    : { body: JSON.stringify(answer) }
  const request = { url, body: JSON.stringify({ model: 'gemini-2.5-flash', ...body }) }
  return runAnalyzers(
    [new HttpParser(), new SseMerger(), new ModelCalls()],
    exchangeMessages({ request, response: { ...response, ...more } }),
  )
}

const events = [
  { event_type: 'interaction.created', interaction: { id: 'i1', status: 'in_progress' } },
  { event_type: 'step.start', index: 0, step: { type: 'thought' } },
  {
    event_type: 'step.delta',
    index: 0,
    delta: { type: 'thought_summary', content: { type: 'text', text: 'Hmm.' } },
  },
  { event_type: 'step.delta', index: 0, delta: { type: 'thought_signature', signature: 's' } },
  { event_type: 'step.stop', index: 0 },
  { event_type: 'step.start', index: 1, step: { type: 'model_output' } },
  { event_type: 'step.delta', index: 1, delta: { type: 'text', text: 'hel' } },
  { event_type: 'step.delta', index: 1, delta: { type: 'text', text: 'lo' } },
  { event_type: 'step.stop', index: 1 },
  {
    event_type: 'step.start',
    index: 2,
    step: { type: 'function_call', id: 'f1', name: 'light', arguments: {} },
  },
  { event_type: 'step.delta', index: 2, delta: { type: 'arguments_delta', arguments: '{"on":' } },
  { event_type: 'step.delta', index: 2, delta: { type: 'arguments_delta', arguments: 'true}' } },
  { event_type: 'step.stop', index: 2 },
  {
    event_type: 'interaction.completed',
    interaction: { id: 'i1', model: 'gemini-2.5-flash', status: 'requires_action', usage },
  },
]

describe('an interaction', () => {
  test('is a call with what it continues, its output and its counts', () => {
    const out = run(
      { input: 'hi', system_instruction: 'be brief', previous_interaction_id: 'i0' },
      {
        id: 'i1',
        model: 'gemini-2.5-flash',
        status: 'completed',
        steps: [
          { type: 'user_input', content: [{ type: 'text', text: 'hi' }] },
          { type: 'model_output', content: [{ type: 'text', text: 'hello' }] },
        ],
        usage,
      },
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'interactions',
      model: 'gemini-2.5-flash',
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
      ],
      previousResponseId: 'i0',
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'hello' }],
      finishReason: 'completed',
      responseId: 'i1',
      usage: {
        inputTokens: 60,
        cacheReadTokens: 40,
        outputTokens: 50,
        reasoningTokens: 30,
        totalTokens: 150,
        source: 'reported',
      },
      cost: { confidence: 'exact' },
      complete: true,
    })
  })

  test('that streams is put together from its steps', () => {
    const out = run({ input: 'hi', stream: true }, events)

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      format: 'gemini-interactions',
      text: 'hello',
      complete: true,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [
        { type: 'reasoning', text: 'Hmm.' },
        { type: 'text', text: 'hello' },
        { type: 'tool-call', id: 'f1', name: 'light', arguments: '{"on":true}' },
      ],
      finishReason: 'requires_action',
      usage: { totalTokens: 150 },
      complete: true,
    })
  })

  test('reads steps and media of the prompt', () => {
    const data = Buffer.alloc(30).toString('base64')
    const steps = [
      { type: 'user_input', content: [{ type: 'image', mime_type: 'image/png', data }] },
      { type: 'function_call', id: 'f1', name: 'light', arguments: { on: true } },
      { type: 'function_result', call_id: 'f1', result: 'ok' },
    ]
    const contents = run({ input: [{ type: 'text', text: 'a' }] }, {})

    expect(onlyOf(run({ input: steps }, {}), 'model-called').messages).toEqual([
      { role: 'user', parts: [{ type: 'media', mediaType: 'image/png', bytes: 30 }] },
      {
        role: 'model',
        parts: [{ type: 'tool-call', id: 'f1', name: 'light', arguments: '{"on":true}' }],
      },
      { role: 'user', parts: [{ type: 'tool-result', id: 'f1', text: 'ok' }] },
    ])
    expect(onlyOf(contents, 'model-called').messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'a' }] },
    ])
  })

  test('that searched or was served at another tier is not priced as plain', () => {
    const price = (more: object, wrapper: object = {}): unknown =>
      onlyOf(
        run({ input: 'hi' }, { status: 'completed', usage: { ...usage, ...more }, ...wrapper }),
        'model-answered',
      ).cost?.confidence

    expect(price({})).toBe('exact')
    expect(price({ grounding_tool_count: [{ type: 'google_search', count: 1 }] })).toBe('estimated')
    expect(price({}, { service_tier: 'flex' })).toBe('estimated')
    expect(price({ total_cached_tokens: 'x' })).toBeUndefined()
  })

  test('with an error, or cut off, is not complete', () => {
    const failed = [...events.slice(0, 8), { event_type: 'error', error: { message: 'no' } }]

    expect(onlyOf(run({ input: 'hi' }, failed), 'model-answered')).toMatchObject({
      complete: false,
      error: { message: 'no' },
    })
    expect(onlyOf(run({ input: 'hi' }, events.slice(0, 8)), 'model-answered')).toMatchObject({
      complete: false,
      output: [{ type: 'reasoning' }, { type: 'text', text: 'hello' }],
    })
  })
})

test('events in any order, doubled and odd give a result that is JSON', () => {
  const odd = [
    { event_type: 'step.delta', index: 1e9, delta: { type: 'text', text: 'x' } },
    { event_type: 'step.delta', index: -1, delta: [] },
    { event_type: 'step.delta', index: 0, delta: { type: 'text', text: 5 } },
    { event_type: 'step.delta', index: 4, delta: { type: 'arguments_delta', arguments: '{' } },
    { event_type: 'step.start', index: 0, step: 'x' },
    { event_type: 'interaction.completed', interaction: [] },
    { event_type: 'interaction.status_update', status: 3, usage: [] },
    { event_type: '__proto__' },
  ]
  const merger = createInteractionMerger()
  for (const event of [...odd, ...events.toReversed(), ...odd, ...events]) {
    merger.push(JSON.stringify(event))
  }
  const { merged } = merger.result()

  expect(JSON.parse(JSON.stringify(merged))).toEqual(merged)
})
