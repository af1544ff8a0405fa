import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { ModelCalls } from '../../analyzers/model-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import type { AnalysisMsg, HeaderPairs, MsgOf } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import { readRecorded, specOf } from '../support/recorded-exchanges.ts'
import type { ExchangeSpec } from '../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'

analyzerConformance('ModelCalls', () => new ModelCalls(), {
  before: () => [new HttpParser(), new SseMerger()],
})

const chain = (): Analyzer[] => [new HttpParser(), new SseMerger(), new ModelCalls()]
const chatUrl = 'https://api.openai.com/v1/chat/completions'
const elsewhere = 'https://llm.example.org/v1/chat/completions'
const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]
const prompt = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] }
const completion = {
  model: 'gpt-4o-mini-2024-07-18',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hello' } }],
  usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 },
}

function run(
  spec: Partial<ExchangeSpec> & { readonly body?: unknown },
  url = chatUrl,
): AnalysisMsg[] {
  const { body = prompt, ...rest } = spec
  const request = { url, body: JSON.stringify(body) }
  return runAnalyzers(chain(), exchangeMessages({ request, ...rest }))
}

function answerOf(name: string): MsgOf<'model-answered'> {
  return onlyOf(
    runAnalyzers(chain(), exchangeMessages(specOf(readRecorded(name)))),
    'model-answered',
  )
}

describe('a call', () => {
  test('is told when its request has been read, before any response', () => {
    const kinds = run({ response: { body: JSON.stringify(completion) } }).map((msg) => msg.kind)

    expect(kinds.indexOf('model-called')).toBeLessThan(kinds.indexOf('response-started'))
    expect(kinds.slice(-2)).toEqual(['exchange-completed', 'model-answered'])
  })

  test('is answered with output, usage, cost and times', () => {
    const out = run({ response: { body: JSON.stringify(completion) }, agent: 'tester' })

    expect(onlyOf(out, 'model-called')).toMatchObject({
      provider: 'openai',
      operation: 'chat',
      model: 'gpt-4o-mini',
      streaming: false,
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
      agent: 'tester',
    })
    const answered = onlyOf(out, 'model-answered')
    expect(answered).toMatchObject({
      by: 'model-calls',
      agent: 'tester',
      exchangeId: 'x1',
      provider: 'openai',
      model: 'gpt-4o-mini-2024-07-18',
      status: 200,
      output: [{ type: 'text', text: 'hello' }],
      finishReason: 'stop',
      usage: { inputTokens: 8, outputTokens: 2, totalTokens: 10, source: 'reported' },
      cost: { confidence: 'exact' },
      durationMs: onlyOf(out, 'exchange-completed').durationMs,
      complete: true,
    })
    expect(answered).not.toHaveProperty('error')
    expect(answered).not.toHaveProperty('ttftMs')
  })

  test.each([
    ['another path', 'https://api.openai.com/v1/models', prompt],
    ['another shape', elsewhere, { hello: 1 }],
    ['no JSON object', elsewhere, [1, 2]],
  ])('is not seen in a request with %s', (_what, url, body) => {
    const out = run({ body, response: { body: JSON.stringify(completion) } }, url)

    expect(out.filter((msg) => msg.kind.startsWith('model-'))).toEqual([])
  })

  test('is not seen in a GET', () => {
    const request = { method: 'GET', url: chatUrl, body: JSON.stringify(prompt) }
    const out = runAnalyzers(chain(), exchangeMessages({ request, response: { body: '{}' } }))

    expect(out.filter((msg) => msg.kind.startsWith('model-'))).toEqual([])
  })

  test.each([
    ['api.openai.com', 'openai'],
    ['eu.api.openai.com', 'openai'],
    ['api.anthropic.com', 'anthropic'],
    ['res.openai.azure.com', 'azure'],
    ['api.groq.com', 'groq'],
    ['llm.example.org', 'llm.example.org'],
    ['api.openai.com.example.org', 'api.openai.com.example.org'],
  ])('to %s is of provider %s', (host, provider) => {
    const out = run({ response: { body: '{}' } }, `https://${host}/prefix/chat/completions?x=1`)

    expect(onlyOf(out, 'model-called').provider).toBe(provider)
  })

  test('names the model of its path where the body names none', () => {
    const url = 'https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions?v=1'
    const out = run({ body: { messages: [] }, response: { body: '{}' } }, url)

    expect(onlyOf(out, 'model-called').model).toBe('my gpt')
  })
})

