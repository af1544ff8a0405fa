import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { geminiLive } from '../../../analyzers/providers/gemini-live.ts'
import { WebSocketCalls } from '../../../analyzers/websocket-calls.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'
import type { Said } from '../../support/socket-exchange.ts'
import { binary, client, closes, server, socketMessages } from '../../support/socket-exchange.ts'

const liveUrl =
  'wss://generativelanguage.googleapis.com/ws/' +
  'google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=AIzaDummy'
const vertexUrl =
  'wss://us-central1-aiplatform.googleapis.com/ws/' +
  'google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent'

function run(said: readonly Said[], url = liveUrl, isBroken = false): AnalysisMsg[] {
  return runAnalyzers([new WebSocketCalls()], socketMessages({ url, said, isBroken }))
}

const setup = client({
  setup: {
    model: 'models/gemini-2.5-flash',
    systemInstruction: { parts: [{ text: 'be brief' }] },
    tools: [{ functionDeclarations: [{ name: 'light', description: 'switches' }] }],
  },
})
const accepted = server({ setupComplete: {} })
const usageMetadata = { promptTokenCount: 30, responseTokenCount: 4, totalTokenCount: 34 }

const ask = (text: string, turnComplete = true): Said =>
  client({ clientContent: { turns: [{ role: 'user', parts: [{ text }] }], turnComplete } })
const text = (said: string): Said =>
  server({ serverContent: { modelTurn: { parts: [{ text: said }] } } })
const sound = (bytes: number): Said => {
  const inlineData = {
    mimeType: 'audio/pcm;rate=24000',
    data: Buffer.alloc(bytes).toString('base64'),
  }
  return server({ serverContent: { modelTurn: { parts: [{ inlineData }] } } })
}
const turnComplete = server({ serverContent: { turnComplete: true }, usageMetadata })
const call = (...ids: string[]): Said =>
  server({
    toolCall: { functionCalls: ids.map((id) => ({ id, name: 'light', args: { on: true } })) },
  })
const result = (id: string): Said =>
  client({ toolResponse: { functionResponses: [{ id, name: 'light', response: { ok: true } }] } })

