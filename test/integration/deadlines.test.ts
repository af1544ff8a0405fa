/**
 * What does not move is given up: answers, streams, bodies, tunnels, dials. Each by the side whose
 * turn it was, with an answer where none had begun, and cut where one had.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import type { PortholeBuilder } from '../../src/builder.ts'
import { startFullServer } from '../support/full-server.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import { startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { Script, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { startRawUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const opened: Array<{ close(): Promise<void> }> = []
type Limits = Parameters<PortholeBuilder['limit']>[0]

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

async function bench(
  limits: Limits,
  script: Script,
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream; client: Socket }> {
  const upstream = open(await startScriptedUpstream(host, script))
  const configure = (builder: PortholeBuilder): void => void builder.limit(limits)
  const proxy = open(await startProxyTo(host, upstream, { configure }))
  return { proxy, upstream, client: await connectTls(proxy, `${host}:443`) }
}

/** A raw upstream behind a tunnel or plain HTTP, whose sockets the test holds. */
async function rawBench(
  limits: Limits,
): Promise<{ proxy: ProxyUnderTest; accepted: Promise<Socket> }> {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const server = open(await startRawUpstream(resolve, { allowHalfOpen: true }))
  const proxy = open(
    await startProxy({
      connectTo: { 'raw.example:443': server.port, 'raw.example:80': server.port },
      configure: (builder) => builder.limit(limits),
    }),
  )
  return { proxy, accepted: promise }
}

/** Everything up to the end, and whether that was a reset. */
async function readToEnd(socket: Socket): Promise<{ text: string; isReset: boolean }> {
  const chunks: Buffer[] = []
  let isReset = false
  socket.on('error', (error: NodeJS.ErrnoException) => {
    isReset ||= error.code === 'ECONNRESET'
  })
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve()).once('end', () => resolve())
  })
  return { text: Buffer.concat(chunks).toString('latin1'), isReset }
}

const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

