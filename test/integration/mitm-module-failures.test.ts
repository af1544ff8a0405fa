/** Modules that fail, or answer by themselves: the client hears one answer, the report has one end. */
import { PassThrough } from 'node:stream'

import { Proxy as MitmProxy } from 'http-mitm-proxy'
import { describe, expect, test } from 'vitest'

import type { RequestContext } from '../../src/proxy/module-surface.ts'
import {
  bench,
  closeAndStayQuiet,
  ending,
  exchange,
  host,
  opened,
  root,
  through,
} from '../support/module-bench.ts'
import type { Done } from '../support/module-bench.ts'
import { connectTls } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startRawTlsUpstream } from '../support/upstream.ts'

closeAndStayQuiet()

describe('a hook that fails', () => {
  const fails = (...rest: unknown[]): void => (rest.at(-1) as Done)(new Error('broken module'))
  const throws = (): void => {
    throw new Error('broken module')
  }

  test.each([
    ['onRequestData', 'ON_REQUEST_DATA_ERROR', fails],
    ['onRequestData', 'ON_REQUEST_DATA_ERROR', throws],
    ['onRequestEnd', 'ON_REQUEST_END_ERROR', () => Promise.reject(new Error('broken module'))],
    ['onResponse', 'ON_RESPONSE_ERROR', fails],
    ['onResponse', 'ON_RESPONSE_ERROR', throws],
    ['onResponseHeaders', 'ON_RESPONSEHEADERS_ERROR', fails],
  ])('before the response is 502 to the client: %s, %s', async (name, kind, hook) => {
    const told: unknown[] = []
    const { proxy } = await bench({
      [name]: hook,
      onError: (ctx: unknown, error: Error, what: string) =>
        told.push([ctx !== null, what, error.message]),
    })

    const answer = await exchange(proxy, 'POST /', 'question')

    expect(answer.status).toBe(502)
    expect(answer.head).toContain('X-Porthole-Error: module-failed')
    expect(told).toEqual([[true, kind, 'broken module']])
    expect(await ending(proxy)).toMatchObject({ by: 'proxy', code: 'module-failed', status: 502 })
  })

  test('at the end of a request without a body is 502, too', async () => {
    const { proxy } = await bench({ onRequestEnd: fails })

    expect((await exchange(proxy, 'GET /')).status).toBe(502)
    expect(await ending(proxy)).toMatchObject({ by: 'proxy', code: 'module-failed' })
  })

  test.each(['onResponseData', 'onResponseEnd'])(
    'after the head breaks the connection off: %s',
    async (name) => {
      const told: string[] = []
      const { proxy } = await bench({
        [name]: fails,
        onError: (_ctx: unknown, _error: Error, kind: string) => told.push(kind),
      })

      const answer = await exchange(proxy, 'GET /')

      expect(answer.head === '' || !answer.isWhole).toBe(true)
      expect(told).toHaveLength(1)
      expect(await ending(proxy)).toMatchObject({ by: 'proxy', phase: 'response' })
      expect(proxy.of('exchange-failed')[0]).not.toHaveProperty('status')
    },
  )

  test.each([
    ['is no gzip', (): object => MitmProxy.gunzip, 'RESPONSE_FILTER_ERROR'],
    [
      'stops early',
      (): object => ({
        onResponse(ctx: RequestContext, callback: Done) {
          const filter = new PassThrough()
          filter.once('pipe', () => filter.destroy())
          ctx.addResponseFilter(filter)
          callback()
        },
      }),
      'RESPONSE_FILTER_ERROR',
    ],
  ])('as a filter that %s breaks the connection off', async (_what, module, kind) => {
    const told: string[] = []
    const { proxy } = await bench(
      { ...module(), onError: (_c: unknown, _e: Error, what: string) => told.push(what) },
      (_request, response) => {
        response.setHeader('Content-Encoding', 'gzip')
        response.end('this is not gzip')
      },
    )

    const answer = await exchange(proxy, 'GET /')

    expect(answer.head === '' || !answer.isWhole).toBe(true)
    expect(told).toEqual([kind])
    expect(await ending(proxy)).toMatchObject({ code: 'module-failed' })
  })

  test('by adding as a filter what is no stream does no harm to other exchanges', async () => {
    const { proxy } = await bench({
      onRequest(ctx: RequestContext, callback: Done) {
        if (ctx.clientToProxyRequest.url === '/bad') ctx.addRequestFilter({})
        if (ctx.clientToProxyRequest.url === '/head')
          Object.assign(ctx.proxyToServerRequestOptions?.headers ?? {}, { x: 'a\r\nb: c' })
        callback()
      },
    })

    expect((await exchange(proxy, 'POST /bad', 'question')).status).toBe(502)
    expect((await exchange(proxy, 'GET /head')).status).toBe(403)
    expect((await exchange(proxy, 'POST /good', 'question')).body.toString()).toBe('answer')
  })

  test('is not blamed for an upstream that breaks off: the client sees that, cut', async () => {
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this')
        setImmediate(() => socket.destroy())
      })
    })
    opened.push(upstream)
    const told: string[] = []
    const proxy = await through(
      {
        onResponseData: (_ctx: unknown, chunk: Buffer, callback: Done) => callback(null, chunk),
        onError: (_c: unknown, _e: Error, kind: string) => told.push(kind),
      },
      upstream.port,
    )

    const answer = await exchange(proxy, 'GET /')

    expect(answer.head === '' || !answer.isWhole).toBe(true)
    expect(told).toEqual([])
    expect(await ending(proxy)).toMatchObject({ by: 'upstream', phase: 'response' })
  })
})

