import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createMessagesMerger } from '../../../analyzers/providers/anthropic-messages.ts'
import { createCohereChatMerger } from '../../../analyzers/providers/cohere-chat.ts'
import { createChatMerger } from '../../../analyzers/providers/openai-chat.ts'
import { createResponsesMerger } from '../../../analyzers/providers/openai-responses.ts'
import type { StreamMerger } from '../../../analyzers/providers/stream-format.ts'
import { createAlikeEvents } from '../../../analyzers/wire/alike-events.ts'
import type { JsonRecord } from '../../../analyzers/wire/json.ts'

function learned(data: string, field = 'text', ignored: readonly string[] = ['pad', 'number']) {
  const alike = createAlikeEvents(ignored)
  alike.learn(data, JSON.parse(data) as JsonRecord, field)
  return alike
}

describe('events that are alike', () => {
  test('differ in one text, and in what nobody reads', () => {
    const alike = learned('{"number":1,"a":{"text":"x","is":null},"pad":"ab"}')

    expect(alike.textIn('{"number":22,"a":{"text":" höher","is":null},"pad":""}')).toBe(' höher')
    expect(alike.textIn('{"number":22,"a":{"text":"","is":null},"pad":"q"}')).toBe('')
  })

  test('may have characters in their text that are written another way', () => {
    const alike = learned('{"number":1,"a":{"text":"x","is":null},"pad":"ab"}')

    for (const text of ['"', '\\', '{"a":', '\n', 'a\u2028"\u0000', '\ud800\n']) {
      const data = JSON.stringify({ number: 1, a: { text, is: null }, pad: '' })
      expect(alike.textIn(data)).toBe(text)
    }
  })

  test('may say it in more than one place, if it is the same in all', () => {
    const data = '{"a":{"text":"x"},"b":{"text":"x"}}'
    const alike = createAlikeEvents([])
    alike.learn(data, JSON.parse(data) as JsonRecord, 'text', { places: 2 })

    expect(alike.textIn('{"a":{"text":"y"},"b":{"text":"y"}}')).toBe('y')
    expect(alike.textIn('{"a":{"text":"y"},"b":{"text":"x"}}')).toBeUndefined()
    expect(learned(data).textIn(data)).toBeUndefined()
  })

  test('may be padded before their last bracket', () => {
    const alike = learned('{"a":{"text":"x"}   }')

    expect(alike.textIn('{"a":{"text":"y }"} }')).toBe('y }')
    expect(alike.textIn('{"a":{"text":"y  "}}')).toBe('y  ')
    expect(alike.textIn('{"a":{"text":"y  }')).toBeUndefined()
    expect(alike.textIn('{"a":{"text":"y"} } ')).toBeUndefined()
    expect(alike.textIn('{"a":{"text":"y"}  ')).toBeUndefined()
    expect(alike.textIn('{"a":{"text":"y"}')).toBeUndefined()
  })

  test.each([
    '{"number":1,"a":{"text":"x","is":true},"pad":"ab"}',
    '{"number":1,"a":{"text":"x","is":null},"pad":"ab"}}',
    '{"number":1,"a":{"text":"x","is":null},"pad":"ab"',
    '{"number":1,"a":{"text":"x\\q","is":null},"pad":"ab"}',
    '{"number":1,"a":{"text":"x\\","is":null},"pad":"ab"}',
    '{"number":1,"a":{"text":"x\\n\t","is":null},"pad":"ab"}',
    '{"number":1,"a":{"text":"x","is":null},"pad":"a\\q"}',
    '{"number":1,"a":{"text":"x\t","is":null},"pad":"ab"}',
    '{"number":1,"a":{"text":7,"is":null},"pad":"ab"}',
    '{"number":01,"a":{"text":"x","is":null},"pad":"ab"}',
    '{"number":,"a":{"text":"x","is":null},"pad":"ab"}',
    '{"number":1.5,"a":{"text":"x","is":null},"pad":"ab"}',
    '{"number":1111111111111111,"a":{"text":"x","is":null},"pad":"ab"}',
    '',
  ])('are not taken for alike if they differ in more: %s', (data) => {
    expect(learned('{"number":1,"a":{"text":"x","is":null},"pad":"ab"}').textIn(data)).toBe(
      undefined,
    )
  })

  test.each([
    ['a name stands twice', '{"text":"x","a":{"text":"y"}}'],
    ['a name may be the end of another', '{"a\\"text":"x"}'],
    ['it is written another way', '{"text": "x"}'],
    ['it is long', JSON.stringify({ text: 'x', more: 'y'.repeat(3_000) })],
    ['the value is no text', '{"text":7}'],
    ['there is none', '{"a":"x"}'],
  ])('are not learned where %s', (_why, data) => {
    expect(learned(data).textIn(data)).toBeUndefined()
  })

  test('compare what is ignored in the record itself where it stands deeper', () => {
    const alike = learned('{"a":{"pad":"1"},"text":"x"}')

    expect(alike.textIn('{"a":{"pad":"1"},"text":"y"}')).toBe('y')
    expect(alike.textIn('{"a":{"pad":"2"},"text":"y"}')).toBeUndefined()
  })

  test('compare what is ignored where it stands twice', () => {
    const alike = learned('{"text":"x","pad":"1","a":{"pad":"y"}}')

    expect(alike.textIn('{"text":"y","pad":"1","a":{"pad":"y"}}')).toBe('y')
    expect(alike.textIn('{"text":"y","pad":"2","a":{"pad":"y"}}')).toBeUndefined()
  })

  test('tell what is noted of each', () => {
    const data = '{"choice":{"index":0,"text":"x"},"p":"ab"}'
    const alike = createAlikeEvents([])
    alike.learn(data, JSON.parse(data) as JsonRecord, 'text', { noted: ['index', 'p'] })

    expect(alike.textIn('{"choice":{"index":12,"text":"y"},"p":"c"}')).toBe('y')
    expect(alike.noted('index')).toBe('12')
    expect(alike.noted('p')).toBe('c')
  })

  test('are forgotten, and not learned for ever in vain', () => {
    const alike = learned('{"text":"x"}')
    alike.forget()
    expect(alike.textIn('{"text":"x"}')).toBeUndefined()
    for (let count = 0; count < 20; count += 1) alike.learn('{"text":"x"}', { text: 'x' }, 'text')
    expect(alike.textIn('{"text":"x"}')).toBeUndefined()
  })
})

