/** Ollama's own API: what streams by default, images, tools, thinking, errors, no price. */
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { createOllamaMerger } from '../../../analyzers/providers/ollama.ts'
import { providerOf } from '../../../analyzers/providers/provider-hosts.ts'
import type { AnalysisMsg, HeaderPairs } from '../../../src/messages/schema.ts'
import { mergeData } from '../../support/merge-events.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const ndjson: HeaderPairs = [['Content-Type', 'application/x-ndjson']]
const json: HeaderPairs = [['Content-Type', 'application/json; charset=utf-8']]

function run(
  path: string,
  request: object,
  body: string,
  headers: HeaderPairs = ndjson,
  more: { host?: string; status?: number; failAfterBytes?: number } = {},
): AnalysisMsg[] {
  const { host = 'localhost:11434', status = 200, ...rest } = more
  return runAnalyzers(
    defaultAnalyzers(),
    exchangeMessages({
      request: { url: `http://${host}${path}`, body: JSON.stringify(request) },
      response: { status, headers, body },
      ...rest,
    }),
  )
}

const lines = (...values: readonly object[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('')

const chatLines = lines(
  { model: 'qwen3', message: { role: 'assistant', content: '', thinking: 'Hm' }, done: false },
  { model: 'qwen3', message: { role: 'assistant', content: 'Hel' }, done: false },
  { model: 'qwen3', message: { role: 'assistant', content: 'lo' }, done: false },
  {
    model: 'qwen3',
    message: {
      role: 'assistant',
      content: '',
      tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }],
    },
    done: false,
  },
  {
    model: 'qwen3',
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    total_duration: 5,
    prompt_eval_count: 3,
    eval_count: 4,
  },
)

describe('a chat', () => {
  const request = {
    model: 'qwen3',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'look', images: [Buffer.alloc(300, 7).toString('base64')] },
      { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
      { role: 'tool', tool_name: 'f', content: 'done' },
    ],
    tools: [{ type: 'function', function: { name: 'f', description: 'does it' } }],
  }

  test('streams unless it is told not to, and is read with its parts', () => {
    const out = run('/api/chat', request, chatLines)

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'ollama',
      operation: 'chat',
      model: 'qwen3',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'look' },
            { type: 'media', mediaType: 'image/*', bytes: 300 },
          ],
        },
        { role: 'assistant', parts: [{ type: 'tool-call', name: 'f', arguments: '{}' }] },
        { role: 'tool', parts: [{ type: 'tool-result', id: 'f', text: 'done' }] },
      ],
      tools: [{ name: 'f', description: 'does it' }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [
        { type: 'reasoning', text: 'Hm' },
        { type: 'text', text: 'Hello' },
        { type: 'tool-call', name: 'f', arguments: '{"a":1}' },
      ],
      finishReason: 'stop',
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, source: 'reported' },
      cost: { confidence: 'unknown', lines: [] },
      complete: true,
    })
    expect(onlyOf(out, 'model-answered').cost?.usd).toBeUndefined()
    expect(onlyOf(out, 'model-answered').ttftMs).toBeDefined()
  })

  test('is a stream also where its lines call themselves JSON', () => {
    const merged = onlyOf(run('/api/chat', request, chatLines, json), 'stream-merged')

    expect(merged).toMatchObject({ format: 'ollama', text: 'Hello', complete: true })
  })

  test.each([
    ['lines', ndjson],
    ['lines that call themselves JSON', json],
  ])('of %s is a stream for the parser too, which keeps no body of it', (_, headers) => {
    const out = run('/api/chat', request, chatLines, headers)
    const parsed = ofKind(out, 'http-parsed').find(({ direction }) => direction === 'response')

    expect(parsed).toMatchObject({ bytes: Buffer.byteLength(chatLines), truncated: false })
    expect([parsed?.json, parsed?.text, parsed?.base64, parsed?.problem]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('that is told not to stream answers in one record', () => {
    const whole = '{"model":"qwen3","message":{"role":"assistant","content":"Hi"},"done":true}\n'
    const out = run('/api/chat', { ...request, stream: false }, whole, json)

    expect(ofKind(out, 'sse-event')).toEqual([])
    expect(onlyOf(out, 'model-called').streaming).toBe(false)
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'Hi' }],
      complete: true,
    })
  })

  test('that breaks off keeps what came', () => {
    const out = run('/api/chat', request, chatLines, ndjson, { failAfterBytes: 240 })

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [
        { type: 'reasoning', text: 'Hm' },
        { type: 'text', text: 'Hel' },
      ],
      complete: false,
      error: { type: 'ECONNRESET' },
    })
  })

  test('tells the error of a stream and of a refusal', () => {
    const inStream = run('/api/chat', request, lines({ error: 'out of memory' }))
    const refused = run('/api/chat', request, '{"error":"model not found"}', json, { status: 404 })

    expect(onlyOf(inStream, 'model-answered').error).toEqual({
      type: 'error',
      message: 'out of memory',
    })
    expect(onlyOf(refused, 'model-answered').error).toEqual({
      type: 'http-404',
      message: 'model not found',
    })
  })

  test('of a program that only has the same path is none', () => {
    expect(ofKind(run('/api/chat', { messages: [], id: 'a' }, '{}'), 'model-called')).toEqual([])
  })
})

