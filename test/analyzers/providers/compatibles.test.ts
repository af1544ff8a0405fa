/** Services that speak like OpenAI, each with something of its own. */
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../../analyzers/http-parser.ts'
import { ModelCalls } from '../../../analyzers/model-calls.ts'
import { openaiChatWire } from '../../../analyzers/providers/openai-chat-wire.ts'
import { createChatMerger } from '../../../analyzers/providers/openai-chat.ts'
import { priceCall, reportedSource } from '../../../analyzers/providers/price.ts'
import { providerOf } from '../../../analyzers/providers/provider-hosts.ts'
import { recognizeCall, targetOf } from '../../../analyzers/providers/recognize.ts'
import type { StreamResult } from '../../../analyzers/providers/stream-format.ts'
import { readOpenaiUsage, readResponsesUsage } from '../../../analyzers/providers/usage.ts'
import { SseMerger } from '../../../analyzers/sse-merger.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import type { ExchangeSpec } from '../../support/run-analyzers.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

function run(spec: ExchangeSpec): AnalysisMsg[] {
  return runAnalyzers([new HttpParser(), new SseMerger(), new ModelCalls()], exchangeMessages(spec))
}

function recorded(name: string, more: Partial<ExchangeSpec> = {}): AnalysisMsg[] {
  return run({ ...specOf(readRecorded(name)), ...more })
}

function merge(...events: readonly object[]): StreamResult {
  const merger = createChatMerger()
  for (const event of events) merger.push(JSON.stringify(event))
  return merger.result()
}

const delta = (fields: object, more: object = {}): object => ({
  id: 'c',
  choices: [{ index: 0, delta: fields, ...more }],
})
const messageIn = (result: StreamResult): unknown =>
  (result.merged['choices'] as ReadonlyArray<{ message: unknown }>)[0]?.message

describe('Writer', () => {
  test('repeats each delta as the message, which merges once', () => {
    const out = recorded('writer-tools-stream', { chunkSize: 1 })
    const merged = onlyOf(out, 'stream-merged')
    const answer = onlyOf(out, 'model-answered')

    expect(merged).toMatchObject({ format: 'openai-chat', complete: true })
    expect(answer).toMatchObject({ provider: 'writer', operation: 'chat', complete: true })
    expect(answer.toolCalls).toHaveLength(1)
    expect(JSON.parse(answer.toolCalls[0]?.arguments ?? '')).toBeTypeOf('object')
    expect(answer.usage?.totalTokens).toBe(
      (answer.usage?.inputTokens ?? 0) + (answer.usage?.outputTokens ?? 0),
    )
  })

  test('streams completions as bare pieces of text', () => {
    const out = recorded('writer-completions-stream', { chunkSize: 7 })
    const merged = onlyOf(out, 'stream-merged')

    expect(merged).toMatchObject({ format: 'writer-completions', complete: true })
    expect(merged.merged).toEqual({ choices: [{ text: merged.text }] })
    expect(onlyOf(out, 'model-answered').output).toEqual([{ type: 'text', text: merged.text }])
    expect(onlyOf(out, 'model-answered').ttftMs).toBeGreaterThan(0)
  })

  test('has pieces that end only with their body', () => {
    const spec = { ...specOf(readRecorded('writer-completions-stream')), chunkSize: 30 }
    const out = run({ ...spec, failAfterBytes: 200 })

    expect(onlyOf(out, 'stream-merged')).toMatchObject({ complete: false, problem: 'cut off' })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: false,
      error: { type: 'ECONNRESET' },
    })
  })

  test('names the details of its usage in its own way', () => {
    const usage = {
      prompt_tokens: 40,
      completion_tokens: 30,
      total_tokens: 70,
      prompt_token_details: { cached_tokens: 10 },
      completion_token_details: { reasoning_tokens: 5 },
    }

    expect(readOpenaiUsage({ usage })?.usage).toMatchObject({
      inputTokens: 30,
      cacheReadTokens: 10,
      reasoningTokens: 5,
    })
  })
})

