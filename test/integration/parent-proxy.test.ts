/** Chaining through a parent proxy: tunnels, interception, plain HTTP, and what a parent may do wrong. */
import http from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'

import { describe, expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, connectTls, connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
} from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const open = closesAfterEach()

interface Parent {
  readonly port: number
  readonly seen: ReadonlyArray<{
    readonly line: string
    readonly authorization: string | undefined
  }>
}

/** A plain forward proxy: everything leads to `targetPort`, whatever name was asked for. */
async function startParent(targetPort: number, wanted?: string): Promise<Parent> {
  const seen: Array<{ line: string; authorization: string | undefined }> = []
  const note = (request: http.IncomingMessage): boolean => {
    const authorization = request.headers['proxy-authorization']
    seen.push({ line: `${request.method} ${request.url}`, authorization })
    return wanted === undefined || authorization === wanted
  }
  const server = http.createServer((request, response) => {
    note(request)
    const { 'proxy-authorization': _credentials, ...headers } = request.headers
    const { pathname } = new URL(request.url ?? '')
    const onward = http.request(
      { host: '127.0.0.1', port: targetPort, path: pathname, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(response)
      },
    )
    request.pipe(onward)
  })
  server.on('connect', (request, socket, head: Buffer) => {
    socket.on('error', () => {})
    if (!note(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const onward = net.connect(targetPort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\nVia: 1.1 parent\r\n\r\n')
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.destroy())
  })
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  open({
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

async function chained(
  port: number,
  userinfo = '',
  bypass: readonly string[] = [],
): Promise<ProxyUnderTest> {
  const proxy = await startProxy({
    allow: [host, 'plain.example'],
    root,
    guardAddresses: true,
    configure: (builder) => builder.upstreamProxy(`http://${userinfo}127.0.0.1:${port}`, bypass),
  })
  open(proxy)
  return proxy
}

const basic = `Basic ${Buffer.from('user:pa ss').toString('base64')}`

describe('through a parent proxy', () => {
  test('an intercepted exchange goes by CONNECT, verified end to end, over one kept connection', async () => {
    const upstream = await startHttpsUpstream(root, host, (request, response) => {
      response.end(`saw ${JSON.stringify(request.headers['proxy-authorization'] ?? null)}`)
    })
    open(upstream)
    const parent = await startParent(upstream.port, basic)
    const proxy = await chained(parent.port, 'user:pa%20ss@')
    const socket = await connectTls(proxy, `${host}:443`)

    for (const path of ['/one', '/two']) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      const got = await readUntil(socket, (all) => all.includes('saw null'))
      expect(got.toString()).toMatch(/200 OK/u)
    }

    expect(parent.seen).toEqual([{ line: `CONNECT ${host}:443`, authorization: basic }])
    expect(upstream.requests.map(({ message }) => message.url)).toEqual(['/one', '/two'])
  })

  test('a tunnel goes by CONNECT', async () => {
    const echo = await startRawUpstream((socket) => socket.pipe(socket), { allowHalfOpen: true })
    open(echo)
    const parent = await startParent(echo.port)
    const proxy = await chained(parent.port)

    const { socket, head } = await connectThrough(proxy, 'elsewhere.example:443')
    socket.write('ping')
    const got = await readUntil(socket, (all) => all.includes('ping'))

    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
    expect(got.toString()).toBe('ping')
    expect(parent.seen.map(({ line }) => line)).toEqual(['CONNECT elsewhere.example:443'])
    socket.destroy()
  })

  test('plain HTTP goes in absolute form, with the credentials for the parent', async () => {
    const upstream = await startHttpUpstream((_request, response) => response.end('plain'))
    open(upstream)
    const parent = await startParent(upstream.port, basic)
    const proxy = await chained(parent.port, 'user:pa%20ss@')
    const socket = await connectRaw(proxy)

    socket.write('GET http://plain.example/x HTTP/1.1\r\nHost: plain.example\r\n\r\n')
    const got = await readUntil(socket, (all) => all.includes('plain'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 200 /u)
    expect(parent.seen).toEqual([{ line: 'GET http://plain.example/x', authorization: basic }])
    expect(upstream.requests[0]?.message.headers['proxy-authorization']).toBeUndefined()
    socket.destroy()
  })

  test('a refusal by the parent is a 502 with its status, never a 407 for the client', async () => {
    const parent = await startParent(1, 'Basic other')
    const proxy = await chained(parent.port, 'user:wrong@')
    const { head } = await connectThrough(proxy, 'elsewhere.example:443')
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    expect(got.toString()).toMatch(/^HTTP\/1\.1 502 /u)
    expect(got.toString()).toContain('the upstream proxy answered 407')
    expect(JSON.stringify(proxy.messages)).not.toContain('wrong')
  })

  test('a parent that is not there is named as what failed, not the upstream', async () => {
    const gone = await startRawUpstream(() => {})
    await gone.close()
    const proxy = await chained(gone.port)
    const tunnel = await connectRaw(proxy)
    tunnel.write('CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n')
    const intercepted = await connectTls(proxy, `${host}:443`)
    intercepted.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const plain = await connectRaw(proxy)
    plain.write('GET http://plain.example/x HTTP/1.1\r\nHost: plain.example\r\n\r\n')

    const answers = await Promise.all(
      [tunnel, intercepted, plain].map((socket) =>
        readUntil(socket, (all) => all.includes('}}\n')),
      ),
    )

    for (const answer of answers) {
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 502 /u)
      expect(answer.toString()).toContain('the upstream proxy failed (ECONNREFUSED)')
    }
    for (const socket of [tunnel, intercepted, plain]) socket.destroy()
  })

  test('a bypassed host is dialled directly, under the address guard', async () => {
    const parent = await startParent(1)
    const proxy = await chained(parent.port, '', ['localhost'])

    const { head } = await connectThrough(proxy, 'localhost:9')

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(parent.seen).toHaveLength(0)
  })

  test('a literal of a metadata service is not handed to the parent', async () => {
    const parent = await startParent(1)
    const proxy = await chained(parent.port)

    const { head } = await connectThrough(proxy, '169.254.169.254:80')

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(parent.seen).toHaveLength(0)
  })

  test('nor in plain HTTP', async () => {
    const parent = await startParent(1)
    const proxy = await chained(parent.port)
    const socket = await connectRaw(proxy)

    socket.write('GET http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n')
    const got = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 403 /u)
    expect(parent.seen).toHaveLength(0)
    socket.destroy()
  })

  test.each([
    ['speaks nonsense', (socket: net.Socket) => void socket.end('nonsense\r\n\r\n')],
    ['hangs up', (socket: net.Socket) => void socket.destroy()],
    [
      'sends an endless head',
      (socket: net.Socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`),
    ],
  ])('a parent that %s is a 502', async (_what, behave) => {
    const parent = await startRawUpstream((socket) => socket.once('data', () => behave(socket)))
    open(parent)
    const proxy = await chained(parent.port)

    const { head } = await connectThrough(proxy, 'elsewhere.example:443')

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
  })
})
