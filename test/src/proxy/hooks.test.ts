import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'

import { describe, expect, test } from 'vitest'

import type { HeaderPairs } from '../../../src/messages/schema.ts'
import { applyHookChanges, runRequestHooks } from '../../../src/proxy/hooks.ts'
import type { RequestContext } from '../../../src/proxy/module-surface.ts'
import type { PendingRequest } from '../../../src/proxy/request-handler.ts'

type Options = NonNullable<RequestContext['proxyToServerRequestOptions']>
type Proxy = Parameters<typeof runRequestHooks>[0]
type Hook = Proxy['onRequestHandlers'][number]

const sent: HeaderPairs = [
  ['Host', 'a.example'],
  ['X-Keep', '1'],
  ['X-Dup', '1'],
  ['x-dup', '2'],
]

function pending(headers = sent): PendingRequest {
  return {
    isObserved: true,
    input: {
      connectionId: 'c1',
      exchangeId: 'x1',
      destination: { scheme: 'https', authority: { host: 'a.example', port: 443, kind: 'name' } },
      method: 'GET',
      path: '/before',
      httpVersion: '1.1',
      headers,
      body: new PassThrough(),
      requestTrailers: () => [],
      response: {} as ServerResponse,
      onClientClosed: new Set(),
      resetClient: () => {},
    },
  }
}

function options(headers: Record<string, string>, path = '/before'): Options {
  return { method: 'GET', path, host: 'a.example', port: 443, headers, agent: undefined as never }
}

function apply(before: Options, after: Options): PendingRequest['input'] {
  const ctx = { proxyToServerRequestOptions: after } as RequestContext
  return applyHookChanges(pending(), before, ctx).input
}

describe('what a hook changed', () => {
  test('is nothing: field lines stay as they were sent', () => {
    const same = options({ 'x-keep': '1', 'x-dup': '1, 2' })

    expect(apply(same, structuredClone(same)).headers).toEqual(sent)
  })

  test('is a field: its line changes in place, the others stay', () => {
    const before = options({ 'x-keep': '1' })
    const after = options({ 'x-keep': 'changed', 'x-new': 'n' })

    expect(apply(before, after).headers).toEqual([
      ['Host', 'a.example'],
      ['X-Keep', 'changed'],
      ['X-Dup', '1'],
      ['x-dup', '2'],
      ['x-new', 'n'],
    ])
  })

  test('is a removal: all its lines go', () => {
    const before = options({ 'x-keep': '1', 'x-dup': '1, 2' })
    const after = options({ 'x-keep': '1' })

    expect(apply(before, after).headers).toEqual([
      ['Host', 'a.example'],
      ['X-Keep', '1'],
    ])
  })

  test('is a list or a number: one line for each value', () => {
    const after = { 'x-dup': ['3', '4', '5'], 'x-count': 6 } as unknown as Record<string, string>

    expect(apply(options({ 'x-dup': '1, 2' }), options(after)).headers).toEqual([
      ['Host', 'a.example'],
      ['X-Keep', '1'],
      ['X-Dup', '3'],
      ['x-dup', '4'],
      ['x-dup', '5'],
      ['x-count', '6'],
    ])
  })

  test('is framing: that is not applied, for the body stays what it is', () => {
    const before = options({ 'content-length': '4' })
    const after = options({ 'content-length': '400', 'transfer-encoding': 'chunked' })

    expect(apply(before, after).headers).toEqual(sent)
  })

  test.each([{ 'x-split': 'a\r\nb: c' }, { 'no name': '1' }])(
    'is no header field: the request is refused, %o',
    (headers) => {
      expect(() =>
        apply(options({}), options(headers as unknown as Record<string, string>)),
      ).toThrow(TypeError)
    },
  )

  test('is the path', () => {
    expect(apply(options({}), options({}, '/after')).path).toBe('/after')
  })

  test('is Host, host or port: that is not applied', () => {
    const before = options({ host: 'a.example' })
    const after = { ...options({ host: 'evil.example' }), host: 'evil.example', port: 80 }

    const input = apply(before, after)

    expect(input.headers).toEqual(sent)
    expect(input.destination.authority).toEqual({ host: 'a.example', port: 443, kind: 'name' })
  })
})

describe('request hooks', () => {
  function proxyWith(...hooks: Hook[]): Proxy {
    return { onRequestHandlers: hooks, onRequestHeadersHandlers: [] } as unknown as Proxy
  }
  const context = (): RequestContext =>
    ({
      clientToProxyRequest: {} as IncomingMessage,
      onRequestHandlers: [],
      onRequestHeadersHandlers: [],
    }) as unknown as RequestContext

  test('run in order, each after the one before has called back', async () => {
    const order: string[] = []
    const ctx = context()
    const slow: Hook = (_ctx, done) => {
      setImmediate(() => {
        order.push('slow')
        done()
      })
    }
    const quick: Hook = (_ctx, done) => {
      order.push('quick')
      done()
    }
    ctx.onRequestHandlers.push(quick)

    await runRequestHooks(proxyWith(slow, quick), ctx, 10_000)

    expect(order).toEqual(['slow', 'quick', 'quick'])
  })

  test.each<[string, Hook]>([
    ['calls back with an error', (_ctx, done) => done(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('stop at one that %s', async (_how, bad) => {
    const after: string[] = []

    const run = runRequestHooks(
      proxyWith(bad, (_ctx, done) => {
        after.push('ran')
        done()
      }),
      context(),
      10_000,
    )

    await expect(run).rejects.toThrow('no')
    expect(after).toEqual([])
  })
})