describe('streams', () => {
  test('of OpenRouter grow their pieces of reasoning by index', () => {
    const piece = (text: string, index = 0): object => ({
      reasoning_details: [{ type: 'reasoning.text', text, index, format: 'anthropic' }],
    })
    const signed = { reasoning_details: [{ type: 'reasoning.text', signature: 's', index: 0 }] }
    const result = merge(
      delta(piece('I ')),
      delta(piece('think')),
      delta(signed),
      delta(piece('so', 1)),
    )

    expect(messageIn(result)).toMatchObject({
      reasoning_details: [
        { type: 'reasoning.text', text: 'I think', index: 0, format: 'anthropic', signature: 's' },
        { type: 'reasoning.text', text: 'so', index: 1 },
      ],
    })
    expect(openaiChatWire.readAnswer(result.merged, targetOf('h', '/')).output).toEqual([
      { type: 'reasoning', text: 'I thinkso' },
    ])
  })

  test('of OpenRouter carry comments before the answer, and errors within it', () => {
    const error = { code: 502, message: 'Provider disconnected' }
    const events = [delta({ content: 'par' }), { ...delta({}, { finish_reason: 'error' }), error }]
    const body = [
      ': OPENROUTER PROCESSING\n\n',
      ...events.map((event) => `data: ${JSON.stringify(event)}\n\n`),
    ]
    const answer = onlyOf(
      run({
        request: {
          url: 'https://openrouter.ai/api/v1/chat/completions',
          body: JSON.stringify({ model: 'm', messages: [], stream: true }),
        },
        response: { headers: [['content-type', 'text/event-stream']], body: body.join('') },
      }),
      'model-answered',
    )

    expect(answer).toMatchObject({
      provider: 'openrouter',
      complete: false,
      output: [{ type: 'text', text: 'par' }],
      error: { type: '502', message: 'Provider disconnected' },
    })
  })

  test('of Mistral think in lists of parts, which become one', () => {
    const thinking = (text: string): object => ({
      content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }],
    })
    const result = merge(delta(thinking('I ')), delta(thinking('think')), delta({ content: 'So' }))

    expect(messageIn(result)).toMatchObject({
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'I think' }] },
        { type: 'text', text: 'So' },
      ],
    })
    expect(openaiChatWire.readAnswer(result.merged, targetOf('h', '/')).output).toEqual([
      { type: 'reasoning', text: 'I think' },
      { type: 'text', text: 'So' },
    ])
  })

  test('of Together and Perplexity repeat what they say under other names', () => {
    const result = merge(
      delta({ content: 'a' }, { text: 'a', message: { content: 'a' } }),
      delta({ content: 'b' }, { text: 'b', message: { content: 'ab' }, finish_reason: 'eos' }),
    )

    expect(result).toMatchObject({ text: 'ab', complete: true })
    expect(result.merged['choices']).toEqual([
      {
        index: 0,
        finish_reason: 'eos',
        logprobs: null,
        message: { content: 'ab', refusal: null },
      },
    ])
  })

  test('of Groq report errors and usage in a place of their own', () => {
    const broken = merge(delta({ content: 'a' }), {
      id: 'c',
      choices: [],
      x_groq: { error: 'over capacity' },
    })
    const x_groq = { usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } }
    const whole = merge(delta({ content: 'a' }, { finish_reason: 'stop' }), { id: 'c', x_groq })

    expect(broken).toMatchObject({ complete: false, problem: 'over capacity' })
    expect(readOpenaiUsage(whole.merged)?.usage.totalTokens).toBe(4)
  })
})

test('Moonshot reports the usage of a stream within its choice', () => {
  const usage = { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 }
  const result = merge(delta({ content: 'a' }), delta({}, { finish_reason: 'stop', usage }))

  expect(readOpenaiUsage(result.merged)?.usage.totalTokens).toBe(4)
})

test('tokens that only the total counts make the cost an estimate', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 115 }
  const reading = readOpenaiUsage({ usage })
  if (reading === undefined) throw new Error('no usage')
  const call = {
    provider: 'google',
    model: 'gemini-2.5-flash',
    usage: reading,
    at: Date.UTC(2026, 0),
  }

  expect(reading.usage).toMatchObject({ outputTokens: 5, totalTokens: 115 })
  expect(priceCall(call).confidence).toBe('estimated')
})

