/**
 * The contract with http-mitm-proxy: modules written for it work, and nothing of it that listens,
 * writes files, prints or relays by itself is ever reached.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

import { afterEach, describe, expect, test, vi } from 'vitest'

import packageJson from '../../package.json' with { type: 'json' }
import { createAuthenticator } from '../../src/proxy/client-auth.ts'
import { PortholeEngine } from '../../src/proxy/engine.ts'
import type { EngineServices } from '../../src/proxy/engine.ts'
import type { MitmModule } from '../../src/proxy/mitm-module.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
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
const plainHost = 'plain.example'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
  vi.restoreAllMocks()
})

interface Bench {
  readonly proxy: ProxyUnderTest
  readonly upstream: TestUpstream
  readonly plain: TestUpstream
}

async function bench(modules: readonly MitmModule[], over: ProxySetup = {}): Promise<Bench> {
  const upstream = await startHttpsUpstream(root, host, (_request, response) => {
    response.setHeader('Content-Length', 2)
    response.end('ok')
  })
  const plain = await startHttpUpstream((_request, response) => {
    response.setHeader('Content-Length', 2)
    response.end('ok')
  })
  opened.push(upstream, plain)
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: upstream.port, [`${plainHost}:80`]: plain.port },
    root,
    configure: (builder) => {
      for (const module of modules) builder.use(module)
    },
    ...over,
  })
  opened.push(proxy)
  return { proxy, upstream, plain }
}

/** Names and values as they went over the wire. */
function sentTo(upstream: TestUpstream): Array<[string, string]> {
  const raw = upstream.requests.at(-1)?.message.rawHeaders ?? []
  return raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as [string, string]] : [],
  )
}

describe('onConnect', () => {
  test('may let a connection through, intercepted or tunnelled', async () => {
    const urls: Array<string | undefined> = []
    const { proxy } = await bench([
      {
        onConnect(request: { url?: string }, _socket: Socket, _head: Buffer, done: () => void) {
          urls.push(request.url)
          setImmediate(done)
        },
      },
    ])

    const secured = await connectTls(proxy, `${host}:443`)
    const answer = await ask(secured, requestText('GET /', host))
    const { head } = await connectThrough(proxy, `${plainHost}:80`)

    expect(answer.status).toBe(200)
    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
    expect(urls).toEqual([`${host}:443`, `${plainHost}:80`])
  })

  test.each([
    ['calls back with an error', (done: (error: Error) => void) => done(new Error('not today'))],
    [
      'throws',
      () => {
        throw new Error('not today')
      },
    ],
    ['rejects', () => Promise.reject(new Error('not today'))],
  ])('that %s refuses, dials nothing and is told to onError', async (_how, refuse) => {
    const errors: unknown[] = []
    const { proxy, upstream } = await bench([
      {
        onConnect: (_request: unknown, _socket: unknown, _head: unknown, done: () => void) =>
          refuse(done),
        onError: (_ctx: unknown, error: Error, kind: string) => errors.push([kind, error.message]),
      },
    ])

    const { head } = await connectThrough(proxy, `${host}:443`)

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(upstream.connections()).toBe(0)
    expect(errors).toEqual([['ON_CONNECT_ERROR', 'not today']])
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ host, reason: 'rule' })
  })
})