describe('a streamed answer', () => {
  const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
  const parts = [
    event({ id: '1', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }),
    event({ id: '1', choices: [{ index: 0, delta: { content: 'a' } }] }),
    event({ id: '1', choices: [{ index: 0, delta: { content: 'b' }, finish_reason: 'stop' }] }),
    event({ id: '1', choices: [], usage: completion.usage }),
  ]
  const body = parts.join('')
  const request = { url: chatUrl, body: JSON.stringify({ ...prompt, stream: true }) }
  // The first message of the body is the request's.
  const chunkSize = [request.body.length, ...parts.map((part) => part.length)]

  function streamed(more: Partial<ExchangeSpec> = {}): AnalysisMsg[] {
    const messages = exchangeMessages({ request, response: { headers: sse, body }, ...more })
    return runAnalyzers(chain(), messages)
  }

  test('tells the time to the first content, not to the first event, and the speed after it', () => {
    const sizes = parts.map((part) => part.length)
    const out = streamed({ chunkSize: sizes, stepMs: 100 })
    const [, first, , last] = ofKind(out, 'sse-event')
    const answered = onlyOf(out, 'model-answered')

    expect(onlyOf(out, 'model-called').streaming).toBe(true)
    expect(answered.ttftMs).toBe(first?.sinceRequestMs)
    expect(answered.tokensPerSecond).toBeCloseTo(2 / 0.2)
    expect(last?.sinceRequestMs).toBe((answered.ttftMs ?? 0) + 200)
    expect(answered).toMatchObject({ output: [{ type: 'text', text: 'ab' }], complete: true })
  })

  test('that breaks is told with what came and why there is no more', () => {
    const out = streamed({ failAfterBytes: body.indexOf('"b"'), chunkSize })

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      output: [{ type: 'text', text: 'a' }],
      complete: false,
      error: { type: 'ECONNRESET' },
    })
    expect(out.at(-1)?.kind).toBe('model-answered')
  })

  test('whose reader left after its end is complete', () => {
    expect(onlyOf(streamed({ failAfterBytes: body.length }), 'model-answered')).toMatchObject({
      complete: true,
      output: [{ type: 'text', text: 'ab' }],
    })
  })

  test('with an error inside keeps its part and tells the error', () => {
    const broken = parts[0] + event({ error: { type: 'server_error', message: 'overloaded' } })
    const out = streamed({ response: { headers: sse, body: broken } })

    expect(onlyOf(out, 'model-answered')).toMatchObject({
      status: 200,
      complete: false,
      error: { type: 'server_error', message: 'overloaded' },
    })
  })

  test('that carried nothing is told too', () => {
    for (const empty of ['', ': keep-alive\n\n']) {
      for (const failAfterBytes of [undefined, empty.length]) {
        const cut = failAfterBytes === undefined ? {} : { failAfterBytes }
        const out = streamed({ response: { headers: sse, body: empty }, ...cut })

        expect(onlyOf(out, 'model-answered')).toMatchObject({ output: [], complete: false })
      }
    }
  })
})

