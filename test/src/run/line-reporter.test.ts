import { array, assert, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { createLineReporter } from '../../../src/run/line-reporter.ts'
import { anyMessage, answered, called, messages } from './message-samples.ts'

function linesOf(...drafts: AnalysisMsgDraft[]): string[] {
  const report = createLineReporter(() => '12:00:00')
  return messages(...drafts).flatMap((msg) => report(msg) ?? [])
}

const started = (exchangeId: string, url = 'https://api.openai.com/v1/models?key=abc') =>
  ({
    kind: 'request-started',
    exchangeId,
    method: 'GET',
    url,
    httpVersion: '1.1',
    headers: [],
    host: 'api.openai.com',
  }) as const
const completed = (exchangeId: string, status: number) =>
  ({
    kind: 'exchange-completed',
    exchangeId,
    status,
    requestBytes: 0,
    responseBytes: 0,
    durationMs: 120,
  }) as const

describe('a model call', () => {
  test('is one line with time, tokens, cost and tools', () => {
    const lines = linesOf(
      started('x1'),
      called('x1'),
      answered('x1', {
        ttftMs: 210,
        finishReason: 'tool_calls',
        toolCalls: [{ name: 'get_weather', arguments: '{}' }],
        usage: {
          inputTokens: 1024,
          cacheReadTokens: 2048,
          cacheWriteTokens: 0,
          outputTokens: 8,
          reasoningTokens: 0,
          totalTokens: 3080,
          source: 'reported',
        },
        cost: { usd: 0.0123, confidence: 'estimated', lines: [] },
      }),
      completed('x1', 200),
    )

    expect(lines).toEqual([
      '12:00:00 openai chat gpt-4o 200 · first token 210 ms · 1.30 s · ' +
        'in 1,024 + 2,048 cached, out 8 · about $0.0123 · tool_calls · tools: get_weather',
    ])
  })

  test('that failed shows the error, and is not told twice', () => {
    const lines = linesOf(
      started('x1'),
      called('x1'),
      answered('x1', { status: 404, error: { type: 'not_found', message: 'no such model' } }),
      completed('x1', 404),
    )

    expect(lines).toEqual(['12:00:00 openai chat gpt-4o 404 · 1.30 s · not_found: no such model'])
  })

  test('whose request was read only after it had failed is told once', () => {
    const lines = linesOf(
      started('x1', 'https://api.openai.com/v1/responses'),
      {
        kind: 'exchange-failed',
        exchangeId: 'x1',
        by: 'client',
        phase: 'request',
        code: 'ABORTED',
        durationMs: 3,
      },
      called('x1'),
      answered('x1', { complete: false, error: { type: 'ABORTED', message: 'left' } }),
    )

    expect(lines).toEqual([
      '12:00:00 GET https://api.openai.com/v1/responses · ' +
        'failed by the client (request, ABORTED) · 3 ms',
    ])
  })

  test('says that its cost is unknown, and that it was cut short', () => {
    const lines = linesOf(
      answered('x1', { complete: false, cost: { confidence: 'unknown', lines: [] } }),
    )

    expect(lines).toEqual(['12:00:00 openai chat gpt-4o 200 · 1.30 s · cost unknown · cut short'])
  })

  test('with a hostile model name stays one harmless line', () => {
    const model = `\u001b]0;owned\u0007\r\n12:00:00 fake line\u202e${'x'.repeat(500)}`
    const [line = ''] = linesOf(answered('x1', { model }))

    expect(line).toContain(String.raw`\x1b]0;owned\x07\r\n12:00:00 fake line\u202e`)
    expect(line).toContain('…')
    expect(line.length).toBeLessThan(220)
  })
})

describe('another exchange', () => {
  test('that went well is not listed', () => {
    expect(linesOf(started('x1'), completed('x1', 200))).toEqual([])
  })

  test('that failed is listed without its query', () => {
    const lines = linesOf(started('x1'), completed('x1', 500), started('x2'), {
      kind: 'exchange-failed',
      exchangeId: 'x2',
      by: 'upstream',
      phase: 'connect',
      code: 'ECONNREFUSED',
      durationMs: 3,
    })

    expect(lines).toEqual([
      '12:00:00 GET https://api.openai.com/v1/models · 500 · 120 ms',
      '12:00:00 GET https://api.openai.com/v1/models · ' +
        'failed by the upstream (connect, ECONNREFUSED) · 3 ms',
    ])
  })

  test('that was refused is one line, whatever analysis makes of it after', () => {
    const refused = { kind: 'request-refused', status: 403, reason: 'rule' } as const
    const error = { type: 'rule', message: 'no' }
    const lines = linesOf(started('x1'), { ...refused, exchangeId: 'x1' }, completed('x1', 403), {
      kind: 'mcp-answered',
      exchangeId: 'x1',
      server: 'mcp.example.org',
      method: 'tools/call',
      name: 'search',
      requestId: '1',
      result: [],
      complete: false,
      durationMs: 1,
      error,
    })

    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('refused GET')
  })

  test('that was refused is one line, with the reason', () => {
    const lines = linesOf(
      started('x1'),
      {
        kind: 'request-refused',
        exchangeId: 'x1',
        status: 403,
        reason: 'budget',
        message: 'spent',
      },
      completed('x1', 403),
    )

    expect(lines).toEqual([
      '12:00:00 refused GET https://api.openai.com/v1/models with 403 · budget · spent',
    ])
  })
})

test('tunnels, refused connections, TLS failures and losses are one line each', () => {
  const lines = linesOf(
    { kind: 'tunnel-opened', host: 'github.com', port: 443, reason: 'not-allowlisted' },
    {
      kind: 'tunnel-closed',
      host: 'github.com',
      port: 443,
      bytesUp: 999,
      bytesDown: 12_345,
      durationMs: 65_000,
    },
    { kind: 'connection-refused', status: 407, reason: 'unauthenticated' },
    { kind: 'connection-refused', status: 403, reason: 'rule', code: 'host-not-in-scope' },
    { kind: 'tls-failed', host: 'api.x.ai', side: 'client', code: 'ECONNRESET', hint: 'trust us' },
    { kind: 'messages-dropped', where: 'queue', count: 1, bytes: 10 },
    { kind: 'analyzer-failed', analyzer: 'sse', error: 'boom' },
  )

  expect(lines).toEqual([
    '12:00:00 tunnel github.com:443 · 999 B up, 12.3 kB down · 1 min 5 s',
    '12:00:00 refused a connection with 407 · unauthenticated',
    '12:00:00 refused a connection with 403 · host-not-in-scope',
    '12:00:00 TLS failed with the client for api.x.ai · ECONNRESET · trust us',
    '12:00:00 1 message dropped at queue · 10 B',
    '12:00:00 analyzer sse failed · boom',
  ])
})

test('a tool that was called is one line, and other requests to its server are none', () => {
  const mcp = (method: string, over: object = {}) =>
    [
      { kind: 'mcp-called', exchangeId: 'x1', server: 'mcp.example.org', method },
      {
        kind: 'mcp-answered',
        exchangeId: 'x1',
        server: 'mcp.example.org',
        method,
        requestId: '1',
        result: [],
        durationMs: 12,
        complete: true,
        ...over,
      },
    ] as const
  const error = { type: 'tool-error', message: 'no such file' }

  expect(
    linesOf(
      started('x1'),
      ...mcp('tools/list'),
      ...mcp('tools/call', { name: 'search' }),
      ...mcp('tools/call', { name: 'read', error }),
      completed('x1', 500),
    ),
  ).toEqual([
    '12:00:00 mcp mcp.example.org tools/call search · 12 ms',
    '12:00:00 mcp mcp.example.org tools/call read · 12 ms · tool-error: no such file',
  ])
})

test('no message can make two lines of one', () => {
  assert(
    property(array(anyMessage), (drafts) => {
      for (const line of linesOf(...drafts)) {
        // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/u)
      }
    }),
  )
})

test('the time is local by default', () => {
  const [msg] = messages(answered('x1'))

  expect(msg && createLineReporter()(msg)).toMatch(/^\d\d:\d\d:\d\d openai/u)
})

test('a credential that came back is one line, without the query of its request', () => {
  const echo = { kind: 'credential-echoed', exchangeId: 'x1', secretId: 'openai' } as const

  const lines = linesOf(
    started('x1'),
    { ...echo, where: 'header', name: 'X-Echo', form: 'raw' },
    { kind: 'credential-echoed', where: 'body', form: 'coded' },
  )

  expect(lines).toEqual([
    '12:00:00 GET https://api.openai.com/v1/models · openai came back in the header X-Echo',
    '12:00:00 an answer · a credential came back in the body',
  ])
})
