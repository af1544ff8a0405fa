/** WebSockets as bytes: both peers get what a direct connection would give them, to the very end. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import type { TLSSocket } from 'node:tls'

import { fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { requestText } from '../support/raw-http.ts'
import { createUpstreamRoot, startRawTlsUpstream, startRawUpstream } from '../support/upstream.ts'
import { handshakeFor, switching } from '../support/websocket-peers.ts'
import { anyMask, createCompressor, encodeFrame } from '../support/websocket-wire.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const handshake = handshakeFor(host)
const open = closesAfterEach()

async function startProxyTo(port: number): Promise<ProxyUnderTest> {
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: port },
    root,
  })
  open(proxy)
  return proxy
}

/** An upstream that switches at once, says `down`, and keeps what it is sent until `up` has come. */
async function rawUpstream(script: {
  down: Buffer
  up: Buffer
}): Promise<{ port: number; got: Promise<Buffer> }> {
  const got = Promise.withResolvers<Buffer>()
  const server = await startRawTlsUpstream(root, host, (socket) => {
    void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(async (head) => {
      const early = head.subarray(head.indexOf('\r\n\r\n') + 4)
      socket.write(Buffer.concat([Buffer.from(switching), script.down]))
      const rest = await readUntil(socket, (all) => early.length + all.length >= script.up.length)
      got.resolve(Buffer.concat([early, rest]))
    })
  })
  open(server)
  return { port: server.port, got: got.promise }
}

/** What each peer gets of the other's script, over that connection. */
async function converse(
  socket: TLSSocket,
  script: { down: Buffer; up: Buffer },
  got: Promise<Buffer>,
): Promise<{ down: string; up: string }> {
  socket.write(handshake)
  const length = switching.length + script.down.length
  const answer = readUntil(socket, (all) => all.length >= length)
  await once(socket, 'data')
  socket.write(script.up)
  const [down, up] = await Promise.all([answer, got])
  return { down: down.toString('latin1'), up: up.toString('latin1') }
}

async function direct(port: number): Promise<TLSSocket> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: host, ca: root.certificatePem })
  await once(socket, 'secureConnect')
  return socket
}

describe('bytes are those of a direct connection', () => {
  const long = Buffer.alloc(3_000_000, 'stream of text ')
  test.each<[string, Buffer, Buffer]>([
    [
      'for frames, whole and in fragments',
      Buffer.concat([
        encodeFrame({ opcode: 1, payload: 'hello', mask: anyMask }),
        encodeFrame({ opcode: 2, payload: long, isFinal: false, mask: anyMask }),
        encodeFrame({ opcode: 9, payload: 'ping', mask: anyMask }),
        encodeFrame({ opcode: 0, payload: 'end', mask: anyMask }),
      ]),
      Buffer.concat([encodeFrame({ opcode: 2, payload: long }), encodeFrame({ opcode: 8 })]),
    ],
    [
      'for masks where none belong, and none where they do',
      encodeFrame({ opcode: 1, payload: 'bare' }),
      encodeFrame({ opcode: 1, payload: 'masked', mask: anyMask }),
    ],
    [
      'for a frame that announces a gigabyte',
      Buffer.from('02ff000000004000000037fa213d', 'hex'),
      Buffer.concat([Buffer.from('827f0000000040000000', 'hex'), long]),
    ],
    [
      'for what is not a WebSocket at all',
      Buffer.from('GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n'),
      Buffer.from(`HTTP/1.1 200 OK\r\n\r\n${'\0\xff'.repeat(100)}`, 'latin1'),
    ],
    [
      'for compression that is broken',
      encodeFrame({
        opcode: 1,
        payload: Buffer.from('ffffffff', 'hex'),
        reserved: 4,
        mask: anyMask,
      }),
      encodeFrame({ opcode: 1, payload: Buffer.from('ffffffff', 'hex'), reserved: 7 }),
    ],
  ])('%s', async (_name, up, down) => {
    const first = await rawUpstream({ up, down })
    const second = await rawUpstream({ up, down })
    const proxy = await startProxyTo(second.port)
    const through = await connectTls(proxy, `${host}:443`)
    const straight = await direct(first.port)

    const wanted = await converse(straight, { up, down }, first.got)
    const found = await converse(through, { up, down }, second.got)

    expect(found.up === wanted.up && found.down === wanted.down).toBe(true)
    expect(wanted).toEqual({ up: up.toString('latin1'), down: switching + down.toString('latin1') })
    straight.destroy()
    through.destroy()
    await proxy.waitFor('exchange-completed')
  })

  test('for a deflate bomb, which is told without its payload', async () => {
    const compressor = createCompressor()
    const bomb = encodeFrame({
      opcode: 1,
      payload: await compressor.deflate(Buffer.alloc(20_000_000, ' ')),
      reserved: 4,
    })
    const after = encodeFrame({
      opcode: 1,
      payload: await compressor.deflate('and on'),
      reserved: 4,
    })
    const script = {
      up: encodeFrame({ opcode: 10, mask: anyMask }),
      down: Buffer.concat([bomb, after]),
    }
    const upstream = await rawUpstream(script)
    const proxy = await startProxyTo(upstream.port)
    const client = await connectTls(proxy, `${host}:443`)

    const found = await converse(client, script, upstream.got)
    const last = await proxy.waitFor('websocket-message', ({ text }) => text === 'and on')

    expect(found.down).toBe(switching + script.down.toString('latin1'))
    expect(last.direction).toBe('response')
    expect(proxy.of('websocket-message').find(({ truncated }) => truncated === true)).toMatchObject(
      {
        opcode: 1,
        bytes: bomb.length - 4,
      },
    )
    client.destroy()
  })

  test('for any bytes at all', async () => {
    let script = { up: Buffer.alloc(0), down: Buffer.alloc(0) }
    let got = Promise.withResolvers<Buffer>()
    const server = await startRawTlsUpstream(root, host, (socket) => {
      void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(async (head) => {
        const early = head.subarray(head.indexOf('\r\n\r\n') + 4)
        socket.write(Buffer.concat([Buffer.from(switching), script.down]))
        const rest = await readUntil(socket, (all) => early.length + all.length >= script.up.length)
        got.resolve(Buffer.concat([early, rest]))
      })
    })
    open(server)
    const proxy = await startProxyTo(server.port)
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 2000 })

    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (up, down) => {
        script = { up: Buffer.from(up), down: Buffer.from(down) }
        got = Promise.withResolvers<Buffer>()
        const client = await connectTls(proxy, `${host}:443`)
        const found = await converse(client, script, got.promise)
        client.destroy()

        expect(found.up).toBe(script.up.toString('latin1'))
        expect(found.down).toBe(switching + script.down.toString('latin1'))
      }),
      { numRuns: 20 },
    )
  })
})

