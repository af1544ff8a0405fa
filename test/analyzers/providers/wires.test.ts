/** How requests and answers of each wire format read as parts. */
import { describe, expect, test } from 'vitest'

import { anthropicMessagesWire } from '../../../analyzers/providers/anthropic-messages-wire.ts'
import { openaiChatWire } from '../../../analyzers/providers/openai-chat-wire.ts'
import {
  openaiCompletionsWire,
  openaiEmbeddingsWire,
} from '../../../analyzers/providers/openai-plain-wire.ts'
import { openaiResponsesWire } from '../../../analyzers/providers/openai-responses-wire.ts'
import {
  recognizeCall,
  streamFormatByPath,
  targetOf,
} from '../../../analyzers/providers/recognize.ts'

const target = targetOf('api.example', 'https://api.example/v1/x')
const pixel = Buffer.alloc(300, 7).toString('base64')

describe('Chat Completions', () => {
  test('reads text, media, tool calls and tool results, never the data of media', () => {
    const reading = openaiChatWire.readCall(
      {
        model: 'm',
        stream: true,
        messages: [
          { role: 'system', content: 'be brief' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'look' },
              { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
              { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
              { type: 'input_audio', input_audio: { data: pixel, format: 'wav' } },
              { type: 'file', file: { file_data: `data:application/pdf;base64,${pixel}` } },
            ],
          },
          {
            role: 'assistant',
            content: null,
            reasoning_content: 'hm',
            tool_calls: [{ id: 't1', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 't1', content: 'done' },
        ],
        tools: [{ type: 'function', function: { name: 'f', description: 'does it' } }],
      },
      target,
    )

    expect(reading).toEqual({
      model: 'm',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'look' },
            { type: 'media', mediaType: 'image/png', bytes: 300 },
            { type: 'media', mediaType: 'image/*' },
            { type: 'media', mediaType: 'audio/wav', bytes: 300 },
            { type: 'media', mediaType: 'application/pdf', bytes: 300 },
          ],
        },
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'hm' },
            { type: 'tool-call', id: 't1', name: 'f', arguments: '{}' },
          ],
        },
        { role: 'tool', parts: [{ type: 'tool-result', id: 't1', text: 'done' }] },
      ],
      tools: [{ name: 'f', description: 'does it' }],
    })
  })

  test('shows parts of unknown kind as JSON, without a dump of data', () => {
    const strange = { type: 'hologram', data: 'A'.repeat(50_000), depth: 3 }
    const [message] = openaiChatWire.readCall(
      {
        messages: [{ role: 'user', content: [strange] }],
      },
      target,
    ).messages
    const [part] = message?.parts ?? []

    expect(part).toMatchObject({ type: 'other', name: 'hologram' })
    expect(JSON.stringify(part)).toContain('(50000 characters)')
    expect(JSON.stringify(part).length).toBeLessThan(400)
  })
})

describe('Responses', () => {
  test('reads instructions first, then items of every kind', () => {
    const reading = openaiResponsesWire.readCall(
      {
        model: 'm',
        instructions: 'be brief',
        input: [
          {
            role: 'user',
            content: [{ type: 'input_image', image_url: `data:image/png;base64,${pixel}` }],
          },
          { type: 'reasoning', summary: [{ type: 'summary_text', text: 'why' }] },
          { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
          { type: 'function_call_output', call_id: 'c1', output: 'done' },
          { type: 'web_search_call', id: 'w' },
        ],
        tools: [{ type: 'web_search' }, { type: 'function', name: 'f' }],
      },
      target,
    )

    expect(reading.messages).toEqual([
      { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
      { role: 'user', parts: [{ type: 'media', mediaType: 'image/png', bytes: 300 }] },
      { role: 'assistant', parts: [{ type: 'reasoning', text: 'why' }] },
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'c1', name: 'f', arguments: '{}' }] },
      { role: 'tool', parts: [{ type: 'tool-result', id: 'c1', text: 'done' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'other', name: 'web_search_call', text: '{"type":"web_search_call","id":"w"}' },
        ],
      },
    ])
    expect(reading.tools).toEqual([{ name: 'web_search' }, { name: 'f' }])
  })

  test('reads a text as the user’s, and why an answer is incomplete', () => {
    const { messages } = openaiResponsesWire.readCall({ input: 'hi' }, target)
    const answer = openaiResponsesWire.readAnswer(
      {
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [],
      },
      target,
    )

    expect(messages).toEqual([{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }])
    expect(answer.finishReason).toBe('max_output_tokens')
  })
})

