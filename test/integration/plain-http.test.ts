/** Plain HTTP through the proxy: absolute-form requests, shown only for allowed hosts. */
import { afterEach, describe, expect, test } from 'vitest'

import { connectRaw, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startHttpUpstream } from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const seenHost = 'seen.example'
const blindHost = 'blind.example'
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function bench(
  over: ProxySetup = {},
): Promise<{ proxy: ProxyUnderTest; upstream: TestUpstream }> {
  const upstream = await startHttpUpstream((_request, response) => {
    response.writeHead(200, { 'X-From': 'upstream', 'Content-Length': 5 })
    response.end('hello')
  })
  opened.push(upstream)
  const connectTo = Object.fromEntries(
    [`${seenHost}:80`, `${blindHost}:80`, `${seenHost}:8080`].map((from) => [from, upstream.port]),
  )
  const proxy = await startProxy({ allow: [seenHost], connectTo, ...over })
  opened.push(proxy)
  return { proxy, upstream }
}

describe('a request for an allowed host', () => {
  test('is forwarded in origin form and shown', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    const answer = await ask(
      socket,
      requestText(`POST http://${seenHost}/v1?x=1`, seenHost, ['X-One: 1'], 'body'),
    )
    const end = await proxy.waitFor('exchange-completed')

    expect(answer).toMatchObject({ status: 200, body: 'hello' })
    expect(upstream.requests[0]?.message.url).toBe('/v1?x=1')
    expect(upstream.requests[0]?.message.rawHeaders).toEqual([
      'Host',
      seenHost,
      'X-One',
      '1',
      'Content-Length',
      '4',
    ])
    expect(await proxy.waitFor('request-started')).toMatchObject({
      url: `http://${seenHost}/v1?x=1`,
      host: seenHost,
      exchangeId: end.exchangeId,
    })
    expect(proxy.of('response-body')).toMatchObject([{ text: 'hello' }])
    expect(proxy.of('tunnel-opened')).toEqual([])
  })

  test.each([['other.example'], [''], [`${blindHost}:80`]])(
    'goes with the Host of its target, not with %j',
    async (sent) => {
      const { proxy, upstream } = await bench()
      const socket = await connectRaw(proxy)

      await ask(socket, requestText(`GET http://${seenHost}/`, sent))

      expect(upstream.requests[0]?.message.headers.host).toBe(seenHost)
    },
  )

  test('carries no field that was meant for the proxy', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    await ask(
      socket,
      requestText(`GET http://${seenHost}/`, seenHost, [
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic c2VjcmV0',
        'Connection: X-Hop',
        'X-Hop: 1',
        'Keep-Alive: 5',
        'Upgrade: h2c',
      ]),
    )

    expect(upstream.requests[0]?.message.rawHeaders).toEqual(['Host', seenHost])
    expect(JSON.stringify(proxy.messages)).not.toContain('c2VjcmV0')
  })

  test('may be followed by another on the same connection, to another host', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    await ask(socket, requestText(`GET http://${seenHost}/1`, seenHost))
    await ask(socket, requestText(`GET http://${blindHost}/2`, blindHost))

    expect(upstream.requests.map(({ message }) => [message.headers.host, message.url])).toEqual([
      [seenHost, '/1'],
      [blindHost, '/2'],
    ])
    expect(proxy.of('connection-opened')).toHaveLength(1)
  })
})

