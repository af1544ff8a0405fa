/** WebSocket upgrades through interception: heads untouched, bytes both ways, one end. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'

import { afterEach, describe, expect, test } from 'vitest'

import { canary } from '../support/canary.ts'
import { connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { readAnswer, requestText } from '../support/raw-http.ts'
import { createUpstreamRoot, startRawTlsUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []
const request = requestText('GET /v1/realtime?model=m', host, [
  'Connection: keep-alive, Upgrade',
  'upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  `Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.${canary}`,
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
])
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: realtime\r\n' +
  'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n'

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

interface Upstream {
  /** The socket of the first request. */
  readonly socket: TLSSocket
  /** Its head, as it came. */
  readonly head: string
}

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly client: TLSSocket
  readonly upstream: Promise<Upstream>
}

/** A client with its CONNECT and TLS done, and an upstream that waits for one request head. */
async function bench(over: ProxySetup = {}): Promise<Bench> {
  const upstream = Promise.withResolvers<Upstream>()
  const server = await startRawTlsUpstream(root, host, (socket) => {
    void readUntil(socket, (all) => all.includes('\r\n\r\n')).then((head) =>
      upstream.resolve({ socket, head: head.toString('latin1') }),
    )
  })
  opened.push(server)
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: server.port },
    root,
    ...over,
  })
  opened.push(proxy)
  return { proxy, client: await connectTls(proxy, `${host}:443`), upstream: upstream.promise }
}

/** The same with the protocol switched. */
async function switched(): Promise<{
  proxy: ProxyUnderTest
  client: TLSSocket
  upstream: TLSSocket
}> {
  const { proxy, client, upstream } = await bench()
  client.write(request)
  const { socket } = await upstream
  socket.write(switching)
  await readUntil(client, (all) => all.includes('\r\n\r\n'))
  return { proxy, client, upstream: socket }
}

function endsOf(proxy: ProxyUnderTest): string[] {
  return [...proxy.of('exchange-completed'), ...proxy.of('exchange-failed')].map(({ kind }) => kind)
}

describe('an upgrade', () => {
  test('passes heads both ways as they are, subprotocol and extensions included', async () => {
    const { proxy, client, upstream } = await bench()

    client.write(request)
    const { socket, head } = await upstream
    socket.write(switching)
    const answer = await readUntil(client, (all) => all.includes('\r\n\r\n'))

    expect(head).toBe(request)
    expect(answer.toString('latin1')).toBe(switching)
    expect(await proxy.waitFor('response-started')).toMatchObject({ status: 101 })
    expect(JSON.stringify(proxy.messages)).not.toContain(canary)
    client.destroy()
  })

  test('is not answered before the upstream has answered', async () => {
    const { client, upstream } = await bench()
    let early = 0
    client.on('data', (chunk: Buffer) => {
      early += chunk.length
    })

    client.write(request)
    const { socket } = await upstream
    // A round trip of its own on another connection would not prove more: the head has arrived.
    await new Promise((resolve) => setImmediate(resolve))
    expect(early).toBe(0)

    socket.write(switching)
    await once(client, 'data')
    expect(early).toBe(switching.length)
    client.destroy()
  })

  test('carries bytes that came before their time, on both sides', async () => {
    const { client, upstream } = await bench()

    client.write(`${request}early up`)
    const { socket } = await upstream
    const atUpstream = readUntil(socket, (all) => all.includes('up'))
    socket.write(`${switching}early down`)
    const atClient = await readUntil(client, (all) => all.includes('down'))

    expect(atClient.toString('latin1')).toBe(`${switching}early down`)
    expect((await atUpstream).toString()).toMatch(/early up$/u)
    client.destroy()
  })

  test('carries a megabyte each way unchanged', async () => {
    const { proxy, client, upstream } = await switched()
    const up = randomBytes(1024 * 1024)
    const down = randomBytes(1024 * 1024)

    const atUpstream = readUntil(upstream, (all) => all.length >= up.length)
    const atClient = readUntil(client, (all) => all.length >= down.length)
    client.write(up)
    upstream.write(down)

    expect((await atUpstream).equals(up)).toBe(true)
    expect((await atClient).equals(down)).toBe(true)
    client.end()
    upstream.end()
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({
      status: 101,
      requestBytes: up.length,
      responseBytes: down.length,
    })
  })
})

