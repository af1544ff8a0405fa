import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createMessagesMerger } from '../../../analyzers/providers/anthropic-messages.ts'
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

  test('may be padded before their last bracket', () => {
    const alike = learned('{"a":{"text":"x"}   }')

    expect(alike.textIn('{"a":{"text":"y }"} }')).toBe('y }')
    expect(alike.textIn('{"a":{"text":"y  "}}')).toBe('y  ')
    expect(alike.textIn('{"a":{"text":"y  }')).toBeUndefined()
  })

  test.each([
    '{"number":1,"a":{"text":"x","is":true},"pad":"ab"}',
    '{"number":1,"a":{"text":"x","is":null},"pad":"ab"}}',
    '{"number":1,"a":{"text":"x","is":null},"pad":"ab"',
    '{"number":1,"a":{"text":"x\\"","is":null},"pad":"ab"}',
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
  })
  .map(({ index, field, value, id, model, finish, logprobs, obfuscation, role }) => ({
    id,
    model,
    choices: [{ index, delta: { role, [field]: value }, logprobs, finish_reason: finish }],
    obfuscation,
  }))

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

describe('a stream is merged as if each of its events had been parsed', () => {
  test.each<readonly [string, () => StreamMerger, fc.Arbitrary<object>]>([
    ['chat completions', createChatMerger, chatChunk],
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
          const texts = [
            data,
            ...words.map((text) => data.replace(' the', () => JSON.stringify(text).slice(1, -1))),
          ]
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
