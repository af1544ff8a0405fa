/** Answers of a provider that means harm: nothing throws, bounds hold, no number is made up. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { nameLength, toldParts } from '../../../analyzers/wire/bounds.ts'
import type { AnalysisMsg, HeaderPairs } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]
const formats = {
  chat: ['https://api.openai.com/v1/chat/completions', { model: 'gpt-4o', messages: [] }],
  completions: ['https://api.openai.com/v1/completions', { model: 'gpt-4o', prompt: 'x' }],
  responses: ['https://api.openai.com/v1/responses', { model: 'gpt-4o', input: 'x' }],
  messages: ['https://api.anthropic.com/v1/messages', { model: 'claude-opus-4-8', messages: [] }],
  gemini: [
    'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent',
    { contents: [] },
  ],
  interactions: [
    'https://generativelanguage.googleapis.com/v1beta/interactions',
    { model: 'gemini-2.5-flash', input: 'x' },
  ],
  converse: [
    'https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1:0/converse',
    { messages: [] },
  ],
  cohere: ['https://api.cohere.com/v2/chat', { model: 'command-r', messages: [] }],
  ollama: ['http://127.0.0.1:11434/api/chat', { model: 'llama', messages: [] }],
} as const
type Format = keyof typeof formats
const names = Object.keys(formats) as Format[]

/** `answer`: the text of a JSON body, or of the data of each event. */
function run(format: Format, answer: string | readonly string[]): AnalysisMsg[] {
  const [url, body] = formats[format]
  const response =
    typeof answer === 'string'
      ? { body: answer }
      : { headers: sse, body: answer.map((data) => `data: ${data}\n\n`).join('') }
  const request = { url, body: JSON.stringify(body) }
  return runAnalyzers(defaultAnalyzers(), exchangeMessages({ request, response }))
}

function expectValid(out: readonly AnalysisMsg[]): void {
  for (const msg of out.filter(({ by }) => by !== undefined)) {
    const copy: unknown = JSON.parse(JSON.stringify(msg))
    expect(analysisMsgSchema.safeParse(copy).error).toBeUndefined()
  }
}

/** Where each format reports how much was sent, and an answer that holds such a report. */
const reports: Readonly<Record<Format, (count: string) => string>> = {
  chat: (n) => `{"choices":[],"usage":{"prompt_tokens":${n},"completion_tokens":1}}`,
  completions: (n) => `{"choices":[],"usage":{"prompt_tokens":${n},"completion_tokens":1}}`,
  responses: (n) => `{"output":[],"usage":{"input_tokens":${n},"output_tokens":1}}`,
  messages: (n) =>
    `{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":${n},"output_tokens":1}}`,
  gemini: (n) =>
    `{"candidates":[],"usageMetadata":{"promptTokenCount":${n},"candidatesTokenCount":1}}`,
  interactions: (n) => `{"steps":[],"usage":{"total_input_tokens":${n},"total_output_tokens":1}}`,
  converse: (n) => `{"output":{},"usage":{"inputTokens":${n},"outputTokens":1}}`,
  cohere: (n) => `{"message":{},"usage":{"billed_units":{"input_tokens":${n},"output_tokens":1}}}`,
  ollama: (n) => `{"message":{},"done":true,"prompt_eval_count":${n},"eval_count":1}`,
}

describe.each(names)('%s', (format) => {
  test('takes no count that is none for one', () => {
    expect(onlyOf(run(format, reports[format]('9')), 'model-answered').usage).toMatchObject({
      inputTokens: 9,
      outputTokens: 1,
    })
    for (const odd of ['"9"', '-1', '1.5', '1e308', '9007199254740993', '[9]', '{"a":9}', 'true']) {
      const { usage, cost } = onlyOf(run(format, reports[format](odd)), 'model-answered')
      expect(usage, odd).toBeUndefined()
      expect(cost, odd).toBeUndefined()
    }
    // No number that JSON can hold: the body is none.
    const { usage } = onlyOf(run(format, reports[format]('1e999')), 'model-answered')
    expect(usage).toBeUndefined()
  })

  test('stays valid with any value in the place of any other, whole and in events', () => {
    const values = ['null', '[]', '{}', '"x"', '-1', '1e9', 'true', '[[[{}]]]', '[null,3,"x",[]]']
    const shapes = [
      reports[format]('1'),
      '{"choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]},"message":{"content":"a","tool_calls":[{"function":{}}]},"finish_reason":"stop","logprobs":{"content":[1]}}],"id":"i","model":"m","usage":{"prompt_tokens":1}}',
      '{"type":"message_start","message":{"content":[{"type":"text","text":"a"}],"usage":{"input_tokens":1,"output_tokens":1}}}',
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}',
      '{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"a"}]}}',
      '{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}',
      '{"candidates":[{"index":0,"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}',
      '{"event_type":"step.delta","index":0,"delta":{"type":"text","text":"a"}}',
    ]
    const damaged = fc
      .tuple(fc.constantFrom(...shapes), fc.nat(40), fc.constantFrom(...values))
      .map(([shape, at, value]) => {
        let seen = -1
        return shape.replaceAll(/"[a-z]\w*"(?!:)|(?<=:)\d+/giu, (found) =>
          (seen += 1) === at ? value : found,
        )
      })
    fc.assert(
      fc.property(fc.array(damaged, { minLength: 1, maxLength: 8 }), (events) => {
        for (const answer of [events, events[0] ?? '']) {
          const out = run(format, answer)
          expectValid(out)
          expect(ofKind(out, 'model-answered')).toHaveLength(1)
        }
      }),
      { numRuns: 40, endOnFailure: true },
    )
  })
})

