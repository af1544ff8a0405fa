/** Hooks of modules that never call back: the client hears 502, or the stream is cut, and it is told. */
import { describe, expect, test } from 'vitest'

import type { RequestContext } from '../../src/proxy/module-surface.ts'
import { bench, closeAndStayQuiet, ending, exchange, host } from '../support/module-bench.ts'
import { connectRaw, connectTls, readUntil } from '../support/proxy.ts'
import { readAnswer, requestText } from '../support/raw-http.ts'

closeAndStayQuiet()

const limits = { hookDeadlineMs: 150 }
const silent = (): void => undefined

describe('a hook that never calls back', () => {
  test.each(['onRequest', 'onRequestHeaders'])(
    'before the request goes out is 502, and nothing is asked: %s',
    async (hook) => {
      const kinds: string[] = []
      const module = {
        [hook]: silent,
        onError: (_ctx: unknown, _error: Error, kind: string) => kinds.push(kind),
      }
      const { proxy, upstream } = await bench(module, undefined, limits)

      const answer = await exchange(proxy, 'GET /')

      expect(answer.status).toBe(502)
      expect(answer.head).toContain('X-Porthole-Error: module-timeout')
      expect(upstream.connections()).toBe(0)
      expect(kinds).toEqual(['ON_REQUEST_ERROR'])
      const told = await proxy.waitFor('analyzer-failed')
      expect(told).toMatchObject({ analyzer: 'module' })
      expect(told.error).toContain(`the ${hook} hook of a module did not call back within 150ms`)
      expect(told.error).toContain('--limit hook-timeout=TIME')
      expect(proxy.of('connection-refused')).toMatchObject([{ status: 502, reason: 'rule' }])
    },
  )

  test.each(['onRequestData', 'onRequestEnd', 'onResponse', 'onResponseHeaders'])(
    'before the answer is 502, and ends the exchange once: %s',
    async (hook) => {
      const { proxy } = await bench({ [hook]: silent }, undefined, limits)

      const answer = await exchange(proxy, 'POST /', 'question')

      expect(answer.status).toBe(502)
      expect(await ending(proxy)).toMatchObject({
        by: 'proxy',
        code: 'module-timeout',
        status: 502,
      })
      expect((await proxy.waitFor('analyzer-failed')).error).toContain(`the ${hook} hook`)
    },
  )

  test.each(['onResponseData', 'onResponseEnd'])(
    'within the answer cuts that: %s',
    async (hook) => {
      const { proxy } = await bench({ [hook]: silent }, undefined, limits)
      const client = await connectTls(proxy, `${host}:443`)

      client.write(requestText('GET /', host))
      const got = await readUntil(client, () => false)

      expect(got.toString()).not.toContain('0\r\n\r\n')
      expect(await ending(proxy)).toMatchObject({ by: 'proxy', code: 'module-timeout' })
      client.destroy()
    },
  )

  test('on a CONNECT is 502, and closes', async () => {
    const { proxy, upstream } = await bench({ onConnect: silent }, undefined, limits)
    const client = await connectRaw(proxy)

    client.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`)
    const answer = await readAnswer(client)

    expect(answer.status).toBe(502)
    expect(answer.head).toContain('module-timeout')
    expect(upstream.connections()).toBe(0)
    expect((await proxy.waitFor('analyzer-failed')).error).toContain('the onConnect hook')
    client.destroy()
  })
})

test('a hook that has begun an answer of its own may take its time and never call back', async () => {
  const { proxy } = await bench(
    {
      onRequest: (ctx: RequestContext) => {
        const response = ctx.proxyToClientResponse
        response.writeHead(200, { 'Content-Length': '6' })
        response.write('abc')
        setTimeout(() => response.end('def'), 400)
      },
    },
    undefined,
    limits,
  )

  const answer = await exchange(proxy, 'GET /')

  expect([answer.status, answer.body.toString()]).toEqual([200, 'abcdef'])
  expect(proxy.of('analyzer-failed')).toEqual([])
})