describe('the end', () => {
  /** Plain HTTP, so that either side's TCP connection is the test's own. */
  async function switchedPlain(): Promise<{
    proxy: ProxyUnderTest
    client: Socket
    upstream: Socket
  }> {
    const accepted = Promise.withResolvers<Socket>()
    const server = await startRawUpstream(
      (socket) => {
        void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(() => {
          socket.write(switching)
          accepted.resolve(socket)
        })
      },
      { allowHalfOpen: true },
    )
    open(server)
    const proxy = await startProxy({ allow: [host], connectTo: { [`${host}:80`]: server.port } })
    open(proxy)
    const client = await connectRaw(proxy)
    client.write(handshake.replace('GET /', `GET http://${host}/`))
    const answer = await readUntil(client, (all) => all.includes('\r\n\r\n'))
    expect(answer.toString('latin1')).toBe(switching)
    return { proxy, client, upstream: await accepted.promise }
  }

  test('without a close frame is passed on, and the exchange is complete', async () => {
    const { proxy, client, upstream } = await switchedPlain()
    upstream.write(encodeFrame({ opcode: 1, payload: 'one last thing' }))
    upstream.end()
    const down = await readUntil(client, () => false)
    client.end(encodeFrame({ opcode: 1, payload: 'and one more', mask: anyMask }))
    const up = await readUntil(upstream, () => false)

    const completed = await proxy.waitFor('exchange-completed')
    expect(completed).toMatchObject({
      status: 101,
      requestBytes: up.length,
      responseBytes: down.length,
    })
    expect([up.length, down.length]).toEqual([18, 16])
    expect(proxy.of('websocket-message').map(({ text }) => text)).toEqual([
      'one last thing',
      'and one more',
    ])
  })

  test.each(['client', 'upstream'] as const)(
    'by a reset of the %s is a failure of its',
    async (by) => {
      const { proxy, client, upstream } = await switchedPlain()
      const other = by === 'client' ? upstream : client
      const frame = encodeFrame({
        opcode: 1,
        payload: 'begun',
        mask: by === 'client' ? anyMask : undefined,
      })
      const side = { client, upstream }[by]
      side.write(frame.subarray(0, -1))
      await once(other, 'data')
      const cut = readUntil(other, () => false)

      side.resetAndDestroy()
      await cut
      other.end()

      expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by, phase: 'response' })
      expect(proxy.of('exchange-completed')).toEqual([])
      expect(proxy.of('websocket-message')).toMatchObject([{ truncated: true, bytes: 4 }])
    },
  )

  test('of either side while the other is slow loses nothing', async () => {
    const { proxy, client, upstream } = await switchedPlain()
    const size = 48 * 1024 * 1024
    const block = Buffer.alloc(1024 * 1024, 'x')
    let sent = 0
    let read = 0
    let inFlight = 0
    client.on('data', (chunk: Buffer) => {
      read += chunk.length
      client.pause()
      setImmediate(() => client.resume())
    })

    while (sent < size) {
      sent += block.length
      inFlight = Math.max(inFlight, sent - read)
      if (!upstream.write(block)) await once(upstream, 'drain')
    }
    upstream.end()
    await once(client, 'end')
    client.end()
    await proxy.waitFor('exchange-completed')

    expect(read).toBe(size)
    expect(inFlight).toBeLessThan(24 * 1024 * 1024)
  })
})