test('Mistral fills in the middle: a completion that is answered like a chat', () => {
  const events = [delta({ content: 'b +' }), delta({ content: ' c' }, { finish_reason: 'stop' })]
  const chunk = { object: 'chat.completion.chunk' }
  const body = events.map((event) => `data: ${JSON.stringify({ ...event, ...chunk })}\n\n`).join('')
  const out = run({
    request: {
      url: 'https://codestral.mistral.ai/v1/fim/completions',
      body: JSON.stringify({
        model: 'codestral-latest',
        prompt: 'a = ',
        suffix: '\n',
        stream: true,
      }),
    },
    response: { headers: [['content-type', 'text/event-stream']], body },
  })

  expect(onlyOf(out, 'model-called')).toMatchObject({
    operation: 'completions',
    messages: [
      { role: 'user', parts: [{ type: 'text', text: 'a = ' }] },
      { role: 'user', parts: [{ type: 'other', name: 'suffix', text: '\n' }] },
    ],
  })
  expect(onlyOf(out, 'model-answered')).toMatchObject({
    complete: true,
    output: [{ type: 'text', text: 'b + c' }],
  })
})

describe('a reported cost', () => {
  const tokens = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
  const cost = (usage: JsonRecord, more: JsonRecord = {}): number | undefined =>
    readOpenaiUsage({ usage: { ...tokens, ...usage }, ...more })?.billing.reportedUsd

  test('is believed where its unit is known', () => {
    expect(cost({ cost: 0.0125 }, { provider: 'Anthropic' })).toBe(0.0125)
    expect(cost({ cost: { total_cost: 0.006, request_cost: 0.005 } })).toBe(0.006)
    expect(cost({ cost_in_usd_ticks: 37_756_000 })).toBeCloseTo(0.0037756, 12)
    const usage = { input_tokens: 1, output_tokens: 1, cost_in_usd_ticks: 200_000_000 }
    expect(readResponsesUsage({ usage })?.billing.reportedUsd).toBeCloseTo(0.02, 12)
  })

  test('with a key of the user’s own is the fee and the price', () => {
    const details = { upstream_inference_cost: 0.02 }
    const answer = { provider: 'OpenAI' }

    expect(cost({ cost: 0.001, is_byok: true, cost_details: details }, answer)).toBeCloseTo(
      0.021,
      12,
    )
    expect(cost({ cost: 0.001, is_byok: true }, answer)).toBeUndefined()
  })

  test.each([{ cost: 3 }, { cost: -1 }, { cost: '1' }, { cost: {} }, { cost_in_usd_ticks: null }])(
    'is not made of %j',
    (usage) => {
      expect(cost(usage)).toBeUndefined()
    },
  )

  test('goes before the price tables, whatever they know', () => {
    const usage = readOpenaiUsage({ usage: { ...tokens, cost: 0.5 }, provider: 'OpenAI' })
    if (usage === undefined) throw new Error('no usage')
    const call = { provider: 'openrouter', model: 'openai/gpt-4o', usage, at: 1_760_000_000_000 }

    expect(priceCall(call)).toEqual({
      usd: 0.5,
      confidence: 'exact',
      lines: [],
      priceSource: reportedSource,
    })
  })
})