describe('onRequest', () => {
  type Ctx = { proxyToServerRequestOptions: { path: string; headers: Record<string, string> } }

  test('may change, add and remove header fields and the path; all else goes as sent', async () => {
    const { proxy, upstream } = await bench([
      {
        onRequest(ctx: Ctx, done: () => void) {
          const { headers } = ctx.proxyToServerRequestOptions
          headers['x-change'] = 'changed'
          headers['x-new'] = 'new'
          delete headers['x-remove']
          ctx.proxyToServerRequestOptions.path = '/after?x=1'
          done()
        },
      },
    ])
    const secured = await connectTls(proxy, `${host}:443`)

    await ask(
      secured,
      requestText(
        'POST /before',
        host,
        ['X-Dup: 1', 'X-Change: before', 'X-REMOVE: 1', 'x-dup: 2', 'Set-Cookie: odd=1'],
        'body',
      ),
    )

    expect(upstream.requests[0]?.message.url).toBe('/after?x=1')
    expect(upstream.requests[0]?.body.toString()).toBe('body')
    expect(sentTo(upstream)).toEqual([
      ['Host', host],
      ['X-Dup', '1'],
      ['X-Change', 'changed'],
      ['x-dup', '2'],
      ['Set-Cookie', 'odd=1'],
      ['Content-Length', '4'],
      ['x-new', 'new'],
    ])
  })

  test('cannot send a request elsewhere', async () => {
    const stranger = await startHttpsUpstream(root, host, (_request, response) => response.end())
    opened.push(stranger)
    const { proxy, upstream } = await bench([
      {
        onRequest(
          ctx: {
            proxyToServerRequestOptions: {
              host: string
              port: number
              headers: Record<string, string>
            }
          },
          done: () => void,
        ) {
          const options = ctx.proxyToServerRequestOptions
          options.host = '127.0.0.1'
          options.port = stranger.port
          options.headers['host'] = 'evil.example'
          done()
        },
      },
    ])
    const secured = await connectTls(proxy, `${host}:443`)

    const answer = await ask(secured, requestText('GET /', host))

    expect(answer.status).toBe(200)
    expect(stranger.connections()).toBe(0)
    expect(sentTo(upstream)).toContainEqual(['Host', host])
  })

  test('may refuse; the request is answered, nothing is dialled, onError hears of it', async () => {
    const errors: unknown[] = []
    const { proxy, upstream } = await bench([
      {
        onRequest: (_ctx: unknown, done: (error: Error) => void) => done(new Error('not this one')),
        onError: (ctx: unknown, error: Error, kind: string) =>
          errors.push([ctx !== null, kind, error.message]),
      },
    ])
    const secured = await connectTls(proxy, `${host}:443`)

    const answer = await ask(secured, requestText('GET /', host))

    expect(answer.status).toBe(403)
    expect(answer.body).toContain('not this one')
    expect(upstream.connections()).toBe(0)
    expect(errors).toEqual([[true, 'ON_REQUEST_ERROR', 'not this one']])
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ status: 403, reason: 'rule' })
  })

  test('of several modules run in the order of use(), for plain http as well', async () => {
    const order: string[] = []
    const named = (name: string): MitmModule => ({
      onRequest(ctx: Ctx, done: () => void) {
        order.push(`${name} ${ctx.proxyToServerRequestOptions.path}`)
        ctx.proxyToServerRequestOptions.path += name
        setImmediate(done)
      },
    })
    const { proxy, plain } = await bench([named('a'), named('b'), named('c')])
    const socket = await connectRaw(proxy)

    await ask(socket, requestText(`GET http://${plainHost}/`, plainHost))

    expect(order).toEqual(['a /', 'b /a', 'c /ab'])
    expect(plain.requests[0]?.message.url).toBe('/abc')
  })

  test('that has a faulty onError beside it does no harm', async () => {
    const { proxy } = await bench([
      {
        onRequest: () => Promise.reject(new Error('async and faulty')),
        onError() {
          throw new Error('so am I')
        },
      },
    ])
    const secured = await connectTls(proxy, `${host}:443`)

    expect((await ask(secured, requestText('GET /', host))).status).toBe(403)
  })
})

describe('what is inherited and unsafe', () => {
  test.each([
    'listen',
    '_createHttpsServer',
    '_onHttpServerConnectData',
    '_onWebSocketServerConnect',
    'onCertificateRequired',
    'onCertificateMissing',
  ] as const)('%s throws', (name) => {
    const limits = {
      maxConnections: 1,
      maxHeaderBytes: 1024,
      headersTimeoutMs: 1000,
      handshakeTimeoutMs: 1000,
      judgeDeadlineMs: 1000,
    }
    const engine = new PortholeEngine({
      limits,
      analyzers: [],
      authenticator: createAuthenticator([]),
    } as unknown as EngineServices)
    const inherited: (this: PortholeEngine) => void = engine[name]

    expect(() => inherited.call(engine)).toThrow(
      expect.objectContaining({ code: 'ERR_INTERNAL', message: expect.stringContaining(name) }),
    )
  })

  test('is of exactly the version that was read', () => {
    const require = createRequire(import.meta.url)
    const installed = require('http-mitm-proxy/package.json') as { version: string }

    expect(packageJson.dependencies['http-mitm-proxy']).toBe('1.1.0')
    expect(installed.version).toBe('1.1.0')
  })
})