describe('a turn of the Live API', () => {
  test('is a call with its prompt, its answer and its own counts', () => {
    const out = run([setup, accepted, ask('hi'), text('he'), text('llo'), turnComplete])

    expect(onlyOf(out, 'model-called')).toMatchObject({
      call: 0,
      provider: 'google',
      operation: 'live',
      model: 'gemini-2.5-flash',
      streaming: true,
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
        { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
      ],
      tools: [{ name: 'light', description: 'switches' }],
    })
    expect(onlyOf(out, 'stream-merged')).toMatchObject({
      format: 'gemini-live',
      text: 'hello',
      eventCount: 3,
      complete: true,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      call: 0,
      model: 'gemini-2.5-flash',
      output: [{ type: 'text', text: 'hello' }],
      finishReason: 'turnComplete',
      usage: { inputTokens: 30, outputTokens: 4, totalTokens: 34, source: 'reported' },
      cost: { confidence: 'exact' },
      ttftMs: 10,
      durationMs: 30,
      complete: true,
    })
  })

  test('reads the same from binary messages, and on Vertex AI', () => {
    const said = [setup, accepted, ask('hi'), text('hello'), turnComplete]
    const out = run(said.map(binary), vertexUrl)

    expect(onlyOf(out, 'model-called').messages).toHaveLength(2)
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      provider: 'google',
      output: [{ type: 'text', text: 'hello' }],
      usage: { totalTokens: 34 },
      complete: true,
    })
  })

  test('names the model that a whole resource name ends with, and fields with underscores', () => {
    const out = run([
      client({
        setup: {
          model: 'projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash',
          system_instruction: { parts: [{ text: 'be kind' }] },
        },
      }),
      client({ client_content: { turns: [{ parts: [{ text: 'a' }] }], turn_complete: true } }),
      server({ server_content: { model_turn: { parts: [{ text: 'b' }] }, turn_complete: true } }),
    ])

    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'gemini-live-2.5-flash',
      messages: [{ role: 'system' }, { role: 'user', parts: [{ text: 'a' }] }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({ output: [{ text: 'b' }], complete: true })
  })

  test('that answers what was heard tells sound by its size, and what it was', () => {
    const audio = { data: Buffer.alloc(320).toString('base64'), mimeType: 'audio/pcm;rate=16000' }
    const out = run([
      setup,
      accepted,
      client({ realtimeInput: { audio } }),
      client({ realtimeInput: { audio } }),
      client({ realtimeInput: { audioStreamEnd: true } }),
      server({ serverContent: { inputTranscription: { text: 'what ' } } }),
      server({ serverContent: { inputTranscription: { text: 'time?' } } }),
      sound(300),
      server({ serverContent: { outputTranscription: { text: 'It is ' } } }),
      sound(600),
      server({ serverContent: { outputTranscription: { text: 'noon.' } } }),
      server({ serverContent: { generationComplete: true } }),
      turnComplete,
    ])

    expect(onlyOf(out, 'model-called').messages).toEqual([
      { role: 'system', parts: [{ type: 'text', text: 'be brief' }] },
      {
        role: 'user',
        parts: [
          { type: 'media', mediaType: 'audio/pcm;rate=16000', bytes: 640 },
          { type: 'text', text: 'what time?' },
        ],
      },
    ])
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      output: [
        { type: 'media', mediaType: 'audio/pcm;rate=24000', bytes: 900 },
        { type: 'text', text: 'It is noon.' },
      ],
      complete: true,
    })
    // Nobody knows when it was asked for.
    expect(answered).not.toHaveProperty('ttftMs')
  })

  test('that is interrupted says so, and the next one is another call', () => {
    const out = run([
      setup,
      ask('tell me all'),
      text('Well, '),
      ask('stop'),
      server({ serverContent: { interrupted: true } }),
      turnComplete,
      text('Fine.'),
      turnComplete,
    ])

    const answered = ofKind(out, 'model-answered')
    expect(
      answered.map(({ call: at, finishReason, output }) => [at, finishReason, output]),
    ).toEqual([
      [0, 'interrupted', [{ type: 'text', text: 'Well, ' }]],
      [1, 'turnComplete', [{ type: 'text', text: 'Fine.' }]],
    ])
    expect(ofKind(out, 'model-called')[1]?.messages.at(-1)).toEqual({
      role: 'user',
      parts: [{ type: 'text', text: 'stop' }],
    })
  })

  test('keeps for the next prompt what does not ask yet', () => {
    const out = run([setup, ask('a', false), ask('b'), text('c'), turnComplete])

    expect(onlyOf(out, 'model-called').messages.slice(1)).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'a' }] },
      { role: 'user', parts: [{ type: 'text', text: 'b' }] },
    ])
  })

  test('ends with the counts of its kinds of tokens, sound at its own price', () => {
    const model = 'models/gemini-live-2.5-flash-preview'
    const counts = {
      promptTokenCount: 100,
      responseTokenCount: 50,
      totalTokenCount: 150,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 20 },
        { modality: 'AUDIO', tokenCount: 80 },
      ],
      responseTokensDetails: [{ modality: 'AUDIO', tokenCount: 50 }],
    }
    const out = run([
      client({ setup: { model } }),
      ask('hi'),
      sound(30),
      server({ serverContent: { turnComplete: true }, usageMetadata: counts }),
    ])

    const { cost, usage } = onlyOf(out, 'model-answered')
    expect(usage).toMatchObject({ inputTokens: 100, outputTokens: 50, totalTokens: 150 })
    expect(cost?.lines.map(({ bucket, tokens }) => [bucket, tokens])).toEqual([
      ['input', 20],
      ['input-audio', 80],
      ['output-audio', 50],
    ])
    // Text 0.5, sound 3 and 12 dollars a million.
    expect(cost?.usd).toBeCloseTo((20 * 0.5 + 80 * 3 + 50 * 12) / 1e6)
  })
})

describe('functions in the Live API', () => {
  test('end the turn that asks for them, and their results ask for the next', () => {
    const out = run([
      setup,
      ask('light!'),
      call('f1', 'f2'),
      result('f1'),
      result('f2'),
      text('Done.'),
      turnComplete,
    ])

    const answered = ofKind(out, 'model-answered')
    expect(answered[0]).toMatchObject({
      toolCalls: [{ id: 'f1', name: 'light', arguments: '{"on":true}' }, { id: 'f2' }],
      finishReason: 'toolCall',
      complete: true,
    })
    expect(answered[1]).toMatchObject({ output: [{ text: 'Done.' }], complete: true })
    expect(answered).toHaveLength(2)
    expect(ofKind(out, 'model-called')[1]?.messages.slice(1)).toEqual([
      { role: 'user', parts: [{ type: 'tool-result', id: 'f1', text: '{"ok":true}' }] },
      { role: 'user', parts: [{ type: 'tool-result', id: 'f2', text: '{"ok":true}' }] },
    ])
  })

  test('that run beside the answer belong to the turn that they came in', () => {
    const out = run([
      setup,
      ask('light!'),
      call('f1'),
      text('Working.'),
      turnComplete,
      result('f1'),
      text('Done.'),
      turnComplete,
    ])

    expect(
      ofKind(out, 'model-answered').map(({ output }) => output.map(({ type }) => type)),
    ).toEqual([['tool-call', 'text'], ['text']])
  })

  test('that were cancelled are not waited for', () => {
    const out = run([
      setup,
      ask('light!'),
      call('f1', 'f2'),
      server({ toolCallCancellation: { ids: ['f2'] } }),
      result('f1'),
      text('Done.'),
      turnComplete,
    ])

    expect(ofKind(out, 'model-answered').map(({ complete }) => complete)).toEqual([true, true])
    expect(ofKind(out, 'stream-merged')[0]?.merged).toMatchObject({
      candidates: [{ toolCallCancellation: { ids: ['f2'] } }],
    })
  })
})