describe('an upgrade that the upstream refuses', () => {
  test.each([
    ['Content-Length: 7\r\n\r\nrefused', 'refused'],
    [
      'Transfer-Encoding: chunked\r\n\r\n3\r\nref\r\n4\r\nused\r\n0\r\n\r\n',
      '4\r\nused\r\n0\r\n\r\n',
    ],
    // A body that the end of the connection ends is framed anew, so that its end is not in doubt.
    ['Connection: close\r\n\r\nrefused', 'refused\r\n0\r\n\r\n'],
  ])('is passed on with its body, and the connection closes (%#)', async (rest, end) => {
    const server = await startRawTlsUpstream(root, host, (socket) => {
      void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(() => {
        socket.write(`HTTP/1.1 403 Not Today\r\nX-Why: because\r\n${rest}`)
        if (rest.startsWith('Connection')) socket.end()
      })
    })
    open(server)
    const proxy = await startProxyTo(server.port)
    const client = await connectTls(proxy, `${host}:443`)

    client.write(handshake)
    const answer = (await readUntil(client, () => false)).toString('latin1')

    expect(answer).toMatch(/^HTTP\/1\.1 403 Not Today\r\nX-Why: because\r\n/u)
    expect(answer.endsWith(end)).toBe(true)
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({
      status: 403,
      responseBytes: 7,
    })
    await proxy.waitFor('connection-closed')
    expect(proxy.of('websocket-message')).toEqual([])
  })
})

test.each([
  ['no protocol', 'Connection: Upgrade\r\n'],
  ['no connection option', 'Upgrade: websocket\r\n'],
  ['nothing', ''],
])('a 101 that names %s is answered 502', async (_what, fields) => {
  const server = await startRawTlsUpstream(root, host, (socket) => {
    void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(() => {
      socket.end(`HTTP/1.1 101 Switching\r\n${fields}\r\nwhatever`)
    })
  })
  open(server)
  const proxy = await startProxyTo(server.port)
  const client = await connectTls(proxy, `${host}:443`)

  client.write(handshake)
  const answer = (await readUntil(client, () => false)).toString('latin1')
  client.end()

  expect(answer).toMatch(/^HTTP\/1\.1 502 /u)
  await proxy.waitFor('connection-closed')
  expect([...proxy.of('exchange-completed'), ...proxy.of('exchange-failed')]).toHaveLength(1)
})

test('an upgrade sent ahead behind another request ends the connection and nothing else', async () => {
  const server = await startRawTlsUpstream(root, host, () => {})
  open(server)
  const proxy = await startProxyTo(server.port)
  const client = await connectTls(proxy, `${host}:443`)

  client.write(requestText('GET /first', host) + handshake)
  await readUntil(client, () => false)

  expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'client' })
  const next = await connectTls(proxy, `${host}:443`)
  next.destroy()
})

test('a WebSocket to a host that is not on the allowlist is relayed and not read', async () => {
  const server = await startRawUpstream((socket) => {
    void readUntil(socket, (all) => all.includes('\r\n\r\n')).then(() => {
      socket.end(
        Buffer.concat([Buffer.from(switching), encodeFrame({ opcode: 1, payload: 'private' })]),
      )
    })
  })
  open(server)
  const proxy = await startProxy({ allow: [host], connectTo: { 'other.example:80': server.port } })
  open(proxy)
  const client = await connectRaw(proxy)
  client.write(
    handshake.replace('GET /', 'GET http://other.example/').replace(host, 'other.example'),
  )
  const answer = await readUntil(client, () => false)
  client.end()

  expect(answer.toString('latin1')).toMatch(/private$/u)
  expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ bytesDown: 9 })
  expect(JSON.stringify(proxy.messages)).not.toContain('private')
  expect(proxy.of('websocket-message')).toEqual([])
})

test('a WebSocket without the token it needs is refused before anything is dialled', async () => {
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:80`]: 1 },
    configure: (builder) => builder.requireToken('agent', 'a-token-of-some-length'),
  })
  open(proxy)
  const client = await connectRaw(proxy)
  client.write(handshake.replace('GET /', `GET http://${host}/`))
  const answer = await readUntil(client, () => false)

  expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 407 /u)
  expect(proxy.of('exchange-failed')).toEqual([])
  await proxy.waitFor('connection-closed')
})