describe('a call that failed', () => {
  test('with an error of the provider tells its type and message', () => {
    expect(answerOf('chat-error')).toMatchObject({
      status: 400,
      complete: false,
      error: { type: 'invalid_request_error' },
    })
    expect(answerOf('azure-content-filter').error?.type).toBe('content_filter')
  })

  test.each([
    [
      'Anthropic',
      '{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
      'overloaded_error',
      'busy',
    ],
    ['a text', '{"error":"no such model"}', 'http-503', 'no such model'],
    ['a numeric code', '{"error":{"code":402,"message":"pay"}}', '402', 'pay'],
    ['a gateway', '{"message":"upstream is down"}', 'http-503', 'upstream is down'],
    ['no JSON', '<html>bad gateway</html>', 'http-503', '<html>bad gateway</html>'],
    ['nothing', '', 'http-503', 'no error body'],
  ])('reads the error of %s', (_what, body, type, message) => {
    const headers: HeaderPairs = [
      ['content-type', body.startsWith('<') ? 'text/html' : 'application/json'],
    ]
    const out = run({ response: { status: 503, headers, body } })

    expect(onlyOf(out, 'model-answered').error).toEqual({ type, message })
  })

  test('without any response tells the code of the failure', () => {
    expect(onlyOf(run({}), 'model-answered')).toMatchObject({
      output: [],
      complete: false,
      error: { type: 'ECONNREFUSED', message: 'ended by the upstream (connect)' },
    })
  })

  test('because the proxy refused it tells the reason', () => {
    const messages = exchangeMessages({
      request: { url: chatUrl, body: JSON.stringify(prompt) },
      response: { status: 403, body: '{"error":"blocked"}' },
    })
    const { connectionId, exchangeId, at } = messages[0] ?? { at: 0 }
    const refused = {
      kind: 'request-refused',
      status: 403,
      reason: 'rule',
      message: 'not this model',
    }
    const index = messages.findIndex((msg) => msg.kind === 'response-started')
    messages.splice(index, 0, {
      v: 1,
      seq: 0,
      at,
      connectionId,
      exchangeId,
      ...refused,
    } as AnalysisMsg)

    expect(onlyOf(runAnalyzers(chain(), messages), 'model-answered')).toMatchObject({
      status: 403,
      complete: false,
      error: { type: 'rule', message: 'not this model' },
    })
  })

  test('because its answer was cut is not complete, and has no made-up output', () => {
    const body = JSON.stringify(completion)
    for (const failAfterBytes of [5, body.length - 1]) {
      expect(onlyOf(run({ response: { body }, failAfterBytes }), 'model-answered')).toMatchObject({
        output: [],
        complete: false,
        error: { type: 'ECONNRESET' },
      })
    }
  })

  test('because its answer is no JSON says what it is', () => {
    const headers: HeaderPairs = [['content-type', 'text/html']]
    const out = run({ response: { headers, body: '<p>hello</p>' } })

    expect(onlyOf(out, 'model-answered').error).toEqual({
      type: 'unreadable-answer',
      message: 'the answer is text/html',
    })
  })

  test('while its request was still being sent is a call only if the request can be read', () => {
    const messages = exchangeMessages({ request: { url: chatUrl, body: JSON.stringify(prompt) } })
    const cut = messages.filter((msg) => msg.kind !== 'request-ended')
    const out = runAnalyzers(chain(), cut)

    expect(onlyOf(out, 'model-answered').error?.type).toBe('ECONNREFUSED')
    const half = cut.filter((msg) => msg.kind !== 'request-body')
    expect(ofKind(runAnalyzers(chain(), half), 'model-answered')).toEqual([])
  })
})

describe('a request that is none', () => {
  const refusal = { error: { type: 'invalid_request_error', message: 'cannot parse', code: null } }
  const refused = { status: 400, body: JSON.stringify(refusal) }
  const plain = (body: string | undefined, response: ExchangeSpec['response'], url = chatUrl) =>
    runAnalyzers(
      chain(),
      exchangeMessages({
        request: { url, ...(body === undefined ? {} : { body }) },
        ...(response === undefined ? {} : { response }),
      }),
    ).filter((msg) => msg.kind === 'model-called' || msg.kind === 'model-answered')

  test.each([
    ['that is no JSON', '{"model": "gpt-4o-mini", "messages": ['],
    ['that names no messages', '{"model": "gpt-4o-mini"}'],
    ['without a body', undefined],
  ])('%s is a failed call where a provider turns it down', (_name, body) => {
    const out = plain(body, refused)

    expect(out.map(({ kind }) => kind)).toEqual(['model-called', 'model-answered'])
    expect(out[0]).toMatchObject({ operation: 'chat', messages: [] })
    expect(out[1]).toMatchObject({
      status: 400,
      complete: false,
      error: { type: 'invalid_request_error', message: 'cannot parse' },
    })
    expect(out[1]).not.toHaveProperty('usage')
    expect(plain(body, refused, elsewhere)).toEqual([])
  })

  test('says which model was asked for, where it says so', () => {
    expect(plain('{"model": "gpt-4o-mini"}', refused)[0]).toMatchObject({ model: 'gpt-4o-mini' })
    const url = 'https://generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent'
    expect(plain('{', refused, url)[0]).toMatchObject({ model: 'g', streaming: true })
  })

  test('is none where the provider takes it, and it cannot be a call', () => {
    expect(plain('{"model": "gpt-4o-mini"}', { body: '{}' })).toEqual([])
    expect(plain(undefined, { body: '{}' })).toEqual([])
  })

  test('as far as is known, but is answered with usage, is one', () => {
    const [called, answered] = plain('{"model": "m"}', { body: JSON.stringify(completion) })

    expect(called).toMatchObject({ model: 'm', messages: [] })
    expect(answered).toMatchObject({ usage: { totalTokens: 10 }, complete: true })
  })

  test('but is answered all the same has the usage that is reported, and no made-up one', () => {
    const body = '{ "messages": [] oops'
    const [, whole] = plain(body, { body: JSON.stringify(completion) })
    const [, silent] = plain(body, { body: JSON.stringify({ ...completion, usage: null }) })

    expect(whole).toMatchObject({ usage: { totalTokens: 10 }, cost: { confidence: 'exact' } })
    expect(silent).toMatchObject({ output: [{ type: 'text', text: 'hello' }], complete: true })
    expect(silent).not.toHaveProperty('usage')
  })

  test('of any format is read without an objection, whatever its body is', () => {
    const paths = [
      '/v1/messages',
      '/v1/responses',
      '/v1/embeddings',
      '/v1/completions',
      '/v1/images/edits',
      '/v1/audio/transcriptions',
      '/v1/threads/t/runs',
      '/v1/messages/count_tokens',
      '/v1/messages/batches',
      '/v1/rerank',
      '/v2/chat',
      '/api/chat',
      '/model/anthropic.claude-v2/invoke',
      '/model/x/converse',
      '/model/x/count-tokens',
      '/v1beta/models/g:generateContent',
      '/v1beta/models/g:embedContent',
      '/v1/models/a/b/predictions',
      '/v1/fim/completions',
    ]
    const bodies = ['{}', '[]', '{"input":{"a":1},"messages":7,"contents":[3],"prompt":[]}', '"x"']
    for (const path of paths) {
      for (const body of bodies) {
        const out = plain(body, refused, `https://api.openai.com${path}`)
        expect(
          out.map(({ kind }) => kind),
          `${path} ${body}`,
        ).toEqual(['model-called', 'model-answered'])
      }
    }
  })
})

