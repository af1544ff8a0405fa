/** OpenAI's calls besides chat: images, audio, moderations, runs, compaction, the ChatGPT backend. */
import { zstdCompressSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import type { AnalysisMsg, HeaderPairs } from '../../../src/messages/schema.ts'
import type { ExchangeSpec } from '../../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../../support/run-analyzers.ts'

const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]
const form: HeaderPairs = [['Content-Type', 'multipart/form-data; boundary="b"']]
const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
const png = Buffer.from('89504e470d0a1a0a0000000d494844520000000400000003', 'hex')

interface Sent {
  readonly path: string
  readonly body: object | Buffer
  readonly headers?: HeaderPairs
  readonly host?: string
}

function run(
  { path, body, headers, host = 'api.openai.com' }: Sent,
  response: ExchangeSpec['response'],
): AnalysisMsg[] {
  const request = {
    url: `https://${host}${path}`,
    body: Buffer.isBuffer(body) ? body : JSON.stringify(body),
    ...(headers === undefined ? {} : { headers }),
  }
  return runAnalyzers(
    defaultAnalyzers(),
    exchangeMessages({ request, ...(response === undefined ? {} : { response }) }),
  )
}

function fields(parts: readonly (readonly [string, string | Buffer])[]): Buffer {
  const pieces = parts.flatMap(([parameters, content]) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; ${parameters}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from('--b--\r\n')])
}

describe('images', () => {
  const usage = {
    input_tokens: 10,
    output_tokens: 1000,
    total_tokens: 1010,
    input_tokens_details: { text_tokens: 10, image_tokens: 0 },
  }

  test('are told by type, size and dimensions', () => {
    const body = { model: 'gpt-image-1', prompt: 'a cat' }
    const data = [{ b64_json: png.toString('base64'), revised_prompt: 'a white cat' }]
    const answer = { created: 1, data, output_format: 'png', usage }
    const out = run({ path: '/v1/images/generations', body }, { body: JSON.stringify(answer) })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'images',
      model: 'gpt-image-1',
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'a cat' }] }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [
        { type: 'media', mediaType: 'image/png', bytes: png.length, width: 4, height: 3 },
        { type: 'other', name: 'revised prompt', text: 'a white cat' },
      ],
      usage: { inputTokens: 10, outputTokens: 1000 },
      cost: { confidence: 'exact', usd: (10 * 5 + 1000 * 40) / 1e6 },
      complete: true,
    })
  })

  test('that are edited come in a form', () => {
    const body = fields([
      ['name="model"', 'gpt-image-1'],
      ['name="prompt"', 'a hat'],
      ['name="image[]"; filename="cat.png"', png],
      ['name="mask"; filename="mask.png"', png],
      ['name="stream"', 'true'],
    ])
    const out = run({ path: '/v1/images/edits', body, headers: form }, { body: '{"data":[]}' })

    const media = { type: 'media', bytes: png.length, width: 4, height: 3 }
    expect(onlyOf(out, 'model-called')).toMatchObject({
      model: 'gpt-image-1',
      streaming: true,
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'a hat' }, media, media] }],
    })
    expect(onlyOf(out, 'model-answered')).not.toHaveProperty('cost')
  })

  test('that are streamed end with the finished one', () => {
    const image = { b64_json: png.toString('base64'), size: '4x3', output_format: 'png' }
    const events = [
      { type: 'image_generation.partial_image', partial_image_index: 0, ...image, created_at: 1 },
      { type: 'image_generation.completed', ...image, created_at: 2, usage },
    ]
    const sent = { path: '/v1/images/generations', body: { prompt: 'a cat', stream: true } }
    const whole = run(sent, { headers: sse, body: events.map(event).join('') })
    const cut = run(sent, { headers: sse, body: events.slice(0, 1).map(event).join('') })

    expect(onlyOf(whole, 'stream-merged')).toMatchObject({
      format: 'openai-images',
      merged: { created: 2, size: '4x3', data: [{ b64_json: image.b64_json }], usage },
      complete: true,
    })
    expect(onlyOf(whole, 'model-answered')).toMatchObject({
      output: [{ type: 'media', width: 4, height: 3 }],
      usage: { totalTokens: 1010 },
      ttftMs: expect.any(Number) as number,
    })
    expect(onlyOf(cut, 'model-answered')).toMatchObject({
      output: [{ type: 'media', width: 4, height: 3 }],
      complete: false,
    })
  })
})