const fsWriters = [
  ...([
    'writeFile',
    'writeFileSync',
    'appendFile',
    'appendFileSync',
    'mkdir',
    'mkdirSync',
  ] as const),
  ...(['createWriteStream', 'rename', 'unlink', 'copyFile', 'symlink'] as const),
]

describe('traffic of every kind', () => {
  test('prints nothing, writes no file and opens no port', async () => {
    const raw = await startRawUpstream((socket) => socket.pipe(socket))
    const upgraded = await startRawTlsUpstream(root, host, (socket) => {
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
        )
        socket.pipe(socket)
      })
    })
    opened.push(raw, upgraded)
    const before = listeningPorts()
    const { proxy } = await bench([], {
      connectTo: {
        [`${host}:443`]: upgraded.port,
        [`${plainHost}:443`]: raw.port,
        [`${plainHost}:80`]: raw.port,
      },
    })
    const atStart = listeningPorts()
    const calls: string[] = []
    for (const name of ['log', 'info', 'debug', 'warn', 'error', 'trace'] as const) {
      vi.spyOn(console, name).mockImplementation(
        (...parts) => void calls.push(`console ${parts.join(' ')}`),
      )
    }
    for (const name of fsWriters) {
      const real = fs[name] as (...given: unknown[]) => unknown
      vi.spyOn(fs, name).mockImplementation((...given: unknown[]) => {
        calls.push(`fs.${name} ${String(given[0])}`)
        return real(...given)
      })
    }

    const secured = await connectTls(proxy, `${host}:443`)
    secured.write(
      requestText('GET /ws', host, [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: x',
      ]),
    )
    await readUntil(secured, (all) => all.includes('101 '))
    const tunnelled = await connectThrough(proxy, `${plainHost}:443`)
    tunnelled.socket.write('echo')
    await readUntil(tunnelled.socket, (all) => all.includes('echo'))
    const plain = await connectRaw(proxy)
    await ask(plain, requestText(`GET http://${plainHost}/`, plainHost))
    const reset = await connectThrough(proxy, `${host}:443`)
    reset.socket.resetAndDestroy()
    const garbage = await connectRaw(proxy)
    garbage.write('\x16\x03garbage\r\n\r\n')
    await readUntil(garbage, () => false)
    garbage.destroy()
    secured.destroy()
    tunnelled.socket.destroy()
    await proxy.waitFor('exchange-completed')
    await proxy.waitFor('tunnel-closed')

    expect(calls).toEqual([])
    expect(listeningPorts()).toEqual(atStart)
    if (before !== undefined) {
      expect(atStart?.filter((port) => !before.includes(port))).toContain(proxy.running.port)
      // The two upstreams of the bench and the proxy itself.
      expect(atStart).toHaveLength(before.length + 3)
    }
  })

  test('lets a client that is asked for a token ask often on one connection', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const { proxy } = await bench([], {
      configure: (builder) => builder.requireToken('porthole', 't0ken'),
    })
    const socket = await connectRaw(proxy)

    for (let attempt = 0; attempt < 30; attempt += 1) {
      socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`)
      expect((await readAnswer(socket)).status).toBe(407)
    }

    process.off('warning', onWarning)
    expect(warnings).toEqual([])
    socket.destroy()
  })
})

/** Ports on which this process listens; undefined where /proc does not tell. */
function listeningPorts(): number[] | undefined {
  if (process.platform !== 'linux') return undefined
  const mine = new Set(
    fs.readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/u.exec(fs.readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? []
      } catch {
        // The descriptor of the listing itself is gone by now.
        return []
      }
    }),
  )
  return ['tcp', 'tcp6']
    .flatMap((table) =>
      fs.readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').slice(1),
    )
    .map((line) => line.trim().split(/\s+/u))
    .filter((fields) => fields[3] === '0A' && mine.has(fields[9] ?? ''))
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16))
    .toSorted((a, b) => a - b)
}