describe('a Live session that ends', () => {
  test('in the midst of a turn leaves an incomplete call, with the reason of the server', () => {
    const said = [setup, ask('hi'), text('he'), server({ goAway: { timeLeft: '1s' } })]
    const error = (more: Said[], isBroken = false): unknown =>
      onlyOf(run([...said, ...more], liveUrl, isBroken), 'model-answered').error

    expect(error([])).toEqual({
      type: 'incomplete-stream',
      message: 'ends before the answer does',
    })
    expect(error([closes(1011, 'internal error')])).toEqual({
      type: 'websocket-closed-1011',
      message: 'internal error',
    })
    expect(error([], true)).toMatchObject({ type: 'ECONNRESET' })
  })

  test('before it was accepted is a failed call, since nothing else would tell', () => {
    const out = run([setup, closes(1008, 'models/x is not found')])

    expect(onlyOf(out, 'model-called')).toMatchObject({ model: 'gemini-2.5-flash' })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: false,
      error: { type: 'websocket-closed-1008', message: 'models/x is not found' },
    })
    expect(ofKind(out, 'stream-merged')).toEqual([])
  })

  test('without any turn is no call', () => {
    expect(ofKind(run([setup, accepted, closes(1001, '')]), 'model-called')).toEqual([])
    expect(ofKind(run([setup, accepted, turnCompleteAlone]), 'model-called')).toEqual([])
  })
})

const turnCompleteAlone = server({ serverContent: { turnComplete: true } })

test('what a message of the session says is no content', () => {
  expect(geminiLive.matches({ setupComplete: {} })).toBe(false)
  expect(geminiLive.carriesContent({ serverContent: { turnComplete: true } })).toBe(false)
  expect(geminiLive.carriesContent({ serverContent: { modelTurn: { parts: [] } } })).toBe(false)
  expect(geminiLive.carriesContent({ toolCall: { functionCalls: [] } })).toBe(true)
})

test('any messages lost, doubled, odd or out of order give valid messages, one answer a call', () => {
  const odd: object[] = [
    { serverContent: [] },
    { serverContent: { modelTurn: { parts: 'x' }, turnComplete: 1 } },
    { serverContent: { modelTurn: { parts: [{ inlineData: { data: 7 } }, null, 3] } } },
    { toolCall: { functionCalls: [{ id: 5 }, 'x'] } },
    { usageMetadata: { promptTokenCount: -1, totalTokenCount: '9' } },
    { toolCallCancellation: { ids: [{}, 4] } },
    { serverContent: { outputTranscription: { text: { a: 1 } } } },
    { error: { code: 500, message: 'no', status: 'INTERNAL' } },
  ]
  const said = [
    setup,
    accepted,
    ask('one'),
    text('a'),
    sound(9),
    call('f1'),
    result('f1'),
    turnComplete,
    server('truncated'),
    closes(1011, 'bad'),
    ...odd.flatMap((data) => [server(data), client(data)]),
    client({ clientContent: { turns: 'x', turnComplete: true } }),
    client({ realtimeInput: { audio: 5, mediaChunks: [{}, 'x'], text: [] } }),
    client({ toolResponse: { functionResponses: [{}] } }),
    client({ setup: { model: 4, tools: [[], {}], systemInstruction: 9 } }),
  ]
  const order = fc.array(fc.constantFrom(...said), { maxLength: 40 })
  fc.assert(
    fc.property(order, (shuffled) => {
      const out = run(shuffled)
      for (const msg of out) {
        expect(analysisMsgSchema.safeParse(JSON.parse(JSON.stringify(msg))).error).toBeUndefined()
      }
      const calls = ofKind(out, 'model-called').map(({ call: at }) => at)
      const answers = ofKind(out, 'model-answered').map(({ call: at }) => at)
      expect(calls).toEqual(calls.map((_call, index) => index))
      expect(answers.toSorted((a = 0, b = 0) => a - b)).toEqual(calls)
    }),
    { numRuns: 200 },
  )
})
