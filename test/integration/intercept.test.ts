/** Interception end to end over real sockets: bytes, heads, order, and what is told about them. */
import { afterEach, describe, expect, test } from 'vitest'

import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import { connectRaw, connectTls, connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawTlsUpstream,
} from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function proxyTo(port: number, setup: ProxySetup = {}): Promise<ProxyUnderTest> {
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: port },
    root,
    ...setup,
  })
  opened.push(proxy)
  return proxy
}

async function rawUpstream(answer: string): Promise<{ port: number; seen: () => string }> {
  let seen = ''
  const upstream = await startRawTlsUpstream(root, host, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      if (seen.endsWith('\r\n\r\n') || seen.endsWith('END')) socket.write(answer)
    })
  })
  opened.push(upstream)
  return { port: upstream.port, seen: () => seen }
}

describe('an intercepted exchange', () => {
  test('carries request and response field lines byte for byte, in order and case', async () => {
    const answer =
      'HTTP/1.1 200 Fine\r\nX-One: 1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-one: 3\r\ncontent-LENGTH: 2\r\n\r\nok'
    const upstream = await rawUpstream(answer)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)
    const request =
      `POST /v1/chat?x=%41&y HTTP/1.1\r\nhOst: ${host}\r\nX-Dup: 1\r\nAccept: */*\r\nx-dup: 2\r\n` +
      'Content-Length: 3\r\n\r\nEND'

    socket.write(request)
    const got = await readUntil(socket, (all) => all.toString().endsWith('ok'))

    expect(upstream.seen()).toBe(request)
    expect(got.toString('latin1')).toBe(answer)
  })

  test('tells one exchange with redacted heads, its bodies and exactly one end', async () => {
    const upstream = await rawUpstream(
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: s=secret\r\n\r\nok',
    )
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(
      `POST /v1/x?key=secret HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer secret\r\nContent-Length: 3\r\n\r\nEND`,
    )
    const end = await proxy.waitFor('exchange-completed')

    const mine = proxy.messages.filter((msg) => msg.exchangeId === end.exchangeId)
    expect(mine.map(({ kind }) => kind)).toEqual([
      'request-started',
      'request-body',
      'request-ended',
      'response-started',
      'response-body',
      'response-ended',
      'exchange-completed',
    ])
    expect(JSON.stringify(proxy.messages)).not.toContain('secret')
    expect(proxy.messages.map(({ seq }) => seq)).toEqual(proxy.messages.map((_, index) => index))
    expect(end).toMatchObject({ status: 200, requestBytes: 3, responseBytes: 2 })
  })

  test('works when CONNECT and ClientHello come in one packet', async () => {
    const upstream = await startHttpsUpstream(root, host, (_request, response) =>
      response.end('hi'),
    )
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const tls = await import('node:tls')
    const { Duplex } = await import('node:stream')
    const raw = await connectRaw(proxy)
    let first = true
    let answered = false
    const carrier = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        const connect = `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`
        raw.write(first ? Buffer.concat([Buffer.from(connect), chunk]) : chunk)
        first = false
        done()
      },
    })
    raw.on('data', (chunk: Buffer) => {
      if (answered) {
        carrier.push(chunk)
        return
      }
      answered = true
      const rest = chunk.subarray(chunk.indexOf('\r\n\r\n') + 4)
      if (rest.length > 0) carrier.push(rest)
    })
    const secured = tls.connect({
      socket: carrier,
      servername: host,
      ca: proxy.running.certificateAuthority.certificatePem,
    })
    secured.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)

    const got = await readUntil(secured, (all) => all.toString().includes('hi'))

    expect(got.toString()).toContain('200 OK')
    secured.destroy()
    raw.destroy()
  })

  test('is refused with 421 when its Host is another than the CONNECT authority', async () => {
    const upstream = await startHttpsUpstream(root, host, (_request, response) => response.end())
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    const got = await readUntil(socket, (all) => all.includes('\n}\n') || all.includes('}}\n'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 421 /u)
    expect(upstream.connections()).toBe(0)
  })

  test('flushes the response head before the first byte of its body', async () => {
    let finish = (): void => {}
    const upstream = await startHttpsUpstream(root, host, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      finish = () => response.end('data: x\n\n')
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const head = await readUntil(socket, (all) => all.includes('\r\n\r\n'))
    finish()
    const body = await readUntil(socket, (all) => all.includes('0\r\n\r\n'))

    expect(head.toString()).toContain('text/event-stream')
    expect(body.toString()).toContain('data: x')
  })

  test('breaks off for the client when the upstream breaks off, without a clean end', async () => {
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', () => {
          socket.destroy()
        })
      })
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, () => false)
    const failed = await proxy.waitFor('exchange-failed')

    expect(got.toString()).toContain('hello')
    expect(got.toString()).not.toContain('0\r\n\r\n')
    expect(failed).toMatchObject({ by: 'upstream', phase: 'response' })
  })

  test('is dropped upstream when the client leaves', async () => {
    let closed: Promise<void> = Promise.resolve()
    const upstream = await startHttpsUpstream(root, host, (_request, response) => {
      closed = new Promise((resolve) => {
        response.on('close', resolve)
      })
      response.writeHead(200)
      response.write('first')
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await readUntil(socket, (all) => all.includes('first'))

    socket.destroy()

    await closed
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'client',
      phase: 'response',
    })
  })

  test('ends with its client even while it waits behind another on the same connection', async () => {
    const closed: Array<Promise<void>> = []
    const arrived = Promise.withResolvers<void>()
    const upstream = await startHttpsUpstream(root, host, (request, response) => {
      closed.push(
        new Promise((resolve) => {
          response.on('close', resolve)
        }),
      )
      if (request.url === '/second') response.write('x'.repeat(1024))
      if (closed.length === 2) arrived.resolve()
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)
    const head = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    socket.write(head('/first') + head('/second'))
    await arrived.promise

    socket.destroy()

    await Promise.all(closed)
    await proxy.waitFor('connection-closed')
    expect(proxy.of('exchange-failed').map(({ by }) => by)).toEqual(['client', 'client'])
    await expect.poll(() => proxy.running.stats().exchanges, { timeout: 15_000 }).toBe(0)
  })

  test('goes on while an analyzer throws, and says so', async () => {
    const broken: Analyzer = {
      name: 'broken',
      onMessage() {
        throw new Error('no')
      },
    }
    const upstream = await startHttpsUpstream(root, host, (_request, response) =>
      response.end('fine'),
    )
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port, {
      configure: (builder) => builder.addAnalyzer(broken),
    })
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('fine'))
    const failed = await proxy.waitFor('analyzer-failed')

    expect(got.toString()).toContain('fine')
    expect(failed).toMatchObject({ analyzer: 'broken', error: 'no' })
  })

  test('asks the upstream whether it wants a body that the client announced', async () => {
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString()
        if (text.includes('/wanted')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
        else if (text.includes('BODY'))
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        else socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n')
      })
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)
    const head = (path: string): string =>
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`

    socket.write(head('/wanted'))
    const first = await readUntil(socket, (all) => all.includes('\r\n\r\n'))
    socket.write('BODY')
    const second = await readUntil(socket, (all) => all.includes('ok'))
    socket.write(head('/refused'))
    const third = await readUntil(socket, (all) => all.includes('\r\n\r\n'))

    expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(second.toString()).toMatch(/^HTTP\/1\.1 200 OK/u)
    expect(third.toString()).toMatch(/^HTTP\/1\.1 413 /u)
  })

  test('passes interim responses on, but not without end', async () => {
    const upstream = await startRawTlsUpstream(root, host, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        const count = chunk.includes('/flood') ? 1000 : 1
        socket.write('HTTP/1.1 103 Early Hints\r\nlInk: </a>\r\n\r\n'.repeat(count))
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET /once HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('ok'))
    socket.write(`GET /flood HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const flooded = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(got.toString()).toBe(
      'HTTP/1.1 103 Early Hints\r\nlInk: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    )
    expect(flooded.toString()).toContain('interim-flood')
  })

  test('answers a POST without a body and a HEAD without inventing framing', async () => {
    const upstream = await rawUpstream('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`HEAD /h HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const head = await readUntil(socket, (all) => all.includes('\r\n\r\n'))

    expect(upstream.seen()).toBe(`HEAD /h HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    expect(head.toString()).toBe('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
  })
})

describe('an upstream that cannot be used', () => {
  test('is answered 502 when its certificate is not trusted, and nothing is sent to it', async () => {
    const stranger = createUpstreamRoot(host)
    const upstream = await startHttpsUpstream(stranger, host, (_request, response) =>
      response.end(),
    )
    opened.push(upstream)
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 502 /u)
    expect(upstream.requests).toHaveLength(0)
    expect(await proxy.waitFor('tls-failed')).toMatchObject({ side: 'upstream', host })
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream', status: 502 })
  })

  test('is answered 502 when it refuses the connection', async () => {
    const upstream = await startHttpUpstream(() => {})
    await upstream.close()
    const proxy = await proxyTo(upstream.port)
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 502 /u)
    expect(got.toString()).toContain('refused the connection')
  })
})

describe('CONNECT', () => {
  test.each([
    '',
    'api.openai.com',
    'api.openai.com:0',
    'api.openai.com:99999',
    'a@b:443',
    '[::1:443',
    'constructor',
  ])('to %j is answered 400 and dials nothing', async (authority) => {
    const proxy = await startProxy({})
    opened.push(proxy)
    const { head } = await connectThrough(proxy, authority === '' ? ':443' : authority)

    expect(head).toMatch(/^HTTP\/1\.1 400 /u)
    expect(proxy.of('tunnel-opened')).toHaveLength(0)
  })

  test('without the token is answered 407 and may be repeated with it on the same connection', async () => {
    const proxy = await startProxy({
      configure: (builder) => builder.requireToken('porthole', 't0ken'),
    })
    opened.push(proxy)
    const { socket, head } = await connectThrough(proxy, `${host}:443`)
    expect(head).toMatch(/^HTTP\/1\.1 407 /u)
    expect(head).toContain('Proxy-Authenticate: Basic')

    const basic = Buffer.from('porthole:t0ken').toString('base64')
    socket.write(
      `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
    )
    const second = await readUntil(socket, (all) => all.includes('200 Connection'))

    expect(second.toString()).toContain('HTTP/1.1 200 Connection established')
    socket.destroy()
  })
})
