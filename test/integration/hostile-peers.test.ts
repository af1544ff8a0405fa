/**
 * What a client with a raw socket tries beyond the usual: bodies where none can be, protocols and
 * expectations that are not spoken, trailers that would be fields, and more than can be answered.
 */
import { once } from 'node:events'

import { afterEach, describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { canary } from '../support/canary.ts'
import { connectRaw, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { okAnswer, startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { Script, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { startRawUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function bench(
  script?: Script,
  over: ProxySetup = {},
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = await startScriptedUpstream(host, script)
  opened.push(upstream)
  const proxy = await startProxyTo(host, upstream, over)
  opened.push(proxy)
  return { proxy, upstream }
}

const upgrade = (...fields: string[]): string =>
  requestText('GET /live', host, [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
  ])

describe('an upgrade', () => {
  // Its body would stay behind, and the upstream would take it out of somebody's next request.
  test.each([
    ['a length', 'Content-Length: 5', 'hello'],
    ['chunks', 'Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
  ])(
    'F13 with a body of %s is answered 400, and nothing is dialled',
    async (_what, field, body) => {
      const { proxy, upstream } = await bench()
      const inside = await connectTls(proxy, `${host}:443`)
      const plain = await connectRaw(proxy)
      const text = upgrade(field) + body

      const answers = [
        await ask(inside, text),
        await ask(plain, text.replace('/live', `http://${host}/live`)),
      ]
      for (const socket of [inside, plain]) socket.destroy()

      expect(answers.map(({ status }) => status)).toEqual([400, 400])
      expect(upstream.connections()).toBe(0)
    },
  )

  test('F13 that says that it has none is an upgrade', async () => {
    const { proxy, upstream } = await bench((socket) => {
      socket.end('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n')
    })
    const client = await connectTls(proxy, `${host}:443`)

    const { status } = await ask(client, upgrade('Content-Length: 0'))
    client.destroy()

    expect(status).toBe(426)
    expect(upstream.received()).toMatch(/\r\nUpgrade: websocket\r\n/u)
  })
})

describe('a CONNECT', () => {
  test.each([
    ['a length', 'Content-Length: 5\r\n\r\nhello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('F14 with a body of %s is answered 400, and nothing is dialled', async (_what, rest) => {
    const { proxy, upstream } = await bench()
    const client = await connectRaw(proxy)

    const authority = `${host}:443`
    const all = readUntil(client, () => false)
    client.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${rest}`)

    expect((await all).toString('latin1')).toMatch(/^HTTP\/1\.1 400 [^]*a CONNECT has no body/u)
    expect(upstream.connections()).toBe(0)
    client.destroy()
  })
})

describe('an expectation', () => {
  test('F15 that is none of HTTP’s is the upstream’s to refuse', async () => {
    const refusal = 'HTTP/1.1 417 Expectation Failed\r\nContent-Length: 3\r\n\r\nup.'
    const { proxy, upstream } = await bench((socket) => void socket.write(refusal))
    const client = await connectTls(proxy, `${host}:443`)

    const { status, body } = await ask(client, requestText('POST /', host, ['Expect: tea'], 'hi'))
    client.destroy()

    expect([status, body]).toEqual([417, 'up.'])
    expect(upstream.received()).toContain('\r\nExpect: tea\r\n')
    await proxy.waitFor('exchange-completed')
  })

  test('F15 is no way around the token', async () => {
    const { proxy } = await bench(undefined, {
      configure: (builder) => builder.requireToken('agent', 'a'.repeat(32)),
    })
    const client = await connectRaw(proxy)

    const { status } = await ask(client, requestText(`GET http://${host}/`, host, ['Expect: tea']))
    client.destroy()

    expect(status).toBe(407)
  })

  test('F15 that was not met before the answer ends the connection, and says so', async () => {
    const { proxy } = await bench()
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, () => false)

    client.write(requestText('POST /', host, ['Expect: 100-continue'], 'hi'))

    expect((await all).toString('latin1')).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n/u,
    )
    client.destroy()
  })
})

describe('an old client', () => {
  test('F16 is sent no chunks and no interim answers, but an answer that the end ends', async () => {
    const { proxy } = await bench((socket) => {
      const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
      socket.write(
        `HTTP/1.1 103 Early Hints\r\n\r\n${chunked}2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n`,
      )
    })
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, () => false)

    client.write(`GET / HTTP/1.0\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`)
    const text = (await all).toString('latin1')

    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:[^]*\r\n)?\r\nhello$/u)
    expect(text).not.toMatch(/transfer-encoding/iu)
    client.destroy()
  })

  test('is not left waiting for the end of an answer whose length was told', async () => {
    const { proxy } = await bench((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    })
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, () => false)

    client.write(`GET / HTTP/1.0\r\nHost: ${host}\r\nConnection: keep-alive\r\n\r\n`)
    const text = (await all).toString('latin1')

    expect(text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    client.destroy()
  })

  test.each([
    ['without a version', `GET http://${host}/\r\n\r\n`],
    ['of HTTP/2.0 in text', `GET http://${host}/ HTTP/2.0\r\nHost: ${host}\r\n\r\n`],
    ['that begins HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0'],
  ])('F16 a request %s is answered 400', async (_what, bytes) => {
    const { proxy, upstream } = await bench()
    const client = await connectRaw(proxy)

    const { status } = await ask(client, bytes)
    client.destroy()

    expect(status).toBe(400)
    expect(upstream.connections()).toBe(0)
  })
})

describe('trailers', () => {
  const hidden = ['Proxy-Authorization', 'Host', 'Connection', 'Keep-Alive', 'TE', 'Upgrade']
  const lines = [...hidden.map((name) => `${name}: x-hidden`), 'X-Sum: 1'].join('\r\n')
  const body = `2\r\nhi\r\n0\r\n${lines}\r\n\r\n`

  test('A11 of a request carry nothing that is for this connection alone, nor a token', async () => {
    const { proxy, upstream } = await bench(undefined, {
      configure: (builder) =>
        builder.addAnalyzer(
          new CredentialInjector([
            { id: 'key', host, header: 'Authorization', format: 'Bearer {}', value: canary },
          ]),
        ),
    })
    const client = await connectTls(proxy, `${host}:443`)

    client.write(requestText('POST /', host, ['Transfer-Encoding: chunked']) + body)
    await upstream.waitFor((text) => text.endsWith('X-Sum: 1\r\n\r\n'))
    client.destroy()

    expect(upstream.received()).not.toContain('x-hidden')
  })

  test('A11 of an answer carry nothing that is for this connection alone', async () => {
    const { proxy } = await bench((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)
    })
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, (bytes) => bytes.includes('X-Sum: 1\r\n\r\n'))

    client.write(requestText('GET /', host))
    const text = (await all).toString('latin1')
    client.destroy()

    expect(text).toContain('X-Sum: 1')
    expect(text).not.toContain('x-hidden')
  })
})

