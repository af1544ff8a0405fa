import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { WebSocketCalls } from '../../analyzers/websocket-calls.ts'
import type { CaptureLine } from '../../src/capture/reader.ts'
import { reanalyze } from '../../src/capture/reanalyze.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../src/messages/schema.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import { ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'
import type { Said } from '../support/socket-exchange.ts'
import { client, server, socketMessages } from '../support/socket-exchange.ts'

analyzerConformance('WebSocketCalls', () => new WebSocketCalls())

const responsesUrl = 'wss://api.openai.com/v1/responses'
const realtimeUrl = 'wss://api.openai.com/v1/realtime?model=gpt-realtime'
const usage = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 5 },
  output_tokens: 4,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 24,
}

function run(said: readonly Said[], url = responsesUrl, isBroken = false): AnalysisMsg[] {
  return runAnalyzers([new WebSocketCalls()], socketMessages({ url, said, isBroken }))
}

const create = (text: string, more: object = {}): Said =>
  client({
    type: 'response.create',
    model: 'gpt-5',
    instructions: 'be brief',
    input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }],
    tools: [{ type: 'function', name: 'shell', description: 'runs' }],
    ...more,
  })

/** The events of a response that says `text`; the closing one leaves its output out, as some do. */
function response(id: string, text: string, more: object = {}): Said[] {
  const head = { id, object: 'response', model: 'gpt-5-2025-08-07', output: [] }
  const item = { id: `m-${id}`, type: 'message', role: 'assistant', content: [] }
  return [
    { type: 'response.created', response: { ...head, status: 'in_progress' }, ...more },
    { type: 'response.output_item.added', output_index: 0, item, ...more },
    { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: text, ...more },
    { type: 'response.completed', response: { ...head, status: 'completed', usage }, ...more },
  ].map(server)
}

