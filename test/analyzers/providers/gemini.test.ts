/** Google's streams: both framings against the official SDK, and what no fixture shows. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../../analyzers/http-parser.ts'
import { ModelCalls } from '../../../analyzers/model-calls.ts'
import { geminiWire } from '../../../analyzers/providers/gemini-wire.ts'
import { createGeminiMerger, gemini } from '../../../analyzers/providers/gemini.ts'
import { targetOf } from '../../../analyzers/providers/recognize.ts'
import type { StreamResult } from '../../../analyzers/providers/stream-format.ts'
import { SseMerger } from '../../../analyzers/sse-merger.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import type { RecordedExchange } from '../../support/recorded-exchanges.ts'
import { bodyBytes, readRecorded, specOf } from '../../support/recorded-exchanges.ts'
import type { ExchangeSpec } from '../../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'
import { geminiHistory, sdkResult } from '../../support/sdk-oracles.ts'

const whole = ['gemini-thoughts-stream', 'gemini-tools-stream', 'gemini-candidates-array']
const written = [...whole, 'gemini-blocked-stream', 'gemini-vertex-array', 'code-assist-stream']

function eventsIn(recording: RecordedExchange): unknown[] {
  const text = bodyBytes(recording.response.body).toString()
  if (text.startsWith('[')) return JSON.parse(text) as unknown[]
  return text
    .split('\r\n\r\n')
    .flatMap((frame) => (frame === '' ? [] : [JSON.parse(frame.slice(6))]))
}

function framed(events: readonly unknown[], framing: 'sse' | 'array'): Buffer {
  if (framing === 'sse') {
    return Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(''))
  }
  return Buffer.from(
    `[${events.map((event) => JSON.stringify(event, null, 2)).join('\n,\r\n')}\n]\n`,
  )
}

/** The exchange with its events in the given framing, whatever it was recorded in. */
function specIn(recording: RecordedExchange, framing: 'sse' | 'array'): ExchangeSpec {
  const type = framing === 'sse' ? 'text/event-stream' : 'application/json; charset=UTF-8'
  const body = framed(eventsIn(recording), framing)
  return { ...specOf(recording), response: { headers: [['Content-Type', type]], body } }
}

function run(spec: ExchangeSpec): AnalysisMsg[] {
  return runAnalyzers([new HttpParser(), new SseMerger(), new ModelCalls()], exchangeMessages(spec))
}

function merge(...events: readonly object[]): StreamResult {
  const merger = createGeminiMerger()
  for (const event of events) merger.push(JSON.stringify(event))
  return merger.result()
}

const part = (fields: object, more: object = {}): object => ({
  candidates: [{ content: { role: 'model', parts: [fields] }, ...more }],
})

describe('against the official SDK', () => {
  test.each([...whole, 'gemini-blocked-stream'])(
    '%s merges alike, in both framings and any chunks',
    async (name) => {
      const recording = readRecorded(name)
      const events = eventsIn(recording)
      const expected = await sdkResult('gemini', framed(events, 'sse'))
      const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 })
      fc.assert(
        fc.property(
          fc.constantFrom('sse', 'array'),
          fc.oneof(fc.constant([1]), sizes),
          (framing, chunkSize) => {
            const out = run({ ...specIn(recording, framing), chunkSize })
            const merged = onlyOf(out, 'stream-merged')

            expect(ofKind(out, 'sse-event')).toHaveLength(events.length)
            expect(merged).toMatchObject({ format: 'gemini', complete: true })
            expect(JSON.parse(JSON.stringify(merged.merged))).toEqual(expected)
          },
        ),
        { numRuns: 30 },
      )
    },
  )

  test.each(['gemini-thoughts-stream', 'gemini-tools-stream'])(
    '%s holds the parts that a chat remembers',
    async (name) => {
      const events = eventsIn(readRecorded(name)) as object[]
      const remembered = (await geminiHistory(framed(events, 'sse'))) as object[]
      const again = merge(...remembered.map((item) => part(item)))
      const first = (result: StreamResult): unknown =>
        (result.merged['candidates'] as ReadonlyArray<{ content: { parts: unknown } }>)[0]?.content
          .parts

      expect(first(merge(...events))).toEqual(first(again))
    },
  )
})

