/** Ways in which what a proxy sends could come back to it: each is noticed, or ends by itself. */
import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import { afterEach, describe, expect, test, vi } from 'vitest'

import { AppError } from '../../src/base/errors.ts'
import { PortholeBuilder } from '../../src/builder.ts'
import { connectRaw, connectThrough, connectTls, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'

const host = 'api.openai.com'
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const item of opened.splice(0).toReversed()) await item.close()
})

function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A proxy that is told its own port beforehand. Another may be faster to take it. */
async function startAt(setup: (port: number) => ProxySetup): Promise<ProxyUnderTest> {
  for (;;) {
    const port = await freePort()
    const given = setup(port)
    const configure = (builder: PortholeBuilder): void => {
      builder.listen(`127.0.0.1:${port}`)
      given.configure?.(builder)
    }
    try {
      return open(await startProxy({ ...given, configure }))
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'ERR_LISTEN_IN_USE') throw error
    }
  }
}

/** A proxy that sends every CONNECT on to `target`, with its fields or without. */
async function startRelay(target: () => number, keepsFields: boolean): Promise<{ port: number }> {
  const sockets = new Set<Socket>()
  const server = net.createServer((socket) => {
    const onward = net.connect(target(), '127.0.0.1')
    for (const side of [socket, onward]) {
      sockets.add(side)
      side.on('error', () => {})
      side.once('close', () => {
        socket.destroy()
        onward.destroy()
      })
    }
    socket.once('data', (head: Buffer) => {
      const text = head.toString('latin1')
      onward.write(keepsFields ? text : text.replace(/\r\nVia: [^\r]+/u, ''), 'latin1')
      socket.pipe(onward).pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open({
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
  return server.address() as AddressInfo
}

async function askPlain(proxy: ProxyUnderTest, text: string): Promise<RawAnswer> {
  const socket = await connectRaw(proxy)
  const answer = await ask(socket, text)
  socket.destroy()
  return answer
}

async function askInside(proxy: ProxyUnderTest): Promise<RawAnswer> {
  const socket = await connectTls(proxy, `${host}:443`)
  const answer = await ask(socket, requestText('GET /', host))
  socket.destroy()
  return answer
}

describe('an upstream proxy', () => {
  test.each(['127.0.0.1', 'localhost', '[::1]', 'porthole.localhost'])(
    'P13 that is this proxy itself, as %s, keeps it from starting',
    async (name) => {
      const building = new PortholeBuilder()
        .listen('127.0.0.1:9')
        .upstreamProxy(`http://user:secret@${name}:9`)

      const error = await building
        .build()
        .start()
        .catch((reason: unknown) => reason)

      expect(error).toBeInstanceOf(AppError)
      expect(String(error)).toContain('the upstream proxy is this proxy itself')
    },
  )

  test('P13 whose address turns out to be this proxy is noticed at the first connection', async () => {
    // A name that only a lookup knows for ours.
    const lookup = (
      _name: string,
      _options: unknown,
      callback: (...args: unknown[]) => void,
    ): void => callback(null, [{ address: '127.0.0.1', family: 4 }])
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup)
    const proxy = await startAt((port) => ({
      configure: (builder) => builder.upstreamProxy(`http://proxy.example:${port}`),
    }))

    const tunnel = await connectThrough(proxy, 'other.example:443')
    const inside = await askInside(proxy)
    const plain = await askPlain(proxy, requestText('GET http://other.example/', 'other.example'))

    expect(tunnel.head).toMatch(/^HTTP\/1\.1 403 [^]+x-porthole-error: loop\r\n/iu)
    for (const { status, body } of [inside, plain]) {
      expect(status).toBe(403)
      expect(body).toContain('leads back to this proxy')
    }
    // Nobody came in but those three, and nothing was sent by the way round.
    expect(proxy.of('connection-opened').length).toBeLessThanOrEqual(6)
    expect(proxy.of('tunnel-opened')).toEqual([])
    tunnel.socket.destroy()
  })

  test('P13 that leads back by a third one is noticed by the mark of what was asked', async () => {
    const back = { port: 0 }
    const relay = await startRelay(() => back.port, true)
    const proxy = open(
      await startProxy({
        configure: (builder) => builder.upstreamProxy(`http://127.0.0.1:${relay.port}`),
      }),
    )
    back.port = proxy.running.port

    const { head, socket } = await connectThrough(proxy, 'other.example:443')
    const inside = await askInside(proxy)

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    expect(inside.status).toBe(502)
    expect(inside.body).toContain('answered 403')
    const loops = proxy.of('connection-refused').filter(({ code }) => code === 'loop')
    expect(loops.length).toBe(2)
    socket.destroy()
  })

  test('P13 that is another such proxy, whose own is this one, is noticed on the first round', async () => {
    const onward = { port: 0 }
    const relay = await startRelay(() => onward.port, true)
    const first = open(
      await startProxy({
        configure: (builder) => builder.upstreamProxy(`http://127.0.0.1:${relay.port}`),
      }),
    )
    const second = open(
      await startProxy({
        configure: (builder) => builder.upstreamProxy(`http://127.0.0.1:${first.running.port}`),
      }),
    )
    onward.port = second.running.port

    const { head, socket } = await connectThrough(first, 'other.example:443')
    socket.destroy()

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    // The client's, and the one that came round.
    expect(first.of('connection-opened').length).toBe(2)
    expect(first.of('connection-refused')).toMatchObject([{ code: 'loop' }])
  })

  test('P13 that leads back by one that drops the mark ends with the connections there may be', async () => {
    const back = { port: 0 }
    const relay = await startRelay(() => back.port, false)
    const proxy = open(
      await startProxy({
        configure: (builder) =>
          builder.upstreamProxy(`http://127.0.0.1:${relay.port}`).limit({ maxConnections: 20 }),
      }),
    )
    back.port = proxy.running.port

    const { head, socket } = await connectThrough(proxy, 'other.example:443')
    socket.destroy()

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    await expect.poll(() => proxy.running.stats().connections, { timeout: 15_000 }).toBe(0)
    expect((await askPlain(proxy, requestText('GET /', 'x'))).status).toBe(400)
  })
})

describe('this proxy as an upstream', () => {
  test('P13 named by --connect-to is refused, in a tunnel, inside TLS and in plain', async () => {
    const proxy = await startAt((port) => ({
      connectTo: { 'other.example:443': port, [`${host}:443`]: port, 'other.example:80': port },
    }))

    const tunnel = await connectThrough(proxy, 'other.example:443')
    const inside = await askInside(proxy)
    const plain = await askPlain(proxy, requestText('GET http://other.example/', 'other.example'))

    expect(tunnel.head).toMatch(/^HTTP\/1\.1 403 /u)
    expect([inside.status, plain.status]).toEqual([403, 403])
    tunnel.socket.destroy()
  })

  test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])(
    'P13 asked for in plain as %s is refused where private addresses are allowed',
    async (name) => {
      const proxy = open(await startProxy({}))
      const authority = `${name}:${proxy.running.port}`

      const { status, body } = await askPlain(
        proxy,
        requestText(`GET http://${authority}/`, authority),
      )

      expect(status).toBe(403)
      expect(JSON.parse(body)).toMatchObject({ error: { code: 'loop' } })
    },
  )

  test('P13 named by a route is refused', async () => {
    const proxy = await startAt((port) => ({
      configure: (builder) =>
        builder.route(`one=http://127.0.0.1:${port}/two`).route(`two=http://localhost:${port}/one`),
    }))
    const authority = `127.0.0.1:${proxy.running.port}`

    for (const path of ['/one/x', '/two/x']) {
      const { status } = await askPlain(proxy, requestText(`GET ${path}`, authority))
      expect(status).toBe(403)
    }
  })
})