test('a generation grows, with its thinking, images and log probabilities', () => {
  const result = mergeData(createOllamaMerger(), [
    { model: 'm', response: 'a', thinking: 't', logprobs: [1], done: false },
    { model: 'm', response: 'b', thinking: 'u', logprobs: [2], done: false },
    { model: 'm', response: '', done: true, context: [1, 2] },
  ])

  expect(result).toEqual({
    merged: {
      model: 'm',
      response: 'ab',
      thinking: 'tu',
      logprobs: [1, 2],
      done: true,
      context: [1, 2],
    },
    text: 'ab',
    complete: true,
  })
  const request = { model: 'm', system: 's', prompt: 'p', suffix: 'x', images: ['AAAA'] }
  expect(onlyOf(run('/api/generate', request, ''), 'model-called').messages).toEqual([
    { role: 'system', parts: [{ type: 'text', text: 's' }] },
    {
      role: 'user',
      parts: [
        { type: 'text', text: 'p' },
        { type: 'media', mediaType: 'image/*', bytes: 3 },
        { type: 'other', name: 'suffix', text: 'x' },
      ],
    },
  ])
})

test('embeddings of both endpoints are counted', () => {
  const many = '{"model":"m","embeddings":[[1,2,3],[4,5,6]],"prompt_eval_count":8}'
  const out = run('/api/embed', { model: 'm', input: ['a', 'b'] }, many, json)
  const one = run('/api/embeddings', { model: 'm', prompt: 'a' }, '{"embedding":[1,2]}', json)

  expect(onlyOf(out, 'model-called')).toMatchObject({
    operation: 'embeddings',
    messages: [{ role: 'user', parts: [{ text: 'a' }, { text: 'b' }] }],
  })
  expect(onlyOf(out, 'model-answered')).toMatchObject({
    output: [{ name: 'embeddings', text: '2 × 3 dimensions' }],
    usage: { inputTokens: 8, outputTokens: 0 },
  })
  expect(onlyOf(one, 'model-answered').output).toEqual([
    { type: 'other', name: 'embeddings', text: '1 × 2 dimensions' },
  ])
  expect(onlyOf(one, 'model-answered').usage).toBeUndefined()
})

test('the provider is Ollama on any host that has no name of its own', () => {
  const on = (host: string): string =>
    onlyOf(run('/api/chat', { model: 'm', messages: [] }, '', ndjson, { host }), 'model-called')
      .provider

  expect(on('gpu-box.lan:8080')).toBe('ollama')
  expect(on('ollama.com')).toBe('ollama')
  expect(on('api.openai.com')).toBe('openai')
  expect(providerOf('127.0.0.1:11434')).toBe('127.0.0.1:11434')
})