/** Texts as models send them, and some that must be escaped. */
const word = fc.oneof(
  fc.constantFrom(' the', 'é', '"', '\\', '\n', ''),
  fc.string({ maxLength: 5 }),
)
const few = fc.integer({ min: 0, max: 1 })

const chatChunk = fc
  .record({
    index: few,
    field: fc.constantFrom('content', 'content', 'content', 'reasoning_content', 'refusal', 'odd'),
    value: fc.oneof(
      { weight: 9, arbitrary: word },
      { arbitrary: fc.constant([{ type: 'text' }]), weight: 1 },
    ),
    id: fc.constantFrom('a', 'a', 'a', ''),
    model: fc.constantFrom('m', 'm', 'm', 'n'),
    finish: fc.constantFrom(null, null, null, 'stop'),
    logprobs: fc.constantFrom(null, null, null, { content: [{ token: 'x' }] }),
    obfuscation: word,
    role: fc.constantFrom('assistant', undefined),
    more: fc.constantFrom({}, {}, { graph: { content: null } }, { graph: [1] }, { graph: 'x' }),
    message: fc.constantFrom(undefined, undefined, 'same', 'other', 'deep'),
    padded: fc.constantFrom({}, { p: 'abc' }, { p: ' the' }),
  })
  .map(({ index, field, value, id, model, finish, logprobs, obfuscation, role, ...rest }) => {
    const delta = Object.assign({ role, [field]: value }, rest.more)
    const messages = {
      same: { [field]: value, role },
      other: { [field]: 'other' },
      deep: { a: { [field]: value } },
    }
    const message = rest.message === undefined ? undefined : messages[rest.message]
    const choice = { index, message, delta, logprobs, finish_reason: finish }
    return Object.assign({ id, model, choices: [choice], obfuscation }, rest.padded)
  })