/** More items than a call can have arguments. */
const many = 200_000
const numbers = `[${'0,'.repeat(many)}0]`
const records = `[${'{},'.repeat(many / 4)}{}]`

test.each<readonly [Format, readonly string[]]>([
  [
    'chat',
    [
      '{"choices":[{"logprobs":{"content":[]}}]}',
      `{"choices":[{"logprobs":{"content":${numbers}}}]}`,
    ],
  ],
  [
    'chat',
    [
      '{"choices":[{"delta":{"annotations":[1]}}]}',
      `{"choices":[{"delta":{"annotations":${numbers}}}]}`,
    ],
  ],
  ['chat', [`{"choices":[{"delta":{"content":${records}}}]}`]],
  ['chat', [`{"choices":${records}}`]],
  ['completions', [`{"object":"text_completion","choices":[{"logprobs":{"tokens":${numbers}}}]}`]],
  ['gemini', [`{"candidates":[{"logprobsResult":{"chosenCandidates":${numbers}}}]}`]],
  ['gemini', [`{"candidates":[{"content":{"parts":${records}}}]}`]],
  ['messages', [`{"type":"message_start","message":{"content":${records}}}`]],
])('%s: a list of any length is merged without an objection', (format, events) => {
  expect(onlyOf(run(format, events), 'model-answered').output.length).toBeLessThanOrEqual(
    toldParts + 1,
  )
})

test('of an answer in very many parts the first are told, and how many there are', () => {
  const choices = `[${'{"message":{"content":"a"}},'.repeat(9_999)}{}]`
  const { output } = onlyOf(run('chat', `{"choices":${choices}}`), 'model-answered')

  expect(output).toHaveLength(toldParts + 1)
  expect(output.at(-1)).toEqual({
    type: 'other',
    name: 'truncated',
    text: `${9_999 - toldParts} more parts`,
  })
})

test('what has more records than any answer is not read, where it is an event as well', () => {
  const parts = `[${'{},'.repeat(1_000_000)}{}]`
  const answer = `{"candidates":[{"content":{"parts":${parts}}}]}`

  for (const sent of [answer, [answer]]) {
    const { output, complete } = onlyOf(run('gemini', sent), 'model-answered')
    expect([output, complete]).toEqual([[], false])
  }
})

test('a name of any length is cut, and costs no time to look for', () => {
  const body = reports.chat('1').replace('{', `{"model":"${'gpt-'.repeat(250_000)}",`)
  const { model, cost } = onlyOf(run('chat', body), 'model-answered')

  expect(model).toHaveLength(nameLength + 1)
  expect(cost).toEqual({ confidence: 'unknown', lines: [] })
})

describe('what comes late, early or twice', () => {
  const start =
    '{"type":"message_start","message":{"model":"claude-opus-4-8","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}'
  const end = (output: number): string =>
    `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":${output}}}`
  const stop = '{"type":"message_stop"}'

  test('counts are replaced, never added', () => {
    const { usage } = onlyOf(run('messages', [start, end(5), end(7), stop]), 'model-answered')

    expect(usage).toMatchObject({ inputTokens: 9, outputTokens: 7, totalTokens: 16 })
    const chunk = (counts: string): string => `{"id":"i","choices":[],"usage":${counts}}`
    const twice = [
      '{"id":"i","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}',
      chunk('{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5}'),
      chunk('{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}'),
      '[DONE]',
    ]
    expect(onlyOf(run('chat', twice), 'model-answered').usage?.totalTokens).toBe(6)
  })

  test('an index beyond every list leaves the rest as it is', () => {
    const call =
      '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1000000000,"function":{"name":"f","arguments":"{}"}}]}}]}'
    const choice = '{"choices":[{"index":1000000000,"delta":{"content":"b"}}]}'
    const good = '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'
    const answered = onlyOf(run('chat', [good, call, choice, '[DONE]']), 'model-answered')

    expect(answered).toMatchObject({ output: [{ type: 'text', text: 'a' }], toolCalls: [] })
  })
})