describe('a module that answers the client itself', () => {
  const answers = (ctx: RequestContext): void => {
    ctx.proxyToClientResponse.writeHead(418, { 'Content-Length': '7', 'X-By': 'module' })
    ctx.proxyToClientResponse.end('blocked')
  }

  test.each([
    ['onRequest', (ctx: RequestContext) => answers(ctx)],
    [
      'onRequest',
      (ctx: RequestContext, callback: Done) => {
        answers(ctx)
        callback()
      },
    ],
    [
      'onRequest',
      (ctx: RequestContext, callback: Done) => {
        answers(ctx)
        callback(new Error('so no further'))
      },
    ],
    ['onRequest', (ctx: RequestContext) => void setImmediate(answers, ctx)],
    ['onRequestData', (ctx: RequestContext) => answers(ctx)],
    ['onResponse', (ctx: RequestContext) => answers(ctx)],
    [
      'onResponseHeaders',
      (ctx: RequestContext, callback: Done) => {
        answers(ctx)
        callback()
      },
    ],
  ])('in %s, whatever it calls back, ends the exchange once', async (name, hook) => {
    const { proxy, upstream } = await bench({ [name]: hook })
    const socket = await connectTls(proxy, `${host}:443`)

    const answer = await ask(socket, requestText('POST /', host, [], 'question'))

    expect(answer).toMatchObject({ status: 418, body: 'blocked' })
    if (name === 'onRequest') expect(upstream.requests).toHaveLength(0)
    expect(await ending(proxy)).toMatchObject({ kind: 'exchange-completed', status: 418 })
    expect(proxy.of('request-started')).toHaveLength(1)
    socket.destroy()
  })

  test.each([
    [
      'onResponseData',
      (ctx: RequestContext, chunk: Buffer, callback: Done) => {
        ctx.proxyToClientResponse.end(`${chunk.toString()}, cut`)
        callback(null, chunk)
      },
      'answer, cut',
    ],
    [
      'onResponseEnd',
      (ctx: RequestContext, callback: Done) => {
        ctx.proxyToClientResponse.end(', and more')
        callback()
      },
      'answer, and more',
    ],
  ])('in %s ends the exchange once', async (name, hook, text) => {
    const { proxy } = await bench({ [name]: hook })

    const answer = await exchange(proxy, 'GET /')

    expect(answer).toMatchObject({ isWhole: true, body: Buffer.from(text) })
    expect(await ending(proxy)).toMatchObject({ kind: 'exchange-completed', status: 200 })
  })

  test('and whose client leaves while its hook waits is told as left', async () => {
    const waiting = Promise.withResolvers<void>()
    const { proxy } = await bench({ onResponse: () => waiting.resolve() })
    const socket = await connectTls(proxy, `${host}:443`)
    socket.write(requestText('GET /', host))
    await waiting.promise
    socket.destroy()

    expect(await ending(proxy)).toMatchObject({ kind: 'exchange-failed', by: 'client' })
  })
})

test('an upload that its client breaks off is told as that, through modules too', async () => {
  const begun = Promise.withResolvers<void>()
  const told: string[] = []
  const { proxy } = await bench({
    onRequestData(_ctx: unknown, chunk: Buffer, callback: Done) {
      begun.resolve()
      callback(null, chunk)
    },
    onError: (_ctx: unknown, _error: Error, kind: string) => told.push(kind),
  })
  const socket = await connectTls(proxy, `${host}:443`)
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100\r\n\r\nonly this`)
  await begun.promise
  socket.destroy()

  expect(await ending(proxy)).toMatchObject({ by: 'client', phase: 'request' })
  expect(told.filter((kind) => kind !== 'CLIENT_TO_PROXY_REQUEST_ERROR')).toEqual([])
})