describe('Responses over a WebSocket', () => {
  test('are calls of their own, with what each continues', () => {
    const out = run([
      create('one'),
      ...response('r1', 'first'),
      create('two', { previous_response_id: 'r1', instructions: undefined }),
      ...response('r2', 'second'),
    ])

    const called = ofKind(out, 'model-called')
    expect(called.map(({ call, previousResponseId }) => [call, previousResponseId])).toEqual([
      [0, undefined],
      [1, 'r1'],
    ])
    expect(called[0]).toMatchObject({
      provider: 'openai',
      operation: 'responses',
      model: 'gpt-5',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        { role: 'user', parts: [{ type: 'text', text: 'one' }] },
      ],
      tools: [{ name: 'shell', description: 'runs' }],
    })
    const answered = ofKind(out, 'model-answered')
    expect(answered.map(({ call, responseId, output }) => [call, responseId, output])).toEqual([
      [0, 'r1', [{ type: 'text', text: 'first' }]],
      [1, 'r2', [{ type: 'text', text: 'second' }]],
    ])
    expect(answered[1]).toMatchObject({
      model: 'gpt-5-2025-08-07',
      usage: { inputTokens: 15, cacheReadTokens: 5, outputTokens: 4, source: 'reported' },
      cost: { confidence: 'exact' },
      ttftMs: 30,
      durationMs: 40,
      complete: true,
    })
    expect(
      ofKind(out, 'stream-merged').map(({ call, text, complete }) => [call, text, complete]),
    ).toEqual([
      [0, 'first', true],
      [1, 'second', true],
    ])
  })

  test('that only warm a prompt up are told as such', () => {
    const out = run([create('one', { generate: false }), ...response('r1', '')])

    expect(onlyOf(out, 'model-called').operation).toBe('prewarm')
    expect(onlyOf(out, 'model-answered')).toMatchObject({ operation: 'prewarm', complete: true })
  })

  test('end with the error that the server reports, and its status', () => {
    const error = {
      type: 'invalid_request_error',
      code: 'previous_response_not_found',
      message: 'no',
    }
    const out = run([create('one'), server({ type: 'error', status: 400, error })])

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      status: 400,
      complete: false,
      error: { type: 'invalid_request_error', message: 'no' },
    })
  })

  test('of several lanes may overlap', () => {
    const [a0, a1, a2, a3] = response('ra', 'A', { stream_id: 'a' })
    const [b0, b1, b2, b3] = response('rb', 'B', { stream_id: 'b' })
    const said = [
      create('to a', { stream_id: 'a' }),
      create('to b', { stream_id: 'b' }),
      ...[b0, a0, a1, b1, b2, a2, b3, a3].flatMap((event) => event ?? []),
    ]
    const out = run(said)

    const texts = ofKind(out, 'stream-merged').map(({ call, text }) => [call, text])
    expect(texts).toEqual([
      [1, 'B'],
      [0, 'A'],
    ])
  })

  test('that follow a steered one are calls with what was said into it', () => {
    const out = run([
      create('one'),
      ...response('r1', 'first').slice(0, 3),
      client({ type: 'response.steer', input: 'stop that' }),
      server({ type: 'response.steer.accepted' }),
      server({
        type: 'response.incomplete',
        response: { id: 'r1', status: 'incomplete', output: [] },
      }),
      ...response('r2', 'second'),
    ])

    const called = ofKind(out, 'model-called')
    expect(called).toHaveLength(2)
    expect(called[1]?.messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'stop that' }] },
    ])
    expect(ofKind(out, 'model-answered').map(({ finishReason }) => finishReason)).toEqual([
      'incomplete',
      'completed',
    ])
  })

  test('whose request was lost are calls without a prompt', () => {
    const out = run(response('r1', 'first'))

    expect(onlyOf(out, 'model-called')).toMatchObject({ model: 'gpt-5-2025-08-07', messages: [] })
    expect(onlyOf(out, 'model-answered')).toMatchObject({ call: 0, complete: true })
  })

  test('of which messages are missing are incomplete', () => {
    const [first, second, , last] = response('r1', 'first')
    const said = [first, second, server('truncated'), last].flatMap((event) => event ?? [])
    const answered = onlyOf(run([create('one'), ...said]), 'model-answered')

    expect(answered).toMatchObject({ complete: false, error: { message: 'messages are missing' } })
  })

  test.each([
    [false, { type: 'incomplete-stream', message: 'ends before the answer does' }],
    [true, { type: 'ECONNRESET', message: 'ended by the upstream (response)' }],
  ])('whose end never comes are answered when the socket ends (broken: %s)', (isBroken, error) => {
    const out = run([create('one'), ...response('r1', 'fir').slice(0, 3)], responsesUrl, isBroken)

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'fir' }],
      complete: false,
      error,
    })
    expect(onlyOf(out, 'model-answered')).not.toHaveProperty('cost')
  })

  test('to the ChatGPT backend are of the same kind', () => {
    const url = 'wss://chatgpt.com/backend-api/codex/responses'
    const out = run([create('one'), ...response('r1', 'first')], url)

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      provider: 'openai',
      cost: { confidence: 'exact' },
    })
  })

  test('no more than a bounded number of them wait at a time', () => {
    const out = run(Array.from({ length: 70 }, (_, index) => create(`${index}`)))

    expect(ofKind(out, 'model-called')).toHaveLength(70)
    expect(ofKind(out, 'model-answered')).toHaveLength(70)
  })

  test('are the same when a capture is read again', async () => {
    const messages = socketMessages({
      url: responsesUrl,
      said: [create('one'), ...response('r1', 'first')],
    })
    const live = runAnalyzers(defaultAnalyzers(), messages)
    const again: AnalysisMsg[] = []
    for await (const line of reanalyze(linesOf(live), defaultAnalyzers())) {
      if (line.type === 'message') again.push(line.msg)
    }

    expect(again.map(withoutSeq)).toEqual(live.map(withoutSeq))
  })
})

