/**
 * Faults on the path, hostile sizes, and WebSocket peers that do not read: streams come through
 * whole or end visibly broken, and nothing is asked for twice.
 */
import { afterEach, describe, expect, test } from 'vitest'

import type { PortholeBuilder } from '../../src/builder.ts'
import { startFaultInjector } from '../support/fault-injector.ts'
import type { FaultPlan } from '../support/fault-injector.ts'
import { connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { okAnswer, startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
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

/** A proxy and its upstream, with faults between the two if asked for. */
async function bench(
  script?: Script,
  faults?: FaultPlan,
  limits: Limits = {},
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = open(await startScriptedUpstream(host, script))
  const { port } =
    faults === undefined ? upstream : open(await startFaultInjector(upstream.port, faults))
  const proxy = open(
    await startProxyTo(
      host,
      { port, root: upstream.root },
      { configure: (builder) => builder.limit(limits) },
    ),
  )
  return { proxy, upstream }
}

function endsOf(proxy: ProxyUnderTest): string[] {
  return [...proxy.of('exchange-completed'), ...proxy.of('exchange-failed')].map(({ kind }) => kind)
}

describe('a client that leaves', () => {
  test('N1 in the middle of its upload takes the upstream request with it', async () => {
    const left = Promise.withResolvers<void>()
    const { proxy, upstream } = await bench((socket) => socket.once('close', () => left.resolve()))
    const client = await connectTls(proxy, `${host}:443`)

    client.write(
      `${requestText('POST /', host).slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    )
    await upstream.waitFor((received) => received.includes('abc'))
    client.destroy()
    await left.promise

    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'client' })
    expect(upstream.received()).not.toContain('\r\n0\r\n\r\n')
    expect(endsOf(proxy)).toHaveLength(1)
  })
})

describe('an answer that is cut', () => {
  const text = 'x'.repeat(20_000)
  const framings = {
    'of known length': `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    chunked: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n${text}\r\n0\r\n\r\n`,
  }

  test.each([
    ['of known length', 'end'],
    ['of known length', 'reset'],
    ['chunked', 'end'],
    ['chunked', 'reset'],
  ] as const)('N2 (%s, by %s) is never made to look complete', async (framing, how) => {
    const { proxy } = await bench((socket) => {
      socket.write(framings[framing].slice(0, 10_000), () => {
        if (how === 'end') socket.end()
        else socket.destroy()
      })
    })
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, () => false)

    client.write(requestText('GET /', host))
    const got = (await all).toString()

    expect(got).toContain('200 OK')
    expect(got).not.toContain('\r\n0\r\n\r\n')
    expect(got.length).toBeLessThan(text.length)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'upstream',
      phase: 'response',
    })
    expect(endsOf(proxy)).toHaveLength(1)
    client.destroy()
  })

  test.each<[string, FaultPlan]>([
    ['within a TLS record', { down: { resetAfter: 6_000 } }],
    ['by a reset after a few bytes of TLS', { down: { resetAfter: 100 } }],
    ['by an end within a TLS record', { down: { finAfter: 6_000 } }],
  ])('N10 %s ends broken, or as a 502', async (_what, faults) => {
    const { proxy } = await bench((socket) => void socket.write(framings.chunked), faults)
    const client = await connectTls(proxy, `${host}:443`)
    const all = readUntil(client, (bytes) => bytes.includes('}}\n'))

    client.write(requestText('GET /', host))
    const got = (await all).toString()

    expect(got === '' || /^HTTP\/1\.1 (?:200|502) /u.test(got)).toBe(true)
    expect(got).not.toContain('\r\n0\r\n\r\n')
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream' })
    client.destroy()
  })
})

describe('an upstream', () => {
  test('N3 that accepts but never speaks TLS is a 504 after the deadline', async () => {
    const { proxy } = await bench(
      undefined,
      { down: { blackhole: true } },
      { connectTimeoutMs: 200 },
    )

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer.status).toBe(504)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ phase: 'connect' })
  })

  test.each([429, 500, 503, 529])(
    'N5 that answers %i is heard, and not asked again',
    async (status) => {
      const bytes = `HTTP/1.1 ${status} Slow Down\r\nRetry-After: 7\r\nx-should-retry: true\r\nContent-Length: 2\r\n\r\nno`
      const { proxy, upstream } = await bench((socket) => void socket.write(bytes))
      const client = await connectTls(proxy, `${host}:443`)

      client.write(requestText('POST /', host, [], 'body'))
      const got = await readUntil(client, (all) => all.toString().endsWith('no'))

      expect(got.toString()).toBe(bytes)
      expect(upstream.received().match(/^POST /gmu)).toHaveLength(1)
      client.destroy()
    },
  )

  test.each(['POST', 'GET'])(
    'N15 that closes a kept connection under a %s is asked once',
    async (method) => {
      const { proxy, upstream } = await bench((socket, _head, index) => {
        if (index === 1) socket.destroy()
        else socket.write(okAnswer)
      })
      const client = await connectTls(proxy, `${host}:443`)

      const first = await ask(client, requestText('GET /first', host))
      const second = await ask(client, requestText(`${method} /second`, host, [], 'body'))
      const third = await ask(client, requestText('GET /third', host))

      expect([first.status, second.status, third.status]).toEqual([200, 502, 200])
      expect(upstream.received().match(/\/second/gu)).toHaveLength(1)
      client.destroy()
    },
  )
})

describe('a bad line', () => {
  const body = Array.from({ length: 400 }, (_, index) => `data: {"n":${index}}\n\n`).join('')
  const stream = `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

  test.each<[string, FaultPlan]>([
    ['late and uneven', { up: { latencyMs: 2, jitterMs: 5 }, down: { latencyMs: 2, jitterMs: 5 } }],
    ['in slices of up to 7 bytes', { up: { sliceBytes: 7 }, down: { sliceBytes: 7 }, seed: 7 }],
    ['in slices of 1 byte', { down: { sliceBytes: 1 } }],
    ['slow', { down: { bytesPerSecond: 40_000, sliceBytes: 1_000 } }],
  ])('N10 that is %s changes no byte of a stream', async (_what, faults) => {
    const { proxy } = await bench((socket) => void socket.write(stream), faults)
    const client = await connectTls(proxy, `${host}:443`)

    client.write(requestText('GET /', host))
    const got = await readUntil(client, (all) => all.includes('0\r\n\r\n'))

    const events = got.toString().match(/data: \{"n":\d+\}\n\n/gu) ?? []
    expect(events.join('')).toBe(body)
    await proxy.waitFor('exchange-completed')
    const told = proxy.of('response-body').map(({ text = '' }) => text)
    expect(told.join('')).toBe(body)
    expect(endsOf(proxy)).toEqual(['exchange-completed'])
    client.destroy()
  })

  test('N10 in slices of 3 bytes changes no byte of a tunnel', async () => {
    const echo = open(await startRawUpstream((socket) => void socket.pipe(socket)))
    const relay = open(
      await startFaultInjector(echo.port, {
        up: { sliceBytes: 3 },
        down: { sliceBytes: 3 },
        seed: 3,
      }),
    )
    const proxy = open(await startProxy({ connectTo: { 'echo.example:443': relay.port } }))
    const { socket } = await connectThrough(proxy, 'echo.example:443')
    const sent = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 251))

    socket.write(sent)
    const got = await readUntil(socket, (all) => all.length >= sent.length)

    expect(got.equals(sent)).toBe(true)
    socket.destroy()
  })
})

describe('too much', () => {
  test.each([900, 1_500, 3_000])(
    'R1 a head of %i fields goes out with each of them',
    async (count) => {
      const { proxy, upstream } = await bench()
      const fields = Array.from({ length: count }, (_, index) => `X-${index}: y`)

      const answer = await ask(
        await connectTls(proxy, `${host}:443`),
        requestText('POST /', host, fields, 'body'),
      )

      expect(answer.status).toBe(200)
      expect(upstream.received().match(/^X-\d+: y/gmu)).toHaveLength(fields.length)
      expect(upstream.received()).toMatch(/body$/u)
    },
  )

  test.each([900, 1_500, 3_000])(
    'R1 an answer of %i fields comes with each of them',
    async (count) => {
      const fields = Array.from({ length: count }, (_, index) => `X-${index}: y\r\n`).join('')
      const { proxy } = await bench((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`)
      })

      const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

      expect(answer.status).toBe(200)
      expect(answer.head.match(/^X-\d+: y/gmu)).toHaveLength(count)
    },
  )

  test('R1 a request line of 70 KB is answered 431', async () => {
    const { proxy, upstream } = await bench()

    const answer = await ask(
      await connectTls(proxy, `${host}:443`),
      requestText(`GET /${'a'.repeat(70_000)}`, host),
    )

    expect(answer.status).toBe(431)
    expect(upstream.connections()).toBe(0)
  })

  test('N9 300 streams at once are each carried to their end', async () => {
    const upstream = open(await startRawUpstream((socket) => void socket.pipe(socket)))
    const proxy = open(await startProxy({ connectTo: { 'many.example:443': upstream.port } }))

    const got = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const { socket } = await connectThrough(proxy, 'many.example:443')
        socket.end(`stream ${index}`)
        return (await readUntil(socket, () => false)).toString()
      }),
    )

    expect(got).toEqual(Array.from({ length: 300 }, (_, index) => `stream ${index}`))
  })
})

describe('a WebSocket', () => {
  test('W6 peer that reads slowly holds the other back, and costs no memory', async () => {
    const size = 64 * 1024 * 1024
    const chunk = Buffer.alloc(256 * 1024)
    const switching =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
    let sent = 0
    const { proxy } = await bench((socket) => {
      socket.write(switching)
      const send = (): void => {
        while (sent < size) {
          sent += chunk.length
          if (!socket.write(chunk)) {
            socket.once('drain', send)
            return
          }
        }
      }
      send()
    })
    const client = await connectTls(proxy, `${host}:443`)
    let read = 0
    let inFlight = 0

    client.write(
      requestText('GET /', host, [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ]),
    )
    for await (const bytes of client) {
      read += (bytes as Buffer).length
      inFlight = Math.max(inFlight, sent - read)
      // The upstream gets many turns of the loop for each of ours.
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
      if (read >= size + switching.length) break
    }

    expect(sent).toBe(size)
    expect(inFlight).toBeLessThan(size / 2)
    client.destroy()
  })
})