describe('a request for another host', () => {
  test('is forwarded unread: shown as bytes that passed', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    const answer = await ask(
      socket,
      requestText(`POST http://${blindHost}/private`, blindHost, ['Cookie: a=CANARY'], 'CANARY'),
    )
    const closed = await proxy.waitFor('tunnel-closed')

    expect(answer).toMatchObject({ status: 200, body: 'hello' })
    expect(upstream.requests[0]?.body.toString()).toBe('CANARY')
    expect(closed).toMatchObject({ host: blindHost, port: 80, bytesUp: 6, bytesDown: 5 })
    expect(proxy.of('tunnel-opened')).toMatchObject([
      { host: blindHost, reason: 'not-allowlisted' },
    ])
    expect(JSON.stringify(proxy.messages)).not.toMatch(/CANARY|private|request-started/u)
  })

  test('on a port that the pattern does not name is unread as well', async () => {
    const { proxy } = await bench()
    const socket = await connectRaw(proxy)

    await ask(socket, requestText(`GET http://${seenHost}:8080/`, `${seenHost}:8080`))

    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ host: seenHost, port: 8080 })
    expect(proxy.of('request-started')).toEqual([])
  })

  test('is not shown to analyzers, which therefore cannot change it', async () => {
    const asked: string[] = []
    const { proxy } = await bench({
      configure: (builder) =>
        builder.addAnalyzer({ name: 'curious', onRequest: ({ host }) => void asked.push(host) }),
    })
    const socket = await connectRaw(proxy)

    await ask(socket, requestText(`GET http://${blindHost}/`, blindHost))
    await ask(socket, requestText(`GET http://${seenHost}/`, seenHost))

    expect(asked).toEqual([seenHost])
  })

  test('that cannot be reached is answered 502, and its end tells why', async () => {
    const { proxy, upstream } = await bench()
    await upstream.close()
    const socket = await connectRaw(proxy)

    const answer = await ask(socket, requestText(`GET http://${blindHost}/`, blindHost))

    expect(answer.status).toBe(502)
    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({
      bytesUp: 0,
      bytesDown: 0,
      code: 'upstream-unreachable',
    })
  })
})

describe('a request that is no proxy request', () => {
  test('in origin form is answered 400, with what to do', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    const answer = await ask(socket, requestText('GET /', seenHost))

    expect(answer.status).toBe(400)
    expect(answer.body).toContain('HTTP_PROXY')
    expect(upstream.connections()).toBe(0)
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ reason: 'bad-authority' })
  })

  test('for https in absolute form is answered 400: that needs CONNECT', async () => {
    const { proxy } = await bench()
    const socket = await connectRaw(proxy)

    const answer = await ask(socket, requestText(`GET https://${seenHost}/`, seenHost))

    expect(answer.status).toBe(400)
    expect(answer.head).toContain('X-Porthole-Error: https-needs-connect')
  })

  test('may be followed by a good one on the same connection', async () => {
    const { proxy } = await bench()
    const socket = await connectRaw(proxy)

    await ask(socket, requestText('GET /', seenHost))
    const answer = await ask(socket, requestText(`GET http://${seenHost}/`, seenHost))

    expect(answer.status).toBe(200)
  })

  test.each([
    ['a name that is no host', 'GET http://a%2eb/'],
    ['credentials in the URL', 'GET http://user:CANARY@seen.example/'],
    ['an impossible port', 'GET http://seen.example:99999/'],
    ['TRACE', 'TRACE http://seen.example/'],
  ])('because of %s is refused and leaves the proxy well', async (_what, line) => {
    const { proxy, upstream } = await bench()
    const socket = await connectRaw(proxy)

    const refused = await ask(socket, requestText(line, seenHost))
    const after = await ask(
      await connectRaw(proxy),
      requestText(`GET http://${seenHost}/`, seenHost),
    )

    expect([400, 405]).toContain(refused.status)
    expect(after.status).toBe(200)
    expect(upstream.requests).toHaveLength(1)
    expect(JSON.stringify(proxy.messages)).not.toContain('CANARY')
  })
})

describe('a proxy that wants a token', () => {
  const basic = `Proxy-Authorization: Basic ${Buffer.from('porthole:t0ken').toString('base64')}`

  test('asks for it at every request and keeps the connection open', async () => {
    const { proxy, upstream } = await bench({
      configure: (builder) => builder.requireToken('porthole', 't0ken'),
    })
    const socket = await connectRaw(proxy)
    const request = (fields: readonly string[]): string =>
      requestText(`GET http://${seenHost}/`, seenHost, fields)

    const statuses: number[] = []
    for (const fields of [[], [basic], [], ['Proxy-Authorization: Basic bm8='], [basic]]) {
      statuses.push((await ask(socket, request(fields))).status)
    }

    expect(statuses).toEqual([407, 200, 407, 407, 200])
    expect(upstream.requests).toHaveLength(2)
    expect(proxy.of('connection-opened')).toHaveLength(1)
    expect(await proxy.waitFor('request-started')).toMatchObject({ agent: 'porthole' })
    expect(JSON.stringify(proxy.messages)).not.toContain('t0ken')
  })
})
