/** The bounds of the traffic plane, each met with the answer that it promises. */
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { afterEach, describe, expect, test } from 'vitest'

import type { PortholeBuilder } from '../../src/builder.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawTlsUpstream,
  startRawUpstream,
} from '../support/upstream.ts'
import type { TestUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []
type Limits = Parameters<PortholeBuilder['limit']>[0]

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function bench(
  limits: Limits = {},
): Promise<{ proxy: ProxyUnderTest; upstream: TestUpstream }> {
  const upstream = await startHttpsUpstream(root, host, (_request, response) => {
    response.setHeader('Content-Length', 2)
    response.end('ok')
  })
  opened.push(upstream)
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: upstream.port },
    root,
    configure: (builder) => builder.limit(limits),
  })
  opened.push(proxy)
  return { proxy, upstream }
}

describe('a header block', () => {
  const field = (kibibytes: number): string => `X: ${'a'.repeat(kibibytes * 1024)}`

  test('of 60 KiB is forwarded, one of 66 KiB is answered 431', async () => {
    const seen: number[] = []
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      void readUntil(socket, (all) => all.includes('\r\n\r\n')).then((head) => {
        seen.push(head.length)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      })
    })
    opened.push(upstream)
    const proxy = await startProxy({
      allow: [host],
      connectTo: { [`${host}:443`]: upstream.port },
      root,
    })
    opened.push(proxy)
    const [first, second] = [
      await connectTls(proxy, `${host}:443`),
      await connectTls(proxy, `${host}:443`),
    ]

    const small = await ask(first, requestText('GET /', host, [field(60)]))
    const large = await ask(second, requestText('GET /', host, [field(66)]))

    expect([small.status, large.status]).toEqual([200, 431])
    expect(seen).toEqual([requestText('GET /', host, [field(60)]).length])
  })

  test('of 66 KiB is answered 431 on a connection to the proxy itself', async () => {
    const { proxy } = await bench()

    const answer = await ask(
      await connectRaw(proxy),
      requestText('CONNECT x:443', 'x', [field(66)]),
    )

    expect(answer.status).toBe(431)
  })

  test('of an upstream beyond the bound is answered 502', async () => {
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${field(66)}\r\n\r\n`))
    })
    opened.push(upstream)
    const proxy = await startProxy({
      allow: [host],
      connectTo: { [`${host}:443`]: upstream.port },
      root,
    })
    opened.push(proxy)

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer.status).toBe(502)
    expect(answer.head).toContain('upstream-protocol-error')
  })
})

describe('a request head that comes too slowly', () => {
  test.each([
    ['intercepted', (proxy: ProxyUnderTest) => connectTls(proxy, `${host}:443`)],
    ['plain', connectRaw],
  ])('is answered 408 and the connection closed: %s', async (_how, connect) => {
    const { proxy } = await bench({ headersTimeoutMs: 200 })
    const socket = await connect(proxy)

    const answer = await ask(socket, 'GET / HTTP/1.1\r\nHost: ')
    await readUntil(socket, () => false)

    expect(answer.status).toBe(408)
  })
})

describe('a TLS handshake', () => {
  test('that never comes is closed and told', async () => {
    const { proxy } = await bench({ handshakeTimeoutMs: 150 })
    const { socket } = await connectThrough(proxy, `${host}:443`)

    await readUntil(socket, () => false)

    expect(await proxy.waitFor('tls-failed')).toMatchObject({
      host,
      side: 'client',
      code: 'handshake-timeout',
    })
    socket.end()
    await proxy.waitFor('connection-closed')
  })

  test('that stops half way is closed and told', async () => {
    const { proxy } = await bench({ handshakeTimeoutMs: 150 })
    const { socket } = await connectThrough(proxy, `${host}:443`)

    socket.write(Buffer.from('160301020001', 'hex'))
    await readUntil(socket, () => false)

    expect(await proxy.waitFor('tls-failed')).toMatchObject({ code: 'handshake-timeout' })
    socket.end()
  })

  test('that is plain text instead is closed and explained', async () => {
    const { proxy, upstream } = await bench()
    const { socket } = await connectThrough(proxy, `${host}:443`)

    socket.write(requestText('GET /', host))
    await readUntil(socket, () => false)

    expect((await proxy.waitFor('tls-failed')).hint).toContain('did not speak TLS')
    expect(upstream.connections()).toBe(0)
    socket.end()
  })
})

describe('connections beyond the limit', () => {
  test('are answered 503, told, and never served; those within it go on', async () => {
    const { proxy, upstream } = await bench({ maxConnections: 2 })
    const first = await connectTls(proxy, `${host}:443`)
    const second = await connectRaw(proxy)

    const third = net.connect(proxy.running.port, '127.0.0.1')
    third.on('error', () => {})
    third.write(requestText(`POST http://${host}/`, host, [], 'body'))
    const refused = await readAnswer(third)
    const served = await ask(first, requestText('GET /', host))

    expect(refused.status).toBe(503)
    expect(refused.head).toContain('Retry-After: 1')
    expect(served.status).toBe(200)
    expect(await proxy.waitFor('connection-refused')).toMatchObject({
      status: 503,
      reason: 'limit',
    })
    expect(upstream.requests).toHaveLength(1)
    expect(proxy.of('tunnel-opened')).toEqual([])
    second.destroy()
  })

  test('are taken again once others have gone', async () => {
    const { proxy } = await bench({ maxConnections: 1 })
    const first = await connectRaw(proxy)
    first.destroy()
    await proxy.waitFor('connection-closed')

    const secured = await connectTls(proxy, `${host}:443`)

    expect((await ask(secured, requestText('GET /', host))).status).toBe(200)
  })
})