describe('an upstream', () => {
  test('N4 that says nothing is a 504 that names the limit, and is dropped', async () => {
    const dropped = Promise.withResolvers<void>()
    const { proxy, client } = await bench({ answerTimeoutMs: 150 }, (socket) => {
      socket.once('close', () => dropped.resolve())
    })

    const answer = await ask(client, requestText('POST /', host, [], 'body'))

    expect(answer.status).toBe(504)
    expect(answer.head).toContain('X-Porthole-Error: answer-timeout')
    expect(answer.body).toContain('--limit answer-timeout=TIME')
    await dropped.promise
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'upstream',
      phase: 'waiting',
      code: 'answer-timeout',
      status: 504,
    })
    client.destroy()
  })

  test('N4 that begins a stream and says nothing more is cut after the idle bound', async () => {
    const { proxy, client } = await bench({ idleTimeoutMs: 150 }, (socket) => {
      socket.write(`${chunkedHead}3\r\nabc\r\n`)
    })

    client.write(requestText('GET /', host))
    const { text } = await readToEnd(client)

    expect(text).toContain('abc')
    expect(text).not.toContain('0\r\n\r\n')
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'upstream',
      phase: 'response',
      code: 'idle-timeout',
    })
  })

  test('N4 that keeps a stream alive with comments is not cut', async () => {
    const { proxy, client } = await bench({ idleTimeoutMs: 400 }, (socket) => {
      socket.write(chunkedHead)
      let count = 0
      const timer = setInterval(() => {
        count += 1
        socket.write('3\r\n:\n\n\r\n')
        if (count < 15) return
        clearInterval(timer)
        socket.write('0\r\n\r\n')
      }, 60)
    })

    client.write(requestText('GET /', host))
    const all = await readUntil(client, (bytes) => bytes.includes('0\r\n\r\n'))

    expect(all.toString().match(/:\n\n/gu)).toHaveLength(15)
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({ status: 200 })
    client.destroy()
  })

  test('F6 that says nothing after an interim answer is a 504', async () => {
    const { proxy, client } = await bench({ answerTimeoutMs: 150 }, (socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    })

    client.write(requestText('GET /', host))
    const all = await readUntil(client, (bytes) => bytes.includes('}}\n'))

    expect(all.toString()).toMatch(/^HTTP\/1\.1 103 [^]*HTTP\/1\.1 504 /u)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ code: 'answer-timeout' })
    client.destroy()
  })

  test('N4 that never says whether it wants an announced body is a 504', async () => {
    const { proxy, client } = await bench(
      { answerTimeoutMs: 150, requestProgressMs: 50 },
      () => undefined,
    )

    client.write(
      `POST / HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    )
    const answer = await readAnswer(client)

    expect(answer.status).toBe(504)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream' })
    client.destroy()
  })

  test('N2 that resets an answer without a length resets it for the client too', async () => {
    const { proxy, accepted } = await rawBench({})
    const client = await connectRaw(proxy)

    client.write(requestText('GET http://raw.example/', 'raw.example'))
    const upstream = await accepted
    upstream.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe first half')
    const first = await readUntil(client, (all) => all.includes('half'))
    const rest = readToEnd(client)
    upstream.resetAndDestroy()

    expect(first.toString()).toContain('200 OK')
    expect((await rest).isReset).toBe(true)
    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({
      error: 'the upstream broke off its response',
    })
  })
})

describe('a request body', () => {
  const limits = { requestProgressMs: 200, requestProgressBytes: 64 }
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\n`

  test.each([
    ['trickles', true],
    ['stops', false],
  ])('N8 that %s is answered 408 and closed', async (_how, trickles) => {
    const { proxy, client, upstream } = await bench(limits, () => undefined)
    const timer = setInterval(() => trickles && client.writable && client.write('x'), 20)

    client.write(`${head}x`)
    const { text } = await readToEnd(client)
    clearInterval(timer)

    expect(text).toMatch(/^HTTP\/1\.1 408 /u)
    expect(text).toContain('Connection: close')
    expect(text).toContain('--limit request-progress=TIME')
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'client',
      phase: 'request',
      code: 'request-too-slow',
      status: 408,
    })
    expect(upstream.received()).not.toContain('\r\n0\r\n\r\n')
    client.destroy()
  })

  test('N8 that is slow but gets on is carried to its end', async () => {
    const body = 'x'.repeat(1500)
    const { proxy, client } = await bench(limits, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })

    client.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n`)
    for (let sent = 0; sent < body.length; sent += 100) {
      client.write(body.slice(sent, sent + 100))
      await new Promise((resolve) => setTimeout(resolve, 40))
    }

    expect((await readAnswer(client)).status).toBe(200)
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({ requestBytes: body.length })
    client.destroy()
  })
})

describe('a client', () => {
  test('N6 that stops reading is given up, and told to be the one', async () => {
    const { proxy, client } = await bench({ idleTimeoutMs: 300 }, (socket) => {
      socket.write(chunkedHead)
      const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
      const send = (): void => {
        while (socket.writable && socket.write(piece)) {
          // As much as is taken.
        }
        socket.once('drain', send)
      }
      send()
    })

    client.write(requestText('GET /', host))
    client.pause()

    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'client',
      phase: 'response',
      code: 'idle-timeout',
    })
    client.destroy()
  })
})

describe('a tunnel', () => {
  test('N8 that nobody uses is closed for both, and told with the limit', async () => {
    const { proxy, accepted } = await rawBench({ tunnelIdleTimeoutMs: 150 })
    const { socket } = await connectThrough(proxy, 'raw.example:443')
    const upstream = await accepted
    const ends = [readToEnd(socket), readToEnd(upstream)]

    await Promise.all(ends)
    socket.end()
    upstream.end()

    const told = await proxy.waitFor('tunnel-closed')
    expect(told.error).toContain('--limit tunnel-idle-timeout=TIME')
  })

  test('N8 in which bytes go now and then stays', async () => {
    const { proxy, accepted } = await rawBench({ tunnelIdleTimeoutMs: 400 })
    const { socket } = await connectThrough(proxy, 'raw.example:443')
    const upstream = await accepted

    for (let count = 0; count < 15; count += 1) {
      const side = count % 2 === 0 ? socket : upstream
      side.write('.')
      await once(side === socket ? upstream : socket, 'data')
      await new Promise((resolve) => setTimeout(resolve, 60))
    }

    expect(proxy.of('tunnel-closed')).toEqual([])
    socket.destroy()
  })
})

describe('a dial', () => {
  test.runIf(process.platform === 'linux').each([
    ['ends', (socket: Socket) => socket.end()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
  ])('N1 is given up when its client %s', async (_how, leave) => {
    const { port } = open(await startFullServer())
    const proxy = open(
      await startProxy({
        connectTo: { 'slow.example:443': port },
        configure: (builder) => builder.limit({ connectTimeoutMs: 60_000 }),
      }),
    )
    const client = await connectRaw(proxy)
    client.write('CONNECT slow.example:443 HTTP/1.1\r\nHost: slow.example:443\r\n\r\n')
    await proxy.waitFor('connection-opened')

    leave(client)

    const told = await proxy.waitFor('tunnel-closed')
    expect(told.error).toBe('the client left before there was a connection')
    expect(told.durationMs).toBeLessThan(30_000)
    await proxy.waitFor('connection-closed')
  })
})