describe('a JSON array', () => {
  test('gives each element when its last byte arrives', () => {
    const recording = readRecorded('gemini-candidates-array')
    const out = run({ ...specOf(recording), chunkSize: 1, stepMs: 1 })
    const body = bodyBytes(recording.response.body).toString()
    const started = out.find(({ kind }) => kind === 'response-started')?.at ?? 0
    const arrivals = ofKind(out, 'sse-event').map(({ at }) => at - started)
    const ends = [...body.matchAll(/^\}/gmu)].map(({ index }) => index + 1)

    expect(arrivals).toEqual(ends)
  })

  test('is parsed as JSON all the same, and answered as a stream', () => {
    const out = run({ ...specOf(readRecorded('gemini-candidates-array')), chunkSize: 40 })
    const parsed = ofKind(out, 'http-parsed').find(({ direction }) => direction === 'response')

    expect(parsed?.json).toHaveLength(4)
    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'gemini-2.5-flash',
      streaming: true,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: true,
      finishReason: 'STOP',
      usage: { inputTokens: 8, outputTokens: 9, totalTokens: 17 },
    })
    expect(onlyOf(out, 'model-answered').ttftMs).toBeGreaterThan(0)
  })

  test('that was cut off tells what came', () => {
    const spec = { ...specOf(readRecorded('gemini-candidates-array')), chunkSize: 50 }
    const answer = onlyOf(run({ ...spec, failAfterBytes: 700 }), 'model-answered')

    expect(answer).toMatchObject({ complete: false, error: { type: 'ECONNRESET' } })
    expect(answer.output).toContainEqual({ type: 'text', text: 'One, ' })
  })

  test('of errors alone is an error', () => {
    const error = { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT' }
    const { request } = specOf(readRecorded('gemini-candidates-array'))
    const body = JSON.stringify([{ error }])
    const answer = onlyOf(run({ request, response: { status: 400, body } }), 'model-answered')

    expect(answer).toMatchObject({
      complete: false,
      error: { type: 'INVALID_ARGUMENT', message: 'API key not valid.' },
    })
  })

  test('is no stream where the answer is an object', () => {
    const { request } = specOf(readRecorded('gemini-candidates-array'))
    const body = JSON.stringify(part({ text: 'whole' }, { finishReason: 'STOP' }))
    const out = run({ request, response: { body }, chunkSize: 3 })

    expect(ofKind(out, 'sse-event')).toEqual([])
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: true,
      output: [{ type: 'text', text: 'whole' }],
    })
  })
})

describe('the merger', () => {
  test('keeps parts with a signature, and thoughts, apart from text', () => {
    const result = merge(
      part({ text: 'a', thought: true }),
      part({ text: 'b' }),
      part({ text: 'c', thoughtSignature: 's' }),
      part({ text: 'd' }),
      part({ text: 'e' }, { finishReason: 'STOP' }),
    )

    expect(result).toMatchObject({ text: 'bcde', complete: true })
    expect(result.merged['candidates']).toEqual([
      {
        content: {
          role: 'model',
          parts: [
            { text: 'a', thought: true },
            { text: 'b' },
            { text: 'c', thoughtSignature: 's' },
            { text: 'de' },
          ],
        },
        finishReason: 'STOP',
      },
    ])
  })

  test('puts streamed arguments together', () => {
    const out = run(specOf(readRecorded('gemini-vertex-array')))
    const answer = onlyOf(out, 'model-answered')

    expect(answer.toolCalls).toEqual([
      {
        id: 'call-7',
        name: 'book',
        arguments: JSON.stringify({ city: 'São Paulo', guests: [{ age: 41, vip: true }, null] }),
      },
    ])
    expect(answer.usage).toMatchObject({ inputTokens: 60, outputTokens: 48, reasoningTokens: 30 })
  })

  test.each(['$.list[3]', '$', 'city', '$.a..b', '$.text.below', `$${'.a'.repeat(40)}`])(
    'keeps the argument at %j as it came, for it has no place',
    (jsonPath) => {
      const partial = { jsonPath, stringValue: 'x' }
      const text = { jsonPath: '$.text', stringValue: 'words' }
      const result = merge(part({ functionCall: { name: 'f', partialArgs: [text, partial] } }))

      expect(result.merged['candidates']).toMatchObject([
        {
          content: {
            parts: [{ functionCall: { args: { text: 'words' }, partialArgs: [partial] } }],
          },
        },
      ])
    },
  )

  test('does not reach a prototype through a path', () => {
    const value = { jsonPath: '$.__proto__.polluted', stringValue: 'yes' }
    const { merged } = merge(part({ functionCall: { name: 'f', partialArgs: [value] } }))

    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(JSON.stringify(merged)).toContain('"__proto__":{"polluted":"yes"}')
  })

  test('of a wrapped stream keeps the wrapping', () => {
    const out = run(specOf(readRecorded('code-assist-stream')))

    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      text: 'pong',
      complete: true,
      merged: { traceId: 'abc', response: { responseId: 'rEsP0nse1' } },
    })
    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'gemini-2.5-flash',
      messages: [{ role: 'system' }, { role: 'user', parts: [{ type: 'text', text: 'say pong' }] }],
    })
    expect(onlyOf(out, 'model-answered').output).toEqual([{ type: 'text', text: 'pong' }])
  })

  test('tells an error in mid-stream, after what came before it', () => {
    const answer = onlyOf(run(specOf(readRecorded('gemini-error-stream'))), 'model-answered')

    expect(answer).toMatchObject({
      complete: false,
      output: [{ type: 'text', text: 'Once upon ' }],
      error: { type: 'UNAVAILABLE', message: 'The model is overloaded. Please try again later.' },
    })
  })

  test('takes a blocked prompt for a finished answer, and says why', () => {
    const answer = onlyOf(run(specOf(readRecorded('gemini-blocked-stream'))), 'model-answered')

    expect(answer).toMatchObject({ complete: true, finishReason: 'PROHIBITED_CONTENT' })
    expect(answer.output).toMatchObject([{ type: 'other', name: 'promptFeedback' }])
  })

  test('takes the last counts, whatever stands beside them', () => {
    const usage = (usageMetadata: object): object => ({ usageMetadata })
    const result = merge(
      usage({ promptTokenCount: 5, candidatesTokenCount: 9, totalTokenCount: 14 }),
      usage({ promptTokenCount: 5, totalTokenCount: 5 }),
      usage({ trafficType: 'ON_DEMAND' }),
    )

    expect(result.merged['usageMetadata']).toEqual({
      promptTokenCount: 5,
      totalTokenCount: 5,
      trafficType: 'ON_DEMAND',
    })
  })

  test('joins log probabilities and keeps the last of all else', () => {
    const result = merge(
      part({ text: 'a' }, { logprobsResult: { chosenCandidates: [1] }, avgLogprobs: -1 }),
      part({ text: 'b' }, { logprobsResult: { chosenCandidates: [2] }, avgLogprobs: null }),
    )

    expect(result.merged['candidates']).toMatchObject([
      { logprobsResult: { chosenCandidates: [1, 2] }, avgLogprobs: -1 },
    ])
    expect(result.complete).toBe(false)
  })
})