describe('the end of a switched connection', () => {
  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('comes to both when the %s closes, and is told once', async (first, second) => {
    const ends = await switched()
    const ended = once(ends[second], 'end')
    ends[second].resume()

    ends[first].end()
    await ended
    ends[second].end()
    await ends.proxy.waitFor('exchange-completed')
    await ends.proxy.waitFor('connection-closed')

    expect(endsOf(ends.proxy)).toEqual(['exchange-completed'])
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('comes to both when the %s breaks off, and is told once', async (first, second) => {
    const ends = await switched()
    const closed = once(ends[second], 'close')
    ends[second].resume()

    ends[first].destroy()
    ends[second].end()
    await closed
    await ends.proxy.waitFor('connection-closed')

    expect(endsOf(ends.proxy)).toHaveLength(1)
  })

  test('comes to both at shutdown', async () => {
    const { proxy, client, upstream } = await switched()
    const ended = Promise.all([once(client, 'end'), once(upstream, 'end')])
    client.resume()
    upstream.resume()

    await proxy.close()

    await ended
    expect(endsOf(proxy)).toHaveLength(1)
  })
})

describe('an upgrade that fails', () => {
  test.each([
    [401, 'Unauthorized', 'WWW-Authenticate: Bearer\r\n'],
    [426, 'Upgrade Required', 'Upgrade: websocket\r\n'],
    [200, 'OK', ''],
  ])('with %i %s from the upstream passes it on with its body', async (status, reason, field) => {
    const { proxy, client, upstream } = await bench()
    const body = `{"error":"${reason}"}`

    client.write(request)
    const { socket } = await upstream
    socket.write(
      `HTTP/1.1 ${status} ${reason}\r\n${field}Content-Length: ${body.length}\r\n\r\n${body}`,
    )
    const answer = await readAnswer(client)

    expect(answer).toMatchObject({ status, body })
    expect(answer.head).toContain(field.trim())
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({ status })
    expect(proxy.of('response-body')).toMatchObject([{ text: body }])
    expect(endsOf(proxy)).toHaveLength(1)
    client.destroy()
  })

  test('because the upstream breaks off is answered 502', async () => {
    const { proxy, client, upstream } = await bench()

    client.write(request)
    const { socket } = await upstream
    socket.destroy()
    const answer = await readAnswer(client)

    expect(answer.status).toBe(502)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream', status: 502 })
    expect(endsOf(proxy)).toHaveLength(1)
    client.destroy()
  })

  test('because an analyzer refuses is answered by the proxy and dials nothing', async () => {
    const { proxy, client } = await bench({
      configure: (builder) =>
        builder.addAnalyzer({
          name: 'strict',
          onRequest: () => ({ status: 403, reason: 'no-sockets', message: 'not here' }),
        }),
    })

    client.write(request)
    const answer = await readAnswer(client)

    expect(answer.status).toBe(403)
    expect(answer.head).toContain('X-Porthole-Error: no-sockets')
    expect(await proxy.waitFor('request-refused')).toMatchObject({ reason: 'no-sockets' })
    expect(endsOf(proxy)).toEqual(['exchange-completed'])
    client.destroy()
  })

  test.each(['end', 'destroy'] as const)(
    'because the client leaves (%s) is dropped upstream',
    async (how) => {
      const { proxy, client, upstream } = await bench()

      client.write(request)
      const { socket } = await upstream
      const closed = new Promise((resolve) => {
        socket.once('close', resolve)
      })
      socket.resume()
      client[how]()

      await closed
      expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'client' })
      expect(endsOf(proxy)).toHaveLength(1)
    },
  )
})

test('another protocol than WebSocket is not switched to, but forwarded as a plain request', async () => {
  const { client, upstream } = await bench()

  client.write(
    requestText('GET /', host, [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
    ]),
  )
  const { socket, head } = await upstream
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const answer = await readAnswer(client)

  expect(head).toBe(requestText('GET /', host))
  expect(answer).toMatchObject({ status: 200, body: 'ok' })
  client.destroy()
})
