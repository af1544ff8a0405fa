/** What no recording shows: the rules for compatibles, errors and streams that break off. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createMessagesMerger } from '../../../analyzers/providers/anthropic-messages.ts'
import { createChatMerger } from '../../../analyzers/providers/openai-chat.ts'
import { createCompletionsMerger } from '../../../analyzers/providers/openai-completions.ts'
import { createResponsesMerger } from '../../../analyzers/providers/openai-responses.ts'
import type { StreamMerger, StreamResult } from '../../../analyzers/providers/stream-format.ts'

function merge(merger: StreamMerger, events: readonly unknown[]): StreamResult {
  for (const event of events) merger.push(JSON.stringify(event))
  return merger.result()
}

function chat(...deltas: readonly object[]): StreamResult {
  return merge(
    createChatMerger(),
    deltas.map((delta) => ({ id: 'c', choices: [{ index: 0, delta }] })),
  )
}

function messageOf(result: StreamResult): unknown {
  return (result.merged['choices'] as ReadonlyArray<{ message: unknown }>)[0]?.message
}

describe('Chat Completions', () => {
  test('takes the last usage that is not null, and never adds', () => {
    const usages = [{ total_tokens: 1 }, { total_tokens: 5 }, null]
    const events = usages.map((usage) => ({ id: 'c', choices: [], usage }))

    expect(merge(createChatMerger(), events).merged['usage']).toEqual({ total_tokens: 5 })
  })

  test('does not let an opening chunk without id overwrite what follows', () => {
    const result = merge(createChatMerger(), [
      { id: '', model: '', choices: [], prompt_filter_results: [1] },
      { id: 'c', model: 'gpt', choices: [], obfuscation: 'xxxx' },
      { id: '', model: 'none', choices: [] },
    ])

    expect(result.merged).toEqual({
      id: 'c',
      model: 'gpt',
      prompt_filter_results: [1],
      choices: [],
      object: 'chat.completion',
    })
  })

  test('keeps interleaved choices apart, in the order of their index', () => {
    const events = [1, 0, 1, 0].map((index, turn) => ({
      id: 'c',
      choices: [{ index, delta: { content: `${turn}` }, finish_reason: turn > 1 ? 'stop' : null }],
    }))
    const result = merge(createChatMerger(), events)

    expect(result).toMatchObject({ text: '1302', complete: true })
  })

  test('joins tool calls by index, by id where there is none, else by place', () => {
    const call = (fields: object, text: string): object => ({
      ...fields,
      function: { name: 'f', arguments: text },
    })
    const byIndex = chat(
      { tool_calls: [call({ index: 1, id: 'b' }, '{"x"'), call({ index: 0, id: 'a' }, '[')] },
      { tool_calls: [call({ index: 0 }, ']'), call({ index: 1 }, ':1}')] },
    )
    const byId = chat(
      { tool_calls: [call({ id: 'a' }, '[')] },
      { tool_calls: [call({ id: 'b' }, '{"x"')] },
      { tool_calls: [call({ id: 'a' }, ']'), call({ id: 'b' }, ':1}')] },
    )
    const byPlace = chat(
      { tool_calls: [call({}, '['), call({}, '{"x"')] },
      { tool_calls: [call({}, ']'), call({}, ':1}')] },
    )

    for (const result of [byIndex, byId, byPlace]) {
      expect(messageOf(result)).toMatchObject({
        tool_calls: [{ function: { arguments: '[]' } }, { function: { arguments: '{"x":1}' } }],
      })
    }
  })

  test('lets reasoning text of compatibles grow, and lists of them', () => {
    const result = chat(
      { reasoning_content: 'I ', annotations: [1] },
      { reasoning_content: 'think', annotations: [2] },
    )

    expect(messageOf(result)).toMatchObject({ reasoning_content: 'I think', annotations: [1, 2] })
  })

  test('joins content that comes as lists of parts', () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }
    const result = chat(
      { content: [thinking] },
      { content: 'so' },
      { content: [{ type: 'text', text: '!' }] },
    )

    expect(result.text).toBe('so!')
    expect(messageOf(result)).toMatchObject({
      content: [thinking, { type: 'text', text: 'so!' }],
    })
  })

  test('merges audio, legacy function calls, refusals and log probabilities', () => {
    const result = merge(createChatMerger(), [
      {
        id: 'c',
        choices: [
          {
            index: 0,
            delta: { audio: { id: 'a', data: 'QQ' }, refusal: 'I ' },
            logprobs: { content: [1], refusal: null },
          },
        ],
      },
      {
        id: 'c',
        choices: [
          {
            index: 0,
            delta: { audio: { data: '==', expires_at: 5 }, refusal: 'no' },
            logprobs: { content: [2], refusal: [3] },
          },
        ],
      },
      { id: 'c', choices: [{ index: 0, delta: { function_call: { name: 'f', arguments: '{' } } }] },
      { id: 'c', choices: [{ index: 0, delta: { function_call: { arguments: '}' } } }] },
    ])

    expect(result.merged['choices']).toMatchObject([
      {
        message: {
          audio: { id: 'a', data: 'QQ==', expires_at: 5 },
          refusal: 'I no',
          function_call: { name: 'f', arguments: '{}' },
        },
        logprobs: { content: [1, 2], refusal: [3] },
      },
    ])
  })

  test('is complete only when every choice has finished', () => {
    expect(chat({ content: 'a' }).complete).toBe(false)
    expect(merge(createChatMerger(), []).complete).toBe(false)
  })
})

describe('Responses', () => {
  const open = {
    type: 'response.created',
    response: { id: 'r', status: 'in_progress', output: [] },
  }
  const close = { type: 'response.completed', response: { id: 'r', status: 'completed' } }
  const items = [
    {
      type: 'response.output_item.added',
      output_index: 1,
      item: { type: 'function_call', name: 'f', arguments: '' },
    },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { type: 'message', role: 'assistant', content: [] },
    },
    {
      type: 'response.content_part.added',
      output_index: 0,
      content_index: 0,
      part: { type: 'output_text', text: '', annotations: [] },
    },
    { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Hel' },
    { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'lo' },
    {
      type: 'response.output_text.annotation.added',
      output_index: 0,
      content_index: 0,
      annotation_index: 0,
      annotation: { url: 'u' },
    },
    { type: 'response.function_call_arguments.delta', output_index: 1, delta: '{' },
    { type: 'response.function_call_arguments.done', output_index: 1, arguments: '{"a":1}' },
    { type: 'response.unheard_of.delta', output_index: 0, delta: 'x' },
  ]

  test('rebuilds the output where the terminal event leaves it out', () => {
    expect(merge(createResponsesMerger(), [open, ...items, close])).toMatchObject({
      text: 'Hello',
      complete: true,
      merged: {
        status: 'completed',
        output: [
          { type: 'message', content: [{ text: 'Hello', annotations: [{ url: 'u' }] }] },
          { type: 'function_call', arguments: '{"a":1}' },
        ],
      },
    })
  })

  test('believes the terminal event where it has an output', () => {
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'other' }] }]
    const final = { type: 'response.completed', response: { id: 'r', output } }

    expect(merge(createResponsesMerger(), [open, ...items, final])).toMatchObject({
      text: 'other',
      merged: { output },
    })
  })

  test('of a stream that breaks off holds what came', () => {
    expect(merge(createResponsesMerger(), [open, ...items.slice(0, 4)])).toMatchObject({
      text: 'Hel',
      complete: false,
    })
  })

  test('makes items and parts whose opening was not seen', () => {
    const result = merge(createResponsesMerger(), [
      {
        type: 'response.reasoning_summary_text.delta',
        output_index: 0,
        item_id: 'rs',
        summary_index: 0,
        delta: 'why',
      },
      { type: 'response.output_text.done', output_index: 1, content_index: 0, text: 'all' },
      { type: 'response.web_search_call.searching', output_index: 2 },
      { type: 'response.shell_call_command.delta', output_index: 3, command_index: 0, delta: 'ls' },
    ])

    expect(result.merged['output']).toEqual([
      { type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: 'why' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'all' }] },
      { type: 'web_search_call', status: 'searching' },
      { type: 'shell_call', action: { commands: ['ls'] } },
    ])
  })

  test('tells a failure, from an error event or from the response', () => {
    const failed = { type: 'response.failed', response: { error: { code: 'x', message: 'broke' } } }

    expect(merge(createResponsesMerger(), [open, failed])).toMatchObject({
      complete: false,
      problem: 'broke',
    })
    expect(
      merge(createResponsesMerger(), [open, { type: 'error', code: 'y', message: 'gone' }]),
    ).toMatchObject({ complete: false, problem: 'gone', merged: { error: { code: 'y' } } })
  })

  test('starts anew when a successor follows an interrupted response', () => {
    const steered = { type: 'response.incomplete', response: { id: 'r', output: [] } }
    const next = { type: 'response.created', response: { id: 'r2', output: [] } }

    const result = merge(createResponsesMerger(), [open, ...items, steered, next])

    expect(result).toMatchObject({ merged: { id: 'r2', output: [] }, complete: false })
  })
})

describe('Anthropic Messages', () => {
  const start = {
    type: 'message_start',
    message: { id: 'm', content: [], usage: { input_tokens: 9, output_tokens: 1 } },
  }
  const tool = {
    type: 'content_block_start',
    index: 0,
    content_block: { type: 'tool_use', id: 't', name: 'f', input: {} },
  }
  const input = (partial: string): object => ({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'input_json_delta', partial_json: partial },
  })
  const stop = { type: 'content_block_stop', index: 0 }

  test('replaces usage counters, and keeps those that the closing event leaves out', () => {
    const delta = (usage: object): object => ({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn' },
      usage,
    })
    const result = merge(createMessagesMerger(), [
      start,
      delta({ output_tokens: 5, input_tokens: null }),
      delta({ output_tokens: 9, cache_read_input_tokens: 4 }),
      { type: 'message_stop' },
    ])

    expect(result.complete).toBe(true)
    expect(result.merged['usage']).toEqual({
      input_tokens: 9,
      output_tokens: 9,
      cache_read_input_tokens: 4,
    })
  })

  test.each([
    ['parses the input of a tool at its end', ['{"a"', ':[1]}'], { a: [1] }],
    ['keeps an input of no bytes as it was', ['', ''], {}],
    ['keeps an input that was cut off as text', ['{"a":"b'], '{"a":"b'],
  ])('%s', (_name, partials, expected) => {
    const result = merge(createMessagesMerger(), [start, tool, ...partials.map(input), stop])

    expect(result.merged['content']).toMatchObject([{ type: 'tool_use', input: expected }])
  })

  test('keeps the input of a block that never stopped', () => {
    const result = merge(createMessagesMerger(), [start, tool, input('{"a":1}')])

    expect(result).toMatchObject({ complete: false, merged: { content: [{ input: { a: 1 } }] } })
  })

  test('appends thinking, assigns its signature, collects citations', () => {
    const delta = (index: number, fields: object): object => ({
      type: 'content_block_delta',
      index,
      delta: fields,
    })
    const result = merge(createMessagesMerger(), [
      start,
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
      delta(0, { type: 'thinking_delta', thinking: 'a' }),
      delta(0, { type: 'thinking_delta', thinking: 'b' }),
      delta(0, { type: 'signature_delta', signature: 'one' }),
      delta(0, { type: 'signature_delta', signature: 'two' }),
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
      delta(1, { type: 'citations_delta', citation: { n: 1 } }),
      delta(1, { type: 'text_delta', text: 'c' }),
    ])

    expect(result.text).toBe('c')
    expect(result.merged['content']).toEqual([
      { type: 'thinking', thinking: 'ab', signature: 'two' },
      { type: 'text', text: 'c', citations: [{ n: 1 }] },
    ])
  })

  test('tells an error and keeps the part before it', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }
    const text = {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: 'a' },
    }

    expect(merge(createMessagesMerger(), [start, text, error])).toMatchObject({
      text: 'a',
      complete: false,
      problem: 'busy',
      merged: { error: { type: 'overloaded_error' } },
    })
  })
})

describe('every merger', () => {
  const mergers = [
    createChatMerger,
    createCompletionsMerger,
    createResponsesMerger,
    createMessagesMerger,
  ]
  const keys = fc.constantFrom(
    'type',
    'choices',
    'delta',
    'index',
    'content',
    'tool_calls',
    'function',
    'arguments',
    'usage',
    'message',
    'response',
    'output',
    'output_index',
    'item',
    'part',
    'content_index',
    'logprobs',
    'error',
    '__proto__',
    'constructor',
    'audio',
    'text',
    'partial_json',
    'content_block',
    'id',
  )
  const words = fc.constantFrom(
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'input_json_delta',
    'text_delta',
    'response.created',
    'response.completed',
    'response.output_item.added',
    'response.output_text.delta',
    'response.shell_call_command.delta',
    'toString',
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      words,
      fc.constantFrom(0, 1, 2, -1, 1e9, null, true, ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(fc.tuple(keys, tie('value')), { maxLength: 5 })
        .map((pairs) => Object.fromEntries(pairs)),
    ),
  }))

  test('takes any events without a throw, and stays small and JSON-safe', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...mergers),
        fc.array(value, { maxLength: 12 }),
        (create, events) => {
          const result = merge(create(), events)
          const text = JSON.stringify(result.merged)

          expect(JSON.parse(text)).toEqual(result.merged)
          expect(text.length).toBeLessThan(200_000)
          expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('ignores data that is no JSON object', () => {
    for (const create of mergers) {
      const merger = create()
      for (const data of ['', 'null', '[]', '"x"', '{', '[DONE]']) merger.push(data)

      expect(merger.result().complete).toBe(false)
    }
  })
})