/** What is no call by itself, too. */
const chatCall = fc
  .record({
    index: few,
    call: few,
    id: fc.constantFrom(undefined, undefined, undefined, 'c1', ''),
    name: fc.constantFrom(undefined, undefined, undefined, 'f', 1),
    more: word,
    other: fc.constantFrom({}, {}, {}, { content: null }, { content: 'x' }, { tool_calls: [] }),
  })
  .map(({ index, call, id, name, more, other }) => {
    const called = { index: call, id, function: { name, arguments: more } }
    const delta = Object.assign({ tool_calls: [called] }, other)
    return { id: 'a', choices: [{ index, delta }] }
  })

const cohereEvent = fc
  .record({
    kind: fc.constantFrom('content', 'content', 'thinking', 'plan', 'call', 'start'),
    index: few,
    value: word,
    more: fc.constantFrom({}, {}, {}, { logprobs: { token: 'x' } }, { error: 'broken' }),
  })
  .map(({ kind, index, value, more }) => {
    const [type, message] = {
      content: ['content-delta', { content: { text: value } }],
      thinking: ['content-delta', { content: { thinking: value } }],
      plan: ['tool-plan-delta', { tool_plan: value }],
      call: ['tool-call-delta', { tool_calls: { function: { arguments: value } } }],
      start: ['content-start', { content: { type: 'text', text: value } }],
    }[kind]
    return Object.assign({ type, index, delta: { message } }, more)
  })

const responsesEvent = fc.record({
  type: fc.constantFrom(
    'response.output_text.delta',
    'response.output_text.delta',
    'response.refusal.delta',
    'response.function_call_arguments.delta',
    'response.x_call.delta',
  ),
  sequence_number: fc.nat(2_000),
  output_index: few,
  content_index: few,
  delta: word,
  obfuscation: word,
})

const messagesEvent = fc
  .record({
    index: few,
    kind: fc.constantFrom(
      ['text_delta', 'text'],
      ['text_delta', 'text'],
      ['thinking_delta', 'thinking'],
      ['input_json_delta', 'partial_json'],
      ['signature_delta', 'signature'],
    ),
    value: word,
  })
  .map(({ index, kind: [type = '', field = ''], value }) => ({
    type: 'content_block_delta',
    index,
    delta: { type, [field]: value },
  }))

/** The same with another text, and now and then of another choice. */
function alikeOf(data: string, text: string, number: number): string {
  const other = data.replaceAll(' the', () => JSON.stringify(text).slice(1, -1))
  return text.length > 1 ? other.replace(/"index":\d/u, `"index":${number % 2}`) : other
}

describe('a stream is merged as if each of its events had been parsed', () => {
  test.each<readonly [string, () => StreamMerger, fc.Arbitrary<object>]>([
    ['chat completions', createChatMerger, chatChunk],
    ['tool calls of chat completions', createChatMerger, fc.oneof(chatCall, chatCall, chatChunk)],
    ["Cohere's chat", createCohereChatMerger, cohereEvent],
    ['responses', createResponsesMerger, responsesEvent],
    ['messages', createMessagesMerger, messagesEvent],
  ])('of %s', (_name, create, event) => {
    // One event again and again, others in between.
    const runs = fc.array(fc.tuple(event, fc.array(word, { maxLength: 4 })), { maxLength: 12 })
    fc.assert(
      fc.property(runs, (given) => {
        const [quick, whole] = [create(), create()]
        for (const [first, words] of given) {
          const data = JSON.stringify(first)
          const texts = [data, ...words.map((text, number) => alikeOf(data, text, number))]
          for (const text of texts) {
            quick.push(text)
            // Not as JSON.stringify writes it, and so never learned.
            whole.push(`${text} `)
          }
        }

        expect(JSON.stringify(quick.result())).toBe(JSON.stringify(whole.result()))
      }),
      { numRuns: 300 },
    )
  })
})
