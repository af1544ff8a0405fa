/** Blind tunnels over real sockets: the origin's own TLS, every byte, every ending. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'

import { afterEach, describe, expect, test } from 'vitest'

import { startFullServer } from '../support/full-server.ts'
import { connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { createUpstreamRoot, startRawUpstream, tlsOptions } from '../support/upstream.ts'

const host = 'blind.example'
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function proxyTo(port: number, over: ProxySetup = {}): Promise<ProxyUnderTest> {
  const proxy = await startProxy({ connectTo: { [`${host}:443`]: port }, ...over })
  opened.push(proxy)
  return proxy
}

interface Tunnel {
  readonly proxy: ProxyUnderTest
  readonly client: Socket
  readonly upstream: Socket
}

/** A tunnel to a raw upstream whose socket the test holds. */
async function tunnel(): Promise<Tunnel> {
  const accepted = Promise.withResolvers<Socket>()
  const server = await startRawUpstream((socket) => accepted.resolve(socket), {
    allowHalfOpen: true,
  })
  opened.push(server)
  const proxy = await proxyTo(server.port)
  const { socket, head } = await connectThrough(proxy, `${host}:443`)
  expect(head).toBe('HTTP/1.1 200 Connection established\r\n\r\n')
  return { proxy, client: socket, upstream: await accepted.promise }
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a tunnel', () => {
  test("shows the client the origin's own certificate", async () => {
    const root = createUpstreamRoot(host)
    const options = tlsOptions(root, host)
    const origin = tls.createServer(options, (socket) => socket.end('from the origin'))
    await new Promise<void>((resolve) => {
      origin.listen(0, '127.0.0.1', resolve)
    })
    opened.push({
      close: () => new Promise((resolve) => void origin.close(() => resolve())),
    })
    const proxy = await proxyTo((origin.address() as net.AddressInfo).port)
    const { socket } = await connectThrough(proxy, `${host}:443`)

    const secured = tls.connect({ socket, servername: host, ca: root.certificatePem })
    await once(secured, 'secureConnect')
    const shown = secured.getPeerX509Certificate()?.toString()
    const text = await readUntil(secured, () => false)

    // The leaf comes first in the chain that the origin was given.
    expect(shown).toBeDefined()
    expect(options.cert.startsWith(shown?.trim() ?? '-')).toBe(true)
    expect(text.toString()).toBe('from the origin')
    expect(proxy.of('tls-failed')).toEqual([])
  })

  test('carries 5 MB of anything each way, unchanged, and counts it', async () => {
    const { proxy, client, upstream } = await tunnel()
    const up = randomBytes(5 * 1024 * 1024)
    const down = randomBytes(5 * 1024 * 1024 + 1)

    const atUpstream = readUntil(upstream, () => false)
    const atClient = readUntil(client, () => false)
    client.end(up)
    upstream.end(down)

    expect(digest(await atUpstream)).toBe(digest(up))
    expect(digest(await atClient)).toBe(digest(down))
    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({
      host,
      port: 443,
      bytesUp: up.length,
      bytesDown: down.length,
    })
    expect(proxy.of('tunnel-opened')).toMatchObject([{ host, reason: 'not-allowlisted' }])
    expect(proxy.of('tunnel-closed')[0]).not.toHaveProperty('error')
    expect(proxy.of('request-started')).toEqual([])
  })

  test('carries bytes that came with the CONNECT', async () => {
    const server = await startRawUpstream((socket) => socket.pipe(socket))
    opened.push(server)
    const proxy = await proxyTo(server.port)
    const socket = net.connect(proxy.running.port, '127.0.0.1')

    socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\nearly bird`)
    const got = await readUntil(socket, (all) => all.includes('early bird'))

    expect(got.toString()).toBe('HTTP/1.1 200 Connection established\r\n\r\nearly bird')
    socket.destroy()
    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ bytesUp: 10, bytesDown: 10 })
  })

  test('keeps the way down open when the client has finished sending', async () => {
    const { client, upstream } = await tunnel()

    client.end('question')
    const question = await readUntil(upstream, () => false)
    upstream.write('a long ')
    await turn()
    upstream.end('answer')

    expect(question.toString()).toBe('question')
    expect((await readUntil(client, () => false)).toString()).toBe('a long answer')
  })

  test('keeps the way up open when the upstream has finished sending', async () => {
    const { client, upstream } = await tunnel()

    upstream.end('hello')
    const hello = await readUntil(client, () => false)
    client.write('more ')
    await turn()
    client.end('still')

    expect(hello.toString()).toBe('hello')
    expect((await readUntil(upstream, () => false)).toString()).toBe('more still')
  })

  test.each([
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const)('is reset for both when the %s resets it', async (first, second) => {
    const ends = await tunnel()
    const broken = new Promise<NodeJS.ErrnoException>((resolve) => {
      ends[second].once('error', resolve)
    })
    ends[second].resume()

    ends[first].resetAndDestroy()

    expect((await broken).code).toBe('ECONNRESET')
    expect(ends[second].readableEnded).toBe(false)
    const told = await ends.proxy.waitFor('tunnel-closed')
    expect(told.error).toBe(`the ${first} reset the connection`)
  })

  test('ends upstream when the client leaves', async () => {
    const { proxy, client, upstream } = await tunnel()
    const ended = once(upstream, 'end')
    upstream.resume()

    client.destroy()
    await ended
    upstream.end()

    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ bytesUp: 0, bytesDown: 0 })
  })

  test('idles longer than any deadline of the proxy without being cut', async () => {
    const server = await startRawUpstream((socket) => socket.pipe(socket))
    opened.push(server)
    // Long enough to dial in, also on a busy machine.
    const deadlineMs = 1000
    const proxy = await proxyTo(server.port, {
      configure: (builder) =>
        builder.limit({
          headersTimeoutMs: deadlineMs,
          handshakeTimeoutMs: deadlineMs,
          connectTimeoutMs: deadlineMs,
        }),
    })
    const { socket } = await connectThrough(proxy, `${host}:443`)

    // A connection without a request is cut at the deadline: once it is, the tunnel has outlived it.
    const idle = net.connect(proxy.running.port, '127.0.0.1')
    idle.on('error', () => {})
    await readUntil(idle, () => false)
    socket.write('still there?')
    const got = await readUntil(socket, (all) => all.includes('there?'))

    expect(got.toString()).toBe('still there?')
    socket.destroy()
  })
})

describe('an upstream that cannot be reached', () => {
  test('because it refuses is answered 502', async () => {
    const server = await startRawUpstream(() => {})
    await server.close()
    const proxy = await proxyTo(server.port)

    const { socket, head } = await connectThrough(proxy, `${host}:443`)

    expect(head).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/u)
    expect(head).toContain('X-Porthole-Error: upstream-unreachable')
    const told = await proxy.waitFor('tunnel-closed')
    expect(told).toMatchObject({ bytesUp: 0, bytesDown: 0 })
    expect(told.error).toContain('refused the connection')
    socket.destroy()
  })

  test('because its name has no address is answered 502', async () => {
    const proxy = await startProxy({})
    opened.push(proxy)

    const { socket, head } = await connectThrough(proxy, 'nowhere.invalid:443')

    expect(head).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/u)
    expect((await proxy.waitFor('tunnel-closed')).error).toMatch(/nowhere\.invalid:443 .*DNS/u)
    socket.destroy()
  })

  test.runIf(process.platform === 'linux')(
    'because it never accepts is answered 504 after the deadline',
    async () => {
      const full = await startFullServer()
      opened.push(full)
      const proxy = await proxyTo(full.port, {
        configure: (builder) => builder.limit({ connectTimeoutMs: 300 }),
      })

      const { socket, head } = await connectThrough(proxy, `${host}:443`)

      expect(head).toMatch(/^HTTP\/1\.1 504 Gateway Timeout\r\n/u)
      expect((await proxy.waitFor('tunnel-closed')).error).toContain('in time')
      socket.destroy()
    },
  )

  test('for a client that has left meanwhile is let go', async () => {
    const server = await startRawUpstream((upstream) => upstream.resume())
    opened.push(server)
    const proxy = await proxyTo(server.port)
    const socket = net.connect(proxy.running.port, '127.0.0.1')
    await once(socket, 'connect')

    socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`, () =>
      socket.resetAndDestroy(),
    )

    await proxy.waitFor('connection-closed')
    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ bytesDown: 0 })
  })
})

describe('the proxy itself', () => {
  test.each([
    ['127.0.0.1'],
    ['localhost'],
    ['LOCALHOST.'],
    ['[::1]'],
    ['127.1.2.3'],
    ['0.0.0.0'],
    ['[::]'],
    ['[::ffff:127.0.0.1]'],
    ['proxy.localhost'],
  ])('is not connected to as %s', async (name) => {
    const proxy = await startProxy({})
    opened.push(proxy)

    const { socket, head } = await connectThrough(proxy, `${name}:${proxy.running.port}`)

    expect(head).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/u)
    expect(proxy.of('tunnel-opened')).toEqual([])
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ reason: 'address-denied' })
    socket.destroy()
  })
})