describe('Realtime', () => {
  const session = { model: 'gpt-realtime', instructions: 'be kind', tools: [] }
  const realtimeUsage = {
    total_tokens: 60,
    input_tokens: 40,
    output_tokens: 20,
    input_token_details: { text_tokens: 10, audio_tokens: 30, cached_tokens: 0 },
    output_token_details: { text_tokens: 5, audio_tokens: 15 },
  }
  const item = {
    id: 'i1',
    type: 'message',
    role: 'assistant',
    content: [{ type: 'output_audio', transcript: 'hello' }],
  }
  const done = {
    id: 'p1',
    object: 'realtime.response',
    status: 'completed',
    output: [item],
    usage: realtimeUsage,
  }
  const at = { response_id: 'p1', output_index: 0, content_index: 0 }
  const begun = server({ type: 'response.created', response: { id: 'p1', output: [] } })
  const sound = Buffer.alloc(300).toString('base64')
  const spoken = [
    begun,
    server({ type: 'response.output_audio.delta', ...at, delta: sound }),
    server({ type: 'response.output_audio_transcript.delta', ...at, delta: 'hello' }),
  ]

  test('tells each response with its usage, and the sound by its size', () => {
    const out = run(
      [
        server({ type: 'session.created', session }),
        client({ type: 'input_audio_buffer.append', audio: sound }),
        server({ type: 'input_audio_buffer.committed' }),
        ...spoken,
        server({ type: 'response.done', response: done }),
      ],
      realtimeUrl,
    )

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'realtime',
      model: 'gpt-realtime',
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be kind' }] },
        { role: 'user', parts: [{ type: 'media', mediaType: 'audio/*', bytes: 300 }] },
      ],
    })
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      output: [
        { type: 'media', mediaType: 'audio/*', bytes: 300 },
        { type: 'text', text: 'hello' },
      ],
      finishReason: 'completed',
      responseId: 'p1',
      usage: { inputTokens: 40, outputTokens: 20, totalTokens: 60 },
      complete: true,
    })
    // gpt-realtime: text 4 and 16, sound 32 and 64 dollars a million.
    expect(answered.cost?.usd).toBeCloseTo((10 * 4 + 30 * 32 + 5 * 16 + 15 * 64) / 1e6)
    expect(JSON.stringify(out.filter(({ by }) => by !== undefined))).not.toContain(sound)
  })

  test('rebuilds a response whose closing event was lost', () => {
    const answered = onlyOf(run(spoken, realtimeUrl), 'model-answered')

    expect(answered).toMatchObject({
      model: 'gpt-realtime',
      output: [
        { type: 'media', bytes: 300 },
        { type: 'text', text: 'hello' },
      ],
      complete: false,
    })
  })

  test('adds what a client said to the prompt of the next response only', () => {
    const say = (text: string): Said =>
      client({
        type: 'conversation.item.create',
        item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
      })
    const ask = client({ type: 'response.create' })
    const answer = [begun, server({ type: 'response.done', response: done })]
    const out = run([say('a'), ask, ...answer, say('b'), ask, ...answer], realtimeUrl)

    expect(ofKind(out, 'model-called').map(({ messages }) => messages)).toEqual([
      [{ role: 'user', parts: [{ type: 'text', text: 'a' }] }],
      [{ role: 'user', parts: [{ type: 'text', text: 'b' }] }],
    ])
  })

  test('takes an error as that of a call only if it is of one', () => {
    const ask = client({ type: 'response.create', event_id: 'e1' })
    const other = server({ type: 'error', error: { message: 'bad item', event_id: 'e0' } })
    const own = server({ type: 'error', error: { message: 'bad ask', event_id: 'e1' } })
    const out = run([ask, other, own], realtimeUrl)

    expect(onlyOf(out, 'model-answered').error).toEqual({ type: 'error', message: 'bad ask' })
  })

  test('says why a response was cut short', () => {
    const cancelled = { ...done, status: 'cancelled', status_details: { reason: 'turn_detected' } }
    const out = run([begun, server({ type: 'response.done', response: cancelled })], realtimeUrl)

    expect(onlyOf(out, 'model-answered').finishReason).toBe('turn_detected')
  })
})

test('any messages lost, doubled or out of order give valid messages, and one answer a call', () => {
  const said = [
    create('one'),
    ...response('r1', 'first'),
    create('two'),
    ...response('r2', 'second'),
  ]
  const order = fc.array(fc.constantFrom(...said, server('truncated'), client({ type: 7 })), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(order, fc.constantFrom(responsesUrl, realtimeUrl), (shuffled, url) => {
      const out = run(shuffled, url)
      for (const msg of out) {
        expect(analysisMsgSchema.safeParse(JSON.parse(JSON.stringify(msg))).error).toBeUndefined()
      }
      const calls = ofKind(out, 'model-called').map(({ call }) => call)
      const answers = ofKind(out, 'model-answered').map(({ call }) => call)
      expect(calls).toEqual(calls.map((_call, index) => index))
      expect(answers).toHaveLength(calls.length)
      expect(new Set(answers)).toEqual(new Set(calls))
    }),
    { numRuns: 300 },
  )
})

function withoutSeq({ seq: _seq, ...rest }: AnalysisMsg): object {
  return rest
}

async function* linesOf(messages: readonly AnalysisMsg[]): AsyncGenerator<CaptureLine> {
  for (const [index, msg] of messages.entries()) {
    yield { type: 'message', path: 'p', lineNumber: index + 1, msg, raw: JSON.stringify(msg) }
  }
}