describe('memory', () => {
  const mebibyte = 1024 * 1024
  const chunk = Buffer.alloc(mebibyte, 'x')
  /** Kernel buffers of two connections, and a chunk or two on each side in this process. */
  const allowedInFlight = 64 * mebibyte
  /** What both ends and the proxy hold of it in buffers. */
  const allowedGrowth = 64 * mebibyte

  interface Flow {
    sent: number
    read: number
    /** The most that was sent and not yet read. */
    inFlight: number
    /** The most that was held in buffers while nothing was read. */
    held: number
  }

  async function sendAll(socket: Writable, size: number, flow: Flow): Promise<void> {
    while (flow.sent < size) {
      flow.sent += chunk.length
      flow.inFlight = Math.max(flow.inFlight, flow.sent - flow.read)
      if (!socket.write(chunk)) await once(socket, 'drain')
    }
  }

  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void

  function bytesInBuffers(): number {
    collectGarbage()
    return process.memoryUsage().arrayBuffers
  }

  /** Reads `wanted` bytes, but stops for a while whenever another part has come. */
  function readSlowly(socket: Socket, wanted: number, flow: Flow): Promise<void> {
    return new Promise((resolve) => {
      let part = 0
      socket.on('data', (bytes: Buffer) => {
        flow.read += bytes.length
        part += bytes.length
        if (flow.read >= wanted) resolve()
        if (part < 8 * mebibyte) return
        part = 0
        socket.pause()
        setTimeout(() => {
          flow.held = Math.max(flow.held, bytesInBuffers())
          socket.resume()
        }, 50)
      })
    })
  }

  test('stays bounded when 200 MB come for a client that reads slowly', async () => {
    const size = 200 * mebibyte
    const flow: Flow = { sent: 0, read: 0, inFlight: 0, held: 0 }
    const upstream = await startHttpUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': size })
      void sendAll(response, size, flow).then(() => response.end())
    })
    opened.push(upstream)
    const proxy = await startProxy({ connectTo: { 'slow.example:80': upstream.port } })
    opened.push(proxy)
    const socket = await connectRaw(proxy)
    const before = bytesInBuffers()

    socket.write(requestText('GET http://slow.example/', 'slow.example'))
    await readSlowly(socket, size, flow)

    expect(flow.inFlight).toBeLessThan(allowedInFlight)
    expect(flow.held - before).toBeLessThan(allowedGrowth)
    socket.destroy()
  })

  test('stays bounded when 200 MB go to an upstream that reads slowly', async () => {
    const size = 200 * mebibyte
    const flow: Flow = { sent: 0, read: 0, inFlight: 0, held: 0 }
    const received = Promise.withResolvers<void>()
    const upstream = await startRawUpstream((socket) => {
      void readSlowly(socket, size, flow).then(() => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        received.resolve()
      })
    })
    opened.push(upstream)
    const proxy = await startProxy({ connectTo: { 'slow.example:80': upstream.port } })
    opened.push(proxy)
    const socket = await connectRaw(proxy)
    const before = bytesInBuffers()

    socket.write(
      requestText('POST http://slow.example/', 'slow.example', [`Content-Length: ${size}`]),
    )
    await sendAll(socket, size, flow)
    await received.promise

    expect((await readAnswer(socket)).status).toBe(200)
    expect(flow.inFlight).toBeLessThan(allowedInFlight)
    expect(flow.held - before).toBeLessThan(allowedGrowth)
    socket.destroy()
  })
})

describe('shutdown', () => {
  /** An upstream whose answer begins at once and ends when the test says so. */
  async function streaming(): Promise<{
    proxy: ProxyUnderTest
    client: Socket
    finish: () => void
  }> {
    let finish = (): void => {}
    const upstream = await startHttpsUpstream(root, host, (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: first\n\n')
      finish = () => response.end('data: last\n\n')
    })
    opened.push(upstream)
    const proxy = await startProxy({
      allow: [host],
      connectTo: { [`${host}:443`]: upstream.port },
      root,
    })
    opened.push(proxy)
    const client = await connectTls(proxy, `${host}:443`)
    client.write(requestText('GET /', host))
    await readUntil(client, (all) => all.includes('first'))
    return { proxy, client, finish: () => finish() }
  }

  test('lets a stream that runs come to its end, and takes no new connection', async () => {
    const { proxy, client, finish } = await streaming()

    const closing = proxy.running.close({ drainMs: 10_000 })
    const late = net.connect(proxy.running.port, '127.0.0.1')
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
    finish()
    const rest = await readUntil(client, (all) => all.includes('0\r\n\r\n'))
    await closing

    expect(error.code).toBe('ECONNREFUSED')
    expect(rest.toString()).toContain('data: last')
    expect(proxy.of('exchange-completed')).toHaveLength(1)
    expect(proxy.of('exchange-failed')).toEqual([])
  })

  test('cuts a stream that goes on after its time, and still tells its end', async () => {
    const { proxy, client } = await streaming()

    await proxy.running.close({ drainMs: 100 })
    const rest = await readUntil(client, () => false)

    expect(rest.toString()).not.toContain('0\r\n\r\n')
    expect(proxy.of('exchange-failed')).toHaveLength(1)
    expect(proxy.of('exchange-completed')).toEqual([])
    expect(proxy.of('connection-closed')).toHaveLength(1)
  })

  test('may be asked for twice', async () => {
    const { proxy } = await bench()

    await Promise.all([proxy.running.close(), proxy.running.close()])

    expect(proxy.running.stats()).toMatchObject({ connections: 0, exchanges: 0 })
  })
})