describe('Anthropic Messages', () => {
  test('reads the system prompt first, blocks, tool results with media', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: pixel },
    }
    const reading = anthropicMessagesWire.readCall(
      {
        model: 'm',
        system: [{ type: 'text', text: 'be brief', cache_control: { type: 'ephemeral' } }],
        messages: [
          { role: 'user', content: 'hi' },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'hm', signature: 's' },
              { type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } },
            ],
          },
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_use_id: 't1',
                content: [{ type: 'text', text: 'ok' }, image],
              },
            ],
          },
        ],
        tools: [{ name: 'f', description: 'does it', input_schema: {} }],
      },
      target,
    )

    expect(reading.messages).toEqual([
      { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
      { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'hm' },
          { type: 'tool-call', id: 't1', name: 'f', arguments: '{"a":1}' },
        ],
      },
      {
        role: 'user',
        parts: [
          { type: 'tool-result', id: 't1', text: 'ok' },
          { type: 'media', mediaType: 'image/png', bytes: 300 },
        ],
      },
    ])
    expect(reading.tools).toEqual([{ name: 'f', description: 'does it' }])
  })

  test('reads results of server tools, which are records', () => {
    const content = { type: 'web_search_tool_result_error', error_code: 'x' }
    const { output } = anthropicMessagesWire.readAnswer(
      {
        content: [{ type: 'web_search_tool_result', tool_use_id: 'w', content }],
      },
      target,
    )

    expect(output).toEqual([{ type: 'tool-result', id: 'w', text: JSON.stringify(content) }])
  })
})

describe('completions and embeddings', () => {
  test('read texts, lists of texts and tokens', () => {
    const parts = (input: never): unknown =>
      openaiEmbeddingsWire.readCall({ input }, target).messages.flatMap((message) => message.parts)

    expect(parts('a' as never)).toEqual([{ type: 'text', text: 'a' }])
    expect(parts(['a', 'b'] as never)).toHaveLength(2)
    expect(parts([1, 2, 3] as never)).toEqual([{ type: 'other', name: 'tokens', text: '3 tokens' }])
    expect(parts([[1], [2]] as never)).toHaveLength(2)
    expect(openaiCompletionsWire.readCall({ prompt: 'x' }, target).messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'x' }] },
    ])
  })

  test('count base64 vectors by their floats', () => {
    const embedding = Buffer.from(new Float32Array(8).buffer).toString('base64')

    expect(openaiEmbeddingsWire.readAnswer({ data: [{ embedding }] }, target).output).toMatchObject(
      [{ text: '1 × 8 dimensions' }],
    )
  })
})

test('a path is recognised by its end, with any prefix and query', () => {
  const operation = (url: string): string | undefined =>
    recognizeCall('POST', targetOf('h', url))?.operation

  expect(operation('https://h/openai/v1/chat/completions?a=/x')).toBe('chat')
  expect(operation('/api/v1/responses')).toBe('responses')
  expect(operation('https://h/v1/messages?beta=true')).toBe('messages')
  expect(operation('https://h/v1/messages/count_tokens')).toBe('count_tokens')
  expect(operation('https://h/v1/threads/t/messages')).toBeUndefined()
  expect(operation('https://h/x?path=/chat/completions')).toBeUndefined()
  expect(streamFormatByPath('https://h/v1/responses/resp_1?stream=true')?.name).toBe(
    'openai-responses',
  )
})