describe('Azure', () => {
  test('shows what its filter found in prompt and answer, and nothing where all is safe', () => {
    const safe = { hate: { filtered: false, severity: 'safe' } }
    const found = {
      violence: { filtered: true, severity: 'medium' },
      jailbreak: { filtered: false, detected: true },
    }
    const output = (prompt: object, answer: object): unknown =>
      openaiChatWire.readAnswer(
        {
          prompt_filter_results: [{ prompt_index: 0, content_filter_results: prompt }],
          choices: [{ message: { content: 'a' }, content_filter_results: answer }],
        } as never,
        targetOf('h', '/'),
      ).output

    expect(output(safe, safe)).toEqual([{ type: 'text', text: 'a' }])
    expect(output(found, { ...safe, hate: { filtered: false, severity: 'low' } })).toEqual([
      { type: 'text', text: 'a' },
      {
        type: 'other',
        name: 'content-filter',
        text: 'prompt: violence medium, filtered; jailbreak detected',
      },
      { type: 'other', name: 'content-filter', text: 'answer: hate low' },
    ])
  })

  test('opens its streams with results alone, which stay in the answer', () => {
    const merged = onlyOf(recorded('azure-stream', { chunkSize: 100 }), 'stream-merged')

    expect(merged.complete).toBe(true)
    expect(merged.merged).toHaveProperty('prompt_filter_results')
  })

  test('says why a prompt was refused', () => {
    const answer = onlyOf(recorded('azure-content-filter'), 'model-answered')

    expect(answer.complete).toBe(false)
    expect(answer.output).toMatchObject([{ type: 'other', name: 'content-filter' }])
  })
})

describe('other calls', () => {
  test('rerank documents', () => {
    const out = recorded('voyage-rerank')

    expect(onlyOf(out, 'model-called')).toMatchObject({ provider: 'voyageai', operation: 'rerank' })
    expect(onlyOf(out, 'model-called').messages.map(({ role }) => role)).toEqual([
      'user',
      'document',
    ])
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: true,
      output: [{ type: 'other', name: 'ranking' }],
    })
    expect(onlyOf(out, 'model-answered').usage?.inputTokens).toBeGreaterThan(0)
  })

  test('start predictions', () => {
    const out = recorded('replicate-prediction')

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'replicate',
      operation: 'predictions',
      model: 'meta/llama-2-70b-chat',
      messages: [
        { role: 'user', parts: [{ type: 'text', text: 'tell me a joke about opentelemetry' }] },
      ],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({ finishReason: 'starting', output: [] })
  })

  test.each([
    [['to', 'ken'], [{ type: 'text', text: 'token' }]],
    [['https://x.example/0.png'], [{ type: 'media', mediaType: 'application/octet-stream' }]],
    [{ score: 1 }, [{ type: 'other', name: 'output', text: '{"score":1}' }]],
    [null, []],
  ])('read a finished prediction of %j', (output, expected) => {
    const request = {
      version: 'owner/name:1f0c',
      input: { image: 'https://x.example/a.png', seed: 1 },
    }
    const metrics = { input_token_count: 4, output_token_count: 2, predict_time: 1.5 }
    const out = run({
      request: { url: 'https://api.replicate.com/v1/predictions', body: JSON.stringify(request) },
      response: { status: 201, body: JSON.stringify({ status: 'succeeded', output, metrics }) },
    })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'owner/name',
      messages: [{ parts: [{ type: 'other', name: 'input' }, { type: 'media' }] }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: expected,
      finishReason: 'succeeded',
      usage: { inputTokens: 4, outputTokens: 2 },
    })
  })
})

test('a path that differs by host is read by its host, whatever the case of the method', () => {
  const operation = (url: string): string | undefined =>
    recognizeCall('post', targetOf(new URL(url).host, url))?.operation

  expect(operation('https://api.writer.com:443/v1/chat')).toBe('chat')
  expect(operation('https://api.voyageai.com/v1/rerank')).toBe('rerank')
  expect(operation('https://api.deepseek.com/beta/chat/completions')).toBe('chat')
  expect(operation('https://r.openai.azure.com/openai/v1/chat/completions')).toBe('chat')
  expect(
    operation('https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/e/invocations'),
  ).toBe(undefined)
})

test.each([
  ['api.writer.com:443', 'writer'],
  ['api.voyageai.com', 'voyageai'],
  ['router.huggingface.co', 'huggingface'],
  ['copilot-proxy.githubusercontent.com', 'github-copilot'],
  ['europe-west1-aiplatform.googleapis.com', 'google'],
])('%s is of %s', (host, provider) => {
  expect(providerOf(host)).toBe(provider)
})
