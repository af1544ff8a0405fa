import { describe, expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { McpCalls } from '../../analyzers/mcp-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import type { AnalysisMsg, HeaderPairs } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'
import type { ExchangeSpec } from '../support/run-analyzers.ts'
import { exchangeMessages, ofKind, onlyOf, runAnalyzers } from '../support/run-analyzers.ts'

const before = (): Analyzer[] => [new HttpParser(), new SseMerger()]

analyzerConformance('McpCalls', () => new McpCalls(), { before })

const json: [string, string] = ['Content-Type', 'application/json']
const sse: HeaderPairs = [['Content-Type', 'text/event-stream']]
const rpc = (fields: object): object => ({ jsonrpc: '2.0', ...fields })
const call = rpc({
  id: 7,
  method: 'tools/call',
  params: { name: 'search', arguments: { q: 'llamas' }, _meta: { progressToken: 1 } },
})

function run(
  body: unknown,
  response: ExchangeSpec['response'],
  more: { headers?: HeaderPairs; method?: string; failAfterBytes?: number } = {},
): AnalysisMsg[] {
  const { headers = [], method = 'POST', ...rest } = more
  const request = {
    url: 'https://mcp.example.org/mcp',
    method,
    headers: [json, ...headers],
    body: JSON.stringify(body),
  }
  const messages = exchangeMessages({ request, ...(response ? { response } : {}), ...rest })
  return runAnalyzers([...before(), new McpCalls()], messages)
}

const answer = (result: object): { body: string } => ({
  body: JSON.stringify(rpc({ id: 7, result })),
})

describe('a call of a tool', () => {
  test('is told with its arguments and its result', () => {
    const out = run(call, answer({ content: [{ type: 'text', text: 'found 2' }] }), {
      headers: [['Mcp-Session-Id', 's-1']],
    })

    expect(onlyOf(out, 'mcp-called')).toMatchObject({
      server: 'mcp.example.org',
      method: 'tools/call',
      requestId: '7',
      name: 'search',
      arguments: '{"q":"llamas"}',
      sessionId: 's-1',
    })
    expect(onlyOf(out, 'mcp-answered')).toMatchObject({
      method: 'tools/call',
      requestId: '7',
      name: 'search',
      result: [{ type: 'text', text: 'found 2' }],
      status: 200,
      complete: true,
    })
    expect(onlyOf(out, 'mcp-answered')).not.toHaveProperty('error')
    expect(out.filter(({ kind }) => kind.startsWith('model-'))).toEqual([])
  })

  test('is answered by the event of a stream that has its id', () => {
    const events = [
      rpc({ method: 'notifications/progress', params: { progress: 1 } }),
      rpc({ id: 9, result: {} }),
      rpc({ id: 7, result: { content: [{ type: 'text', text: 'streamed' }] } }),
    ]
    const body = events
      .map((event) => `event: message\ndata: ${JSON.stringify(event)}\n\n`)
      .join('')
    const out = run(call, { headers: sse, body })

    expect(onlyOf(out, 'mcp-answered').result).toEqual([{ type: 'text', text: 'streamed' }])
  })

  test('that failed in the tool is answered, and says so', () => {
    const content = [{ type: 'text', text: 'no such file' }]
    const out = run(call, answer({ isError: true, content }))

    expect(onlyOf(out, 'mcp-answered')).toMatchObject({
      complete: true,
      error: { type: 'tool-error', message: 'no such file' },
    })
  })

  test('describes pictures in a result, and never dumps them', () => {
    const gif = Buffer.from('GIF89a\u0003\u0000\u0002\u0000', 'latin1').toString('base64')
    const out = run(
      call,
      answer({ content: [{ type: 'image', data: gif, mimeType: 'image/gif' }] }),
    )

    expect(onlyOf(out, 'mcp-answered').result).toEqual([
      { type: 'media', mediaType: 'image/gif', bytes: 10, width: 3, height: 2 },
    ])
  })
})

describe('a call without a result', () => {
  test('tells the error of the protocol', () => {
    const error = { code: -32602, message: 'unknown tool' }
    const out = run(call, { body: JSON.stringify(rpc({ id: 7, error })) })

    expect(onlyOf(out, 'mcp-answered')).toMatchObject({
      result: [],
      complete: false,
      error: { type: 'json-rpc -32602', message: 'unknown tool' },
    })
  })

  test.each([
    ['the server refuses', { status: 401, body: 'who?' }, undefined, 'http-401'],
    [
      'the stream ends before',
      { headers: sse, body: ': ping\n\n' },
      undefined,
      'unreadable-answer',
    ],
    ['the answer breaks off', answer({ content: [] }), 4, 'ECONNRESET'],
    ['nobody answers', undefined, undefined, 'ECONNREFUSED'],
    [
      'another id is answered',
      { body: '{"jsonrpc":"2.0","id":8,"result":{}}' },
      undefined,
      'no-answer',
    ],
  ])('says why: %s', (_what, response, failAfterBytes, type) => {
    const out = run(call, response, failAfterBytes === undefined ? {} : { failAfterBytes })

    expect(onlyOf(out, 'mcp-answered')).toMatchObject({ complete: false, error: { type } })
  })
})

describe('other requests', () => {
  test.each([
    [
      'initialize',
      { serverInfo: { name: 'files' } },
      'initialize',
      '{"serverInfo":{"name":"files"}}',
    ],
    ['tools/list', { tools: [{ name: 'a' }, { name: 'b' }] }, 'tools', '2: a, b'],
    ['prompts/list', { prompts: [] }, 'prompts', '0: '],
  ])('%s is told in short', (method, result, name, text) => {
    const out = run(rpc({ id: 7, method }), answer(result))

    expect(onlyOf(out, 'mcp-answered').result).toEqual([{ type: 'other', name, text }])
  })

  test('a resource is told by its address', () => {
    const body = rpc({ id: 7, method: 'resources/read', params: { uri: 'file:///a' } })
    const out = run(body, answer({ contents: [{ uri: 'file:///a', text: 'A' }] }))

    expect(onlyOf(out, 'mcp-called').name).toBe('file:///a')
    expect(onlyOf(out, 'mcp-answered').result).toEqual([{ type: 'text', text: 'A' }])
  })

  test('a notification is told and gets no answer', () => {
    const out = run(rpc({ method: 'notifications/initialized' }), { status: 202 })

    expect(onlyOf(out, 'mcp-called')).not.toHaveProperty('requestId')
    expect(ofKind(out, 'mcp-answered')).toEqual([])
  })

  test('those of a batch are numbered', () => {
    const out = run([call, rpc({ id: 'x', method: 'ping' })], {
      body: JSON.stringify([rpc({ id: 'x', result: {} }), rpc({ id: 7, result: { content: [] } })]),
    })

    expect(ofKind(out, 'mcp-called').map((msg) => [msg.call, msg.requestId])).toEqual([
      [0, '7'],
      [1, '"x"'],
    ])
    expect(ofKind(out, 'mcp-answered').map((msg) => [msg.call, msg.method])).toEqual([
      [1, 'ping'],
      [0, 'tools/call'],
    ])
  })

  test.each([
    ['of another JSON-RPC protocol', rpc({ id: 1, method: 'eth_call' }), 'POST'],
    ['without a version', { id: 1, method: 'tools/call' }, 'POST'],
    ['that is no POST', call, 'PUT'],
    ['that answers the server', rpc({ id: 1, result: {} }), 'POST'],
  ])('one %s is left alone', (_what, body, method) => {
    const out = run(body, { body: '{}' }, { method })

    expect(out.filter(({ kind }) => kind.startsWith('mcp-'))).toEqual([])
  })
})