test('is told once, and under its own exchange, when the analyzers before it are missing', () => {
  const bare = [new HttpParser(), new ModelCalls()]
  const spec = { request: { url: chatUrl, body: JSON.stringify(prompt) } }
  const body = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
  const one = exchangeMessages({ ...spec, response: { headers: sse, body }, agent: 'first' })
  const two = exchangeMessages({ ...spec, exchangeId: 'x2' })
  const answers = ofKind(runAnalyzers(bare, [...one, ...two]), 'model-answered')

  expect(answers.map(({ exchangeId, agent }) => [exchangeId, agent])).toEqual([
    ['x1', 'first'],
    ['x2', undefined],
  ])
})

describe('a recorded exchange', () => {
  test('of Anthropic tools gives tool calls with their arguments', () => {
    const answered = answerOf('messages-tools-stream')

    expect(answered).toMatchObject({
      provider: 'anthropic',
      operation: 'messages',
      complete: true,
      finishReason: 'tool_use',
    })
    expect(answered.toolCalls.length).toBeGreaterThan(0)
    for (const call of answered.toolCalls) expect(JSON.parse(call.arguments)).toBeTypeOf('object')
    expect(answered.ttftMs).toBeTypeOf('number')
    expect(answered.cost?.confidence).toBe('exact')
  })

  test('of Anthropic thinking gives the reasoning apart from the text', () => {
    const types = answerOf('messages-thinking-stream').output.map((part) => part.type)

    expect(types).toEqual(['reasoning', 'text'])
  })

  test('of Responses tools gives the calls of the rebuilt answer', () => {
    const answered = answerOf('responses-tools-stream')

    expect(answered).toMatchObject({
      operation: 'responses',
      complete: true,
      finishReason: 'completed',
    })
    expect(answered.toolCalls).toHaveLength(1)
  })

  test('in gzip is read like any other', () => {
    expect(answerOf('chat-gzip')).toMatchObject({ complete: true, cost: { confidence: 'exact' } })
    expect(answerOf('messages-gzip').usage?.totalTokens).toBeGreaterThan(0)
  })

  test('of embeddings counts vectors and never shows them', () => {
    const answered = answerOf('embeddings-gzip')

    expect(answered).toMatchObject({
      operation: 'embeddings',
      output: [{ type: 'other', name: 'embeddings', text: '1 × 1536 dimensions' }],
      usage: { outputTokens: 0 },
    })
    expect(JSON.stringify(answered).length).toBeLessThan(1_000)
  })
})