describe('audio', () => {
  const mp3 = Buffer.concat([Buffer.from('fffb9000', 'hex'), Buffer.alloc(15_996)])
  const speech = {
    path: '/v1/audio/speech',
    body: { model: 'tts-1', input: 'hello', voice: 'alloy' },
  }

  test('that is spoken is told by its length, without a cost where none is reported', () => {
    const out = run(speech, { headers: [['Content-Type', 'audio/mpeg']], body: mp3 })

    expect(onlyOf(out, 'model-called').messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'hello' }] },
    ])
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      operation: 'speech',
      output: [{ type: 'media', mediaType: 'audio/mpeg', bytes: 16_000, durationMs: 1000 }],
      complete: true,
    })
    expect(answered).not.toHaveProperty('cost')
    expect(JSON.stringify(ofKind(out, 'http-parsed'))).not.toContain('base64')
  })

  test('that is streamed as events is counted, and has usage', () => {
    const delta = { type: 'speech.audio.delta', audio: mp3.toString('base64') }
    const usage = { input_tokens: 3, output_tokens: 40, total_tokens: 43 }
    const body = [delta, delta, { type: 'speech.audio.done', usage }].map(event).join('')
    const sent = {
      ...speech,
      body: { ...speech.body, model: 'gpt-4o-mini-tts', stream_format: 'sse' },
    }
    const out = run(sent, { headers: sse, body })

    expect(onlyOf(out, 'stream-merged').merged).toEqual({
      audio: { media_type: 'audio/mpeg', bytes: 32_000 },
      usage,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'media', mediaType: 'audio/mpeg', bytes: 32_000 }],
      usage: { inputTokens: 3, outputTokens: 40 },
      complete: true,
    })
  })

  const transcription = {
    path: '/v1/audio/transcriptions',
    body: fields([
      ['name="model"', 'gpt-4o-transcribe'],
      ['name="file"; filename="a.mp3"', mp3],
    ]),
    headers: form,
  }

  test.each([
    ['JSON', 'application/json', '{"text":"hi","usage":{"type":"duration","seconds":1}}', 'hi'],
    ['plain text', 'text/plain', 'hi\n', 'hi\n'],
    [
      'subtitles',
      'text/plain; charset=utf-8',
      '1\n00:00 --> 00:01\nhi\n',
      '1\n00:00 --> 00:01\nhi\n',
    ],
  ])('that is transcribed as %s', (_what, type, body, text) => {
    const out = run(transcription, { headers: [['Content-Type', type]], body })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      operation: 'transcription',
      model: 'gpt-4o-transcribe',
      messages: [{ parts: [{ type: 'media', bytes: 16_000, durationMs: 1000 }] }],
    })
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({ output: [{ type: 'text', text }], complete: true })
    expect(answered).not.toHaveProperty('usage')
  })

  test('that is transcribed as a stream', () => {
    const usage = {
      type: 'tokens',
      input_tokens: 14,
      input_token_details: { text_tokens: 0, audio_tokens: 14 },
      output_tokens: 2,
      total_tokens: 16,
    }
    const events = [
      { type: 'transcript.text.delta', delta: 'he' },
      { type: 'transcript.text.delta', delta: 'y' },
      { type: 'transcript.text.done', text: 'hey', usage },
    ]
    const whole = run(transcription, { headers: sse, body: events.map(event).join('') })
    const cut = run(transcription, { headers: sse, body: events.slice(0, 2).map(event).join('') })

    expect(onlyOf(whole, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'hey' }],
      cost: { confidence: 'exact', usd: (14 * 6 + 2 * 10) / 1e6 },
      complete: true,
    })
    expect(onlyOf(cut, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'hey' }],
      complete: false,
    })
  })
})

test.each([
  [true, 'flagged', 'flagged: violence'],
  [false, 'passed', 'not flagged'],
])('a moderation tells its verdict (flagged: %s)', (flagged, finishReason, text) => {
  const categories = { violence: flagged, hate: false }
  const answer = {
    id: 'modr-1',
    model: 'omni-moderation-latest',
    results: [{ flagged, categories }],
  }
  const body = { model: 'omni-moderation-latest', input: ['a', 'b'] }
  const out = run({ path: '/v1/moderations', body }, { body: JSON.stringify(answer) })
  const answered = onlyOf(out, 'model-answered')

  expect(answered).toMatchObject({
    operation: 'moderations',
    finishReason,
    output: [{ type: 'other', name: 'moderation', text }],
    complete: true,
  })
  expect(answered).not.toHaveProperty('cost')
})

