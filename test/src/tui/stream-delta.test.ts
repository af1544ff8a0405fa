import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { readStreamDeltas } from '../../../src/tui/stream-delta.ts'

const read = (value: unknown): unknown => readStreamDeltas(JSON.stringify(value))

it.each([
  [
    'OpenAI chat text',
    { choices: [{ index: 0, delta: { content: 'Hi' } }] },
    [{ type: 'text', text: 'Hi' }],
  ],
  [
    'OpenAI chat reasoning of compatible services',
    { choices: [{ index: 0, delta: { reasoning_content: 'hm' } }] },
    [{ type: 'reasoning', text: 'hm' }],
  ],
  [
    'OpenAI chat tool calls',
    {
      choices: [
        {
          index: 0,
          delta: { tool_calls: [{ index: 0, function: { name: 'find', arguments: '{"a' } }] },
        },
      ],
    },
    [
      { type: 'tool-call', text: '', name: 'find' },
      { type: 'tool-call', text: '{"a' },
    ],
  ],
  ['legacy completions', { choices: [{ index: 0, text: 'Hi' }] }, [{ type: 'text', text: 'Hi' }]],
  ['a second choice', { choices: [{ index: 1, delta: { content: 'other' } }] }, []],
  [
    'Responses text',
    { type: 'response.output_text.delta', delta: 'Hi' },
    [{ type: 'text', text: 'Hi' }],
  ],
  [
    'Responses reasoning',
    { type: 'response.reasoning_summary_text.delta', delta: 'hm' },
    [{ type: 'reasoning', text: 'hm' }],
  ],
  [
    'Responses function calls',
    { type: 'response.output_item.added', item: { type: 'function_call', name: 'find' } },
    [{ type: 'tool-call', text: '', name: 'find' }],
  ],
  [
    'Responses arguments',
    { type: 'response.function_call_arguments.delta', delta: '{}' },
    [{ type: 'tool-call', text: '{}' }],
  ],
  ['Responses, done events', { type: 'response.output_text.done', text: 'Hi' }, []],
  [
    'Anthropic text',
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'Hi' } },
    [{ type: 'text', text: 'Hi' }],
  ],
  [
    'Anthropic thinking',
    { type: 'content_block_delta', delta: { type: 'thinking_delta', thinking: 'hm' } },
    [{ type: 'reasoning', text: 'hm' }],
  ],
  [
    'Anthropic tool use',
    { type: 'content_block_start', content_block: { type: 'tool_use', name: 'find' } },
    [{ type: 'tool-call', text: '', name: 'find' }],
  ],
  [
    'Anthropic tool input',
    { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '{"a' } },
    [{ type: 'tool-call', text: '{"a' }],
  ],
  [
    'Gemini text',
    { candidates: [{ content: { parts: [{ text: 'Hi' }, { text: 'hm', thought: true }] } }] },
    [
      { type: 'text', text: 'Hi' },
      { type: 'reasoning', text: 'hm' },
    ],
  ],
  [
    'Gemini function calls',
    { candidates: [{ content: { parts: [{ functionCall: { name: 'find', args: { a: 1 } } }] } }] },
    [
      { type: 'tool-call', text: '', name: 'find' },
      { type: 'tool-call', text: '{"a":1}' },
    ],
  ],
])('reads %s', (_name, event, expected) => {
  expect(read(event)).toEqual(expected)
})

it('reads nothing from what is not a JSON object', () => {
  for (const data of ['[DONE]', '', '{"cut', '[1]', 'null']) {
    expect(readStreamDeltas(data)).toEqual([])
  }
})

test.prop([fc.json()])('takes any JSON without throwing', (data) => {
  expect(Array.isArray(readStreamDeltas(data))).toBe(true)
})

const anyValue = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string()))
test.prop([
  fc.record({
    type: fc.constantFrom(
      'content_block_delta',
      'content_block_start',
      'response.output_text.delta',
      7,
    ),
    delta: fc.oneof(anyValue, fc.record({ text: anyValue, thinking: anyValue })),
    content_block: anyValue,
    item: anyValue,
    choices: fc.oneof(anyValue, fc.array(fc.record({ delta: anyValue, text: anyValue }))),
    candidates: fc.oneof(anyValue, fc.array(fc.record({ content: anyValue }))),
  }),
])('takes fields of the wrong type without throwing', (event) => {
  for (const delta of readStreamDeltas(JSON.stringify(event))) {
    expect(typeof delta.text).toBe('string')
  }
})
