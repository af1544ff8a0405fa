/** Both of Cohere's APIs: chat and its streams, generate, embed, rerank, and what is billed. */
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { cohereChatWire, cohereV1ChatWire } from '../../../analyzers/providers/cohere-chat-wire.ts'
import { cohereChat, createCohereChatMerger } from '../../../analyzers/providers/cohere-chat.ts'
import {
  cohereEmbedWire,
  cohereGenerateWire,
  cohereRerankWire,
} from '../../../analyzers/providers/cohere-plain-wire.ts'
import { readCohereUsage } from '../../../analyzers/providers/cohere-usage.ts'
import { cohereV1Chat, createV1ChatMerger } from '../../../analyzers/providers/cohere-v1-chat.ts'
import { recognizeCall, targetOf } from '../../../analyzers/providers/recognize.ts'
import { mergeData } from '../../support/merge-events.ts'
import { readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import { exchangeMessages, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const target = targetOf('api.cohere.com', 'https://api.cohere.com/v2/chat')

describe('a chat of the second API', () => {
  const message = (type: string, value: object, index = 0): object => ({
    type,
    index,
    delta: { message: value },
  })

  test('merges thinking, text, citations and the end', () => {
    const result = mergeData(createCohereChatMerger(), [
      {
        type: 'message-start',
        id: 'm',
        delta: {
          message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] },
        },
      },
      message('content-start', { content: { type: 'thinking', thinking: '' } }),
      message('content-delta', { content: { thinking: 'Hm' } }),
      { type: 'content-end', index: 0 },
      message('content-start', { content: { type: 'text', text: '' } }, 1),
      message('content-delta', { content: { text: 'Hel' } }, 1),
      message('content-delta', { content: { text: 'lo' } }, 1),
      message('citation-start', { citations: { start: 0, end: 5, text: 'Hello' } }),
      { type: 'citation-end', index: 0 },
      {
        type: 'message-end',
        delta: { finish_reason: 'COMPLETE', usage: { billed_units: { input_tokens: 1 } } },
      },
    ])

    expect(result).toEqual({
      merged: {
        id: 'm',
        message: {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm' },
            { type: 'text', text: 'Hello' },
          ],
          citations: [{ start: 0, end: 5, text: 'Hello' }],
        },
        finish_reason: 'COMPLETE',
        usage: { billed_units: { input_tokens: 1 } },
      },
      text: 'Hello',
      complete: true,
    })
  })

  test.each(['ERROR', 'ERROR_TOXIC', 'TIMEOUT'])('that ends with %s is not complete', (reason) => {
    const end = { type: 'message-end', delta: { finish_reason: reason } }

    expect(mergeData(createCohereChatMerger(), [end])).toMatchObject({
      complete: false,
      problem: `ended with ${reason}`,
    })
  })

  test('with an error in its last event tells it', () => {
    const end = { type: 'message-end', delta: { error: 'no more', finish_reason: 'ERROR' } }

    expect(mergeData(createCohereChatMerger(), [end])).toMatchObject({
      merged: { error: 'no more' },
      problem: 'no more',
      complete: false,
    })
  })

  test('with tools is read with the plan as reasoning, and what is billed as usage', () => {
    const out = runAnalyzers(
      defaultAnalyzers(),
      exchangeMessages(specOf(readRecorded('cohere-tools-stream'))),
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'cohere',
      operation: 'chat',
      streaming: true,
      tools: [{ name: 'get_weather' }, { name: 'get_time' }],
    })
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      output: [
        { type: 'reasoning', text: 'I will search for the current time and weather in Tokyo.' },
        { type: 'tool-call', name: 'get_time' },
        { type: 'tool-call', name: 'get_weather' },
      ],
      finishReason: 'TOOL_CALL',
      usage: { inputTokens: 62, outputTokens: 28 },
      cost: { confidence: 'exact' },
      complete: true,
    })
    expect(answered.toolCalls.map((call) => JSON.parse(call.arguments) as unknown)).toEqual([
      { location: 'Tokyo' },
      { location: 'Tokyo' },
    ])
  })

  test('reads documents, tool results and content of all kinds', () => {
    const { messages } = cohereChatWire.readCall(
      {
        documents: ['d', { data: { text: 'e' } }],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'look' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            ],
          },
          {
            role: 'assistant',
            tool_plan: 'I will',
            tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 't', content: 'done' },
        ],
      },
      target,
    )

    expect(messages).toEqual([
      {
        role: 'document',
        parts: [
          { type: 'other', name: 'document', text: 'd' },
          { type: 'other', name: 'document', text: '{"data":{"text":"e"}}' },
        ],
      },
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'look' },
          { type: 'media', mediaType: 'image/png', bytes: 3 },
        ],
      },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'I will' },
          { type: 'tool-call', id: 't', name: 'f', arguments: '{}' },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool-result', id: 't', text: 'done' }] },
    ])
  })

  test('carries content in text, thinking, plans and named calls', () => {
    const carries = (value: object): boolean =>
      cohereChat.carriesContent({ delta: { message: value } } as never)

    expect(carries({ content: { text: 'a' } })).toBe(true)
    expect(carries({ content: { thinking: 'a' } })).toBe(true)
    expect(carries({ tool_plan: 'a' })).toBe(true)
    expect(carries({ tool_calls: { function: { name: 'f' } } })).toBe(true)
    expect(carries({ content: [], tool_plan: '', tool_calls: [] })).toBe(false)
  })
})