test('only content counts as content', () => {
  const carries = (fields: object): boolean => gemini.carriesContent(part(fields) as never)

  expect(carries({ text: 'a', thought: true })).toBe(true)
  expect(carries({ functionCall: { name: 'f' } })).toBe(true)
  expect(carries({ text: '', thoughtSignature: 's' })).toBe(false)
  expect(gemini.carriesContent({ usageMetadata: {} })).toBe(false)
})

describe('any events', () => {
  const keys = fc.constantFrom(
    'candidates',
    'content',
    'parts',
    'index',
    'text',
    'thought',
    'functionCall',
    'args',
    'partialArgs',
    'jsonPath',
    'stringValue',
    'willContinue',
    'usageMetadata',
    'promptFeedback',
    'logprobsResult',
    'response',
    'error',
    '__proto__',
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(0, 1, -1, 1e9, null, true, '', 'a', '$.a', '$.a[0]', '$.a.b', '$.a[1].b'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(fc.tuple(keys, tie('value')), { maxLength: 4 })
        .map((pairs) => Object.fromEntries(pairs)),
    ),
  }))
  const call = fc.record({ functionCall: fc.dictionary(keys, value, { maxKeys: 4 }) })
  const event = fc.oneof(
    value,
    fc.array(fc.oneof(value, call), { maxLength: 3 }).map((parts) => ({
      candidates: [{ content: { parts } }],
    })),
  )

  test('merge without a throw into what JSON can hold, and stay small', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        const merger = createGeminiMerger()
        for (const item of events) merger.push(JSON.stringify(item))
        const result = merger.result()
        const text = JSON.stringify(result.merged)

        expect(JSON.parse(text)).toEqual(result.merged)
        expect(text.length).toBeLessThan(JSON.stringify(events).length * 4 + 20_000)
        geminiWire.readAnswer(result.merged, targetOf('h', '/'))
      }),
      { numRuns: 1_500 },
    )
  })
})

describe('damaged streams', () => {
  const recordings = written.map(readRecorded)
  const damage = fc.record({
    recording: fc.constantFrom(...recordings),
    framing: fc.constantFrom('sse' as const, 'array' as const),
    kind: fc.constantFrom('cut', 'flip', 'repeat', 'splice'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 1, max: 300 }),
    bit: fc.integer({ min: 0, max: 7 }),
  })

  test('never throw and give valid messages, one answer for each call', () => {
    fc.assert(
      fc.property(damage, ({ recording, framing, kind, at, length, bit }) => {
        const spec = specIn(recording, framing)
        const body = Buffer.from(spec.response?.body ?? '')
        const start = Math.floor(at * (body.length - 1))
        const end = Math.min(body.length, start + length)
        const [head, middle, tail] = [
          body.subarray(0, start),
          body.subarray(start, end),
          body.subarray(end),
        ]
        const flipped = Buffer.from(middle)
        flipped[0] = (flipped[0] ?? 0) ^ (1 << bit)
        const parts =
          {
            cut: [head],
            flip: [head, flipped, tail],
            repeat: [head, middle, middle, tail],
            splice: [head, tail],
          }[kind] ?? []
        const damaged = { ...spec, response: { ...spec.response, body: Buffer.concat(parts) } }
        const out = run({ ...damaged, chunkSize: length })

        for (const msg of out)
          expect(analysisMsgSchema.safeParse(JSON.parse(JSON.stringify(msg))).error).toBeUndefined()
        expect(ofKind(out, 'model-answered')).toHaveLength(1)
      }),
      { numRuns: 400 },
    )
  })
})