describe('a run of an assistant', () => {
  const started = {
    id: 'run_1',
    object: 'thread.run',
    model: 'gpt-4o',
    status: 'in_progress',
    usage: null,
  }
  const message = { id: 'msg_1', object: 'thread.message', role: 'assistant', content: [] }
  const delta = (value: string): object => ({
    id: 'msg_1',
    object: 'thread.message.delta',
    delta: { content: [{ index: 0, type: 'text', text: { value, annotations: [] } }] },
  })

  test('that streams is merged with its messages', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }
    const ended = { ...started, status: 'completed', usage }
    const events = [started, message, delta('he'), delta('y'), ended]
    const sent = {
      path: '/v1/threads/t1/runs',
      body: {
        assistant_id: 'asst_1',
        stream: true,
        additional_messages: [{ role: 'user', content: 'hi' }],
      },
    }
    const body = `${events.map(event).join('')}event: done\ndata: [DONE]\n\n`
    const out = run(sent, { headers: sse, body })

    expect(onlyOf(out, 'model-called').messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
    ])
    expect(onlyOf(out, 'stream-merged')).toMatchObject({ format: 'openai-assistants', text: 'hey' })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      model: 'gpt-4o',
      output: [{ type: 'text', text: 'hey' }],
      finishReason: 'completed',
      responseId: 'run_1',
      usage: { inputTokens: 5, outputTokens: 2 },
      complete: true,
    })
  })

  test('that needs tools tells their calls, and takes their results', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }
    const required = { submit_tool_outputs: { tool_calls: [call] } }
    const waiting = { ...started, status: 'requires_action', required_action: required }
    const body = { tool_outputs: [{ tool_call_id: 'call_0', output: 'done' }] }
    const path = '/v1/threads/t1/runs/run_1/submit_tool_outputs'
    const out = run({ path, body }, { body: JSON.stringify(waiting) })

    expect(onlyOf(out, 'model-called').messages).toEqual([
      { role: 'tool', parts: [{ type: 'tool-result', id: 'call_0', text: 'done' }] },
    ])
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      toolCalls: [{ id: 'call_1', name: 'f', arguments: '{"a":1}' }],
      finishReason: 'requires_action',
      complete: true,
    })
    expect(answered).not.toHaveProperty('cost')
  })

  test('that fails in its stream says why', () => {
    const failed = {
      ...started,
      status: 'failed',
      last_error: { code: 'rate_limit', message: 'slow' },
    }
    const sent = { path: '/v1/threads/runs', body: { assistant_id: 'a', stream: true } }
    const out = run(sent, { headers: sse, body: event(started) + event(failed) })

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      complete: false,
      error: { type: 'rate_limit', message: 'slow' },
    })
  })
})

describe('Responses', () => {
  const answer = { id: 'resp_1', object: 'response', model: 'gpt-5', status: 'queued', output: [] }

  test('keep what they continue, and that they run in the background', () => {
    const body = {
      model: 'gpt-5',
      input: 'go on',
      previous_response_id: 'resp_0',
      conversation: { id: 'conv_1' },
      background: true,
    }
    const out = run({ path: '/v1/responses', body }, { body: JSON.stringify(answer) })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      previousResponseId: 'resp_0',
      conversationId: 'conv_1',
      background: true,
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      responseId: 'resp_1',
      finishReason: 'queued',
    })
  })

  test('that compact a conversation are calls', () => {
    const usage = { input_tokens: 9, output_tokens: 1, total_tokens: 10 }
    const compacted = { id: 'c', object: 'response.compaction', output: [], usage }
    const body = { model: 'gpt-5', input: 'all of it' }
    const out = run({ path: '/v1/responses/compact', body }, { body: JSON.stringify(compacted) })

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      operation: 'compact',
      usage: { totalTokens: 10 },
      cost: { confidence: 'exact' },
    })
  })

  test('of the ChatGPT backend are read through zstd, and rebuilt from their events', () => {
    const item = {
      type: 'message',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'pong' }],
    }
    const usage = { input_tokens: 9, output_tokens: 1, total_tokens: 10 }
    const ended = { id: 'resp_1', model: 'gpt-5', status: 'completed', usage }
    const events = [
      { type: 'response.created', response: answer },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: ended },
    ]
    const body = zstdCompressSync(
      JSON.stringify({ model: 'gpt-5', instructions: 'be brief', input: [], stream: true }),
    )
    const headers: HeaderPairs = [
      ['Content-Type', 'application/json'],
      ['Content-Encoding', 'zstd'],
    ]
    const sent = { path: '/backend-api/codex/responses', body, headers, host: 'chatgpt.com' }
    const out = run(sent, { headers: sse, body: events.map(event).join('') })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'openai',
      messages: [{ role: 'system', parts: [{ type: 'text', text: 'be brief' }] }],
    })
    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'pong' }],
      cost: { confidence: 'exact', usd: (9 * 1.25 + 1 * 10) / 1e6 },
      complete: true,
    })
  })
})