describe('requests sent ahead', () => {
  test.each([[`${host}:80`], ['other.example']])(
    'R10 of one connection open no more than a hundred others, read (%s) or not',
    async (allowed) => {
      let connections = 0
      const upstream = await startRawUpstream(() => {
        connections += 1
      })
      opened.push(upstream)
      const proxy = await startProxy({
        allow: [allowed],
        connectTo: { [`${host}:80`]: upstream.port },
      })
      opened.push(proxy)
      const client = await connectRaw(proxy)

      client.resume()
      client.write(requestText(`GET http://${host}/`, host).repeat(1000))
      await once(client, 'end')

      await expect.poll(() => proxy.running.stats().exchanges, { timeout: 15_000 }).toBe(0)
      expect(connections).toBeLessThanOrEqual(100)
      const served = await connectRaw(proxy)
      expect((await ask(served, requestText('GET /', host))).status).toBe(400)
      served.destroy()
    },
  )

  test('R10 that are answered in time are answered all, in their order', async () => {
    const { proxy } = await bench((socket) => void socket.write(okAnswer))
    const client = await connectTls(proxy, `${host}:443`)
    const wanted = okAnswer.repeat(90)
    const all = readUntil(client, (bytes) => bytes.byteLength >= wanted.length)

    client.write(requestText('GET /', host).repeat(90))

    expect((await all).toString('latin1')).toBe(wanted)
    client.destroy()
  })
})