describe('a chat of the first API', () => {
  const text = (value: string): object => ({
    is_finished: false,
    event_type: 'text-generation',
    text: value,
  })

  test('is the answer that its last event holds', () => {
    const response = { text: 'Hello!', finish_reason: 'COMPLETE' }
    const result = mergeData(createV1ChatMerger(), [
      { is_finished: false, event_type: 'stream-start', generation_id: 'g' },
      text('Hel'),
      { is_finished: true, event_type: 'stream-end', response, finish_reason: 'COMPLETE' },
    ])

    expect(result).toEqual({ merged: response, text: 'Hello!', complete: true })
  })

  test('cut off is what came of it', () => {
    const result = mergeData(createV1ChatMerger(), [
      { is_finished: false, event_type: 'stream-start', generation_id: 'g' },
      text('Hel'),
      text('lo'),
      { is_finished: false, event_type: 'citation-generation', citations: [{ start: 0 }] },
      { is_finished: false, event_type: 'tool-calls-generation', tool_calls: [{ name: 'f' }] },
    ])

    expect(result).toEqual({
      merged: {
        generation_id: 'g',
        text: 'Hello',
        citations: [{ start: 0 }],
        tool_calls: [{ name: 'f' }],
      },
      text: 'Hello',
      complete: false,
    })
    expect(cohereV1Chat.carriesContent(text('a') as never)).toBe(true)
    expect(cohereV1Chat.carriesContent(text('') as never)).toBe(false)
  })

  test('that ends with an error is not complete', () => {
    const end = { is_finished: true, event_type: 'stream-end', finish_reason: 'ERROR_LIMIT' }

    expect(mergeData(createV1ChatMerger(), [text('a'), end])).toMatchObject({
      merged: { text: 'a', finish_reason: 'ERROR_LIMIT' },
      complete: false,
      problem: 'ended with ERROR_LIMIT',
    })
  })

  test('has its newest message last, and the results of tools after it', () => {
    const { messages, tools } = cohereV1ChatWire.readCall(
      {
        preamble: 'be brief',
        chat_history: [
          { role: 'USER', message: 'a' },
          { role: 'CHATBOT', message: '', tool_calls: [{ name: 'f', parameters: { x: 1 } }] },
          { role: 'Other', message: 'b' },
        ],
        message: 'c',
        tool_results: [{ call: { name: 'f' }, outputs: [{ y: 2 }] }],
        tools: [{ name: 'f', description: 'does it', parameter_definitions: {} }],
      },
      target,
    )

    expect(messages).toEqual([
      { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
      { role: 'user', parts: [{ type: 'text', text: 'a' }] },
      { role: 'assistant', parts: [{ type: 'tool-call', name: 'f', arguments: '{"x":1}' }] },
      { role: 'unknown', parts: [{ type: 'text', text: 'b' }] },
      { role: 'user', parts: [{ type: 'text', text: 'c' }] },
      { role: 'tool', parts: [{ type: 'tool-result', id: 'f', text: '[{"y":2}]' }] },
    ])
    expect(tools).toEqual([{ name: 'f', description: 'does it' }])
  })
})

describe('usage', () => {
  test('is what is billed, and the tokens that the model saw only where nothing else is said', () => {
    const tokens = { input_tokens: 69, output_tokens: 89 }
    const billed = { input_tokens: 7, output_tokens: 88 }

    expect(readCohereUsage({ usage: { billed_units: billed, tokens } })).toMatchObject({
      usage: { inputTokens: 7, outputTokens: 88, totalTokens: 95 },
      billing: { isSpecial: false },
    })
    expect(readCohereUsage({ meta: { tokens } })).toMatchObject({
      usage: { inputTokens: 69, outputTokens: 89 },
      billing: { isSpecial: true },
    })
    expect(
      readCohereUsage({ meta: { billed_units: { ...billed, search_units: 1 } } })?.billing
        .isSpecial,
    ).toBe(true)
    expect(readCohereUsage({ meta: { billed_units: { search_units: 1 } } })).toBeUndefined()
  })
})

describe('what is no chat', () => {
  test.each([
    ['/v1/generate', 'generate'],
    ['/v1/embed', 'embeddings'],
    ['/v2/embed', 'embeddings'],
    ['/v1/rerank', 'rerank'],
    ['/v2/rerank', 'rerank'],
    ['/v1/chat', 'chat'],
    ['/v3/chat', undefined],
    ['/v2/embed-jobs', undefined],
  ])('is recognised by its path: %s', (path, operation) => {
    const at = targetOf('api.cohere.com', `https://api.cohere.com${path}`)

    expect(recognizeCall('POST', at)?.operation).toBe(operation)
  })

  test('embeds texts, images and mixed inputs, and counts the vectors', () => {
    const call = cohereEmbedWire.readCall(
      {
        texts: ['a'],
        images: ['data:image/png;base64,AAAA'],
        inputs: [{ content: [{ type: 'text', text: 'b' }] }],
      },
      target,
    )
    const floats = { embeddings: { float: [[1, 2]], base64: ['AAAAAAAAAAA='] } }

    expect(call.messages).toEqual([
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'a' },
          { type: 'media', mediaType: 'image/png', bytes: 3 },
          { type: 'text', text: 'b' },
        ],
      },
    ])
    for (const body of [
      floats,
      { embeddings: [[1, 2]] },
      { embeddings: { base64: ['AAAAAAAAAAA='] } },
    ]) {
      expect(cohereEmbedWire.readAnswer(body, target).output).toEqual([
        { type: 'other', name: 'embeddings', text: '1 × 2 dimensions' },
      ])
    }
    expect(cohereEmbedWire.readAnswer({}, target).output).toEqual([])
  })

  test('ranks documents, whether they are texts or records', () => {
    const body = { query: 'q', documents: ['a', { text: 'b' }, { title: 'c' }] }

    expect(cohereRerankWire.readCall(body, target).messages[1]?.parts).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
      { type: 'text', text: '{"title":"c"}' },
    ])
    expect(
      cohereRerankWire.readAnswer({ results: [{ index: 2, relevance_score: 0.9 }, {}] }, target)
        .output,
    ).toMatchObject([{ text: 'document 2: 0.9' }, { text: 'document ?: ?' }])
  })

  test('generates, in one piece or cut off', () => {
    const whole = { generations: [{ text: 'a', finish_reason: 'COMPLETE' }] }

    expect(cohereGenerateWire.readAnswer(whole, target)).toEqual({
      output: [{ type: 'text', text: 'a' }],
      toolCalls: [],
      finishReason: 'COMPLETE',
    })
    expect(cohereGenerateWire.readAnswer({ text: 'a' }, target).output).toEqual([
      { type: 'text', text: 'a' },
    ])
  })
})
