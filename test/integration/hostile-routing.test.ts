/**
 * Hostile routing: requests that name two places at once, names that are none, and lookups that
 * lie. The numbers are those of the threat model; `cases.md` lists where each is met.
 */
import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'

import { afterEach, describe, expect, test, vi } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { createAddressPolicy, createGuardedLookup } from '../../src/proxy/guarded-lookup.ts'
import { canary } from '../support/canary.ts'
import { startFaultInjector } from '../support/fault-injector.ts'
import { startFullServer } from '../support/full-server.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { startHttpUpstream, startRawUpstream } from '../support/upstream.ts'

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

async function bench(
  over: ProxySetup = {},
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = open(await startScriptedUpstream(host))
  return { upstream, proxy: open(await startProxyTo(host, upstream, over)) }
}

/** One request on an intercepted connection of its own. */
async function askInside(proxy: ProxyUnderTest, text: string): Promise<RawAnswer> {
  const socket = await connectTls(proxy, `${host}:443`)
  const answer = await ask(socket, text)
  socket.destroy()
  return answer
}

async function askPlain(proxy: ProxyUnderTest, text: string): Promise<RawAnswer> {
  const socket = await connectRaw(proxy)
  const answer = await ask(socket, text)
  socket.destroy()
  return answer
}

describe('a request on an intercepted connection', () => {
  test.each([
    'http://other.example/',
    'https://other.example/',
    `https://${host}:8443/`,
    `https://${host}@other.example/`,
    `http://${host}/`,
  ])('P2 in absolute form for %s is refused, and nothing is dialled', async (target) => {
    const { proxy, upstream } = await bench()

    const { status } = await askInside(proxy, requestText(`GET ${target}`, host))

    expect([400, 421]).toContain(status)
    expect(upstream.connections()).toBe(0)
  })

  test('P2 in absolute form for its own authority is sent in origin form', async () => {
    const { proxy, upstream } = await bench()

    const { status } = await askInside(proxy, requestText(`GET https://${host}/v1?a=b`, host))

    expect(status).toBe(200)
    expect(upstream.received()).toMatch(/^GET \/v1\?a=b HTTP\/1\.1\r\n/u)
  })

  test.each([
    ['an empty Host', ['Host: ']],
    ['a Host of a port alone', ['Host: :8080']],
    ['no Host', []],
    ['two Hosts', [`Host: ${host}`, `Host: ${host}`]],
    ['two Hosts, the second hidden by case', [`Host: ${host}`, 'hOsT: other.example']],
  ])('P5 with %s is refused, and nothing is dialled', async (_what, fields) => {
    const { proxy, upstream } = await bench()

    const { status } = await askInside(
      proxy,
      `GET / HTTP/1.1\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`,
    )

    expect([400, 421]).toContain(status)
    expect(upstream.connections()).toBe(0)
  })

  test.each(['99999', 'abc', '0', '1:2', '0443', ''])(
    'P6 with port %j in Host is refused, and the proxy lives on',
    async (port) => {
      const { proxy, upstream } = await bench()

      const { status } = await askInside(proxy, requestText('GET /', `${host}:${port}`))

      expect([400, 421]).toContain(status)
      expect(upstream.connections()).toBe(0)
      expect((await askInside(proxy, requestText('GET /', host))).status).toBe(200)
    },
  )

  test('P13 that is a CONNECT is answered 405, and nothing is dialled', async () => {
    const { proxy, upstream } = await bench()

    const { status } = await askInside(proxy, requestText('CONNECT other.example:443', host))

    expect(status).toBe(405)
    expect(upstream.connections()).toBe(0)
    expect(proxy.of('tunnel-opened')).toEqual([])
  })

  test.each([
    '/v1/../admin',
    '/v1/%2e%2e/admin',
    '//other.example/v1',
    '/v1%2fx;y=1',
    String.raw`/v1\x`,
    '/%00%c0%af',
  ])('P17 for path %s goes out with that path, byte for byte', async (path) => {
    const { proxy, upstream } = await bench()

    const { status } = await askInside(proxy, requestText(`GET ${path}`, host))

    expect(status).toBe(200)
    expect(upstream.received()).toBe(requestText(`GET ${path}`, host))
  })

  test('P18 by TRACE cannot have an injected credential echoed; unknown methods go on', async () => {
    const { proxy, upstream } = await bench({ configure: injecting('Authorization') })

    const trace = await askInside(proxy, requestText('TRACE /', host))
    expect(trace.status).toBe(405)
    expect(upstream.connections()).toBe(0)

    const options = await askInside(proxy, requestText('OPTIONS *', host))
    const purge = await askInside(proxy, requestText('PURGE /', host))
    expect([options.status, purge.status]).toEqual([200, 200])
    expect(upstream.received()).toContain('OPTIONS * HTTP/1.1')
  })

  test('P19 with fields that name another host goes where its CONNECT said', async () => {
    const { proxy, upstream } = await bench()
    const request = requestText('GET /', host, [
      'X-Forwarded-Host: other.example',
      'X-Original-URL: https://other.example/admin',
      'Forwarded: host=other.example;proto=http',
      'X-HTTP-Method-Override: CONNECT',
    ])

    const { status } = await askInside(proxy, request)

    expect(status).toBe(200)
    expect(upstream.received()).toBe(request)
    expect(await proxy.waitFor('request-started')).toMatchObject({ url: `https://${host}/` })
  })

  test.each(['Authorization', 'X-Api-Key'])(
    'P20 cannot strip an injected %s by nominating it in Connection',
    async (field) => {
      const { proxy, upstream } = await bench({ configure: injecting(field) })

      await askInside(
        proxy,
        requestText('GET /', host, [`Connection: close, ${field}`, `${field}: mine`]),
      )

      expect(upstream.received()).toContain(`${field}: ${canary}-1\r\n`)
      expect(upstream.received()).not.toContain('mine')
      expect(upstream.received()).not.toMatch(/connection: .*-key|connection: .*auth/iu)
    },
  )
})

function injecting(header: string): NonNullable<ProxySetup['configure']> {
  const credential = { id: 'key', host, header, format: '{}', value: `${canary}-1` }
  return (builder) => builder.addAnalyzer(new CredentialInjector([credential]))
}

describe('a request to the proxy itself', () => {
  test('P4 is read with its scheme in any case; other schemes are refused', async () => {
    const upstream = open(await startHttpUpstream((_request, response) => response.end('ok')))
    const proxy = open(await startProxy({ connectTo: { 'a.example:80': upstream.port } }))

    const good = await askPlain(proxy, requestText('GET HTTP://a.example/', 'b.example'))
    const refused: number[] = []
    for (const target of [
      'ftp://a.example/',
      'file:///etc/passwd',
      'gopher://a.example/',
      '//a.example/',
      'http:/a.example/',
      'http:a.example',
    ]) {
      refused.push((await askPlain(proxy, requestText(`GET ${target}`, 'a.example'))).status)
    }

    expect(good.status).toBe(200)
    expect(upstream.requests.map(({ message }) => message.headers.host)).toEqual(['a.example'])
    expect(refused).toEqual(Array.from({ length: 6 }, () => 400))
  })
})

describe('a CONNECT', () => {
  test('P11 to an allowed host on another port is passed unread, never decrypted', async () => {
    const upstream = open(await startGreeter('SSH-2.0-test'))
    const proxy = open(
      await startProxy({ allow: [host], connectTo: { [`${host}:22`]: upstream.port } }),
    )

    const { socket } = await connectThrough(proxy, `${host}:22`)
    socket.write('hello')
    const got = await readUntil(socket, () => false)
    socket.end()

    expect(got.toString()).toBe('SSH-2.0-test')
    expect(await proxy.waitFor('tunnel-opened')).toMatchObject({ host, port: 22 })
    expect(proxy.of('request-started')).toEqual([])
  })

  test.each([
    ['the same host in upper case', host.toUpperCase()],
    ['the same host with a dot at its end', `${host}.`],
    ['no host', ''],
  ])('P14 may be followed by TLS that asks for %s', async (_what, servername) => {
    const { proxy } = await bench()
    const secured = await connectTls(proxy, `${host}:443`, {
      servername,
      checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(host, certificate),
    })

    expect((await ask(secured, requestText('GET /', host))).status).toBe(200)
  })

  test('P14 that is followed by TLS for another host is closed, told and not dialled', async () => {
    const { proxy, upstream } = await bench()

    await expect(
      connectTls(proxy, `${host}:443`, { servername: 'other.example' }),
    ).rejects.toThrow()

    expect(await proxy.waitFor('tls-failed')).toMatchObject({ code: 'SNI_MISMATCH', host })
    expect(upstream.connections()).toBe(0)
  })

  test('P15 may have its ClientHello come byte by byte', async () => {
    const { proxy } = await bench()
    const slow = open(await startFaultInjector(proxy.running.port, { up: { sliceBytes: 1 } }))
    const secured = await connectTls({ ...proxy, running: at(proxy, slow.port) }, `${host}:443`)

    expect((await ask(secured, requestText('GET /', host))).status).toBe(200)
  })

  test.each([
    ['an SSLv2 hello', '802b0100020012000000100100800700c0030080'],
    ['a record longer than TLS allows', '160301ffff01'],
    ['an alert', '15030100020228'],
    ['application data before a handshake', '1703030005aaaaaaaaaa'],
  ])(
    'P15 that is followed by %s is closed and told, and nothing is dialled',
    async (_what, hex) => {
      const { proxy, upstream } = await bench({
        configure: (builder) => builder.limit({ handshakeTimeoutMs: 300 }),
      })
      const { socket } = await connectThrough(proxy, `${host}:443`)

      socket.write(Buffer.from(hex, 'hex'))
      await readUntil(socket, () => false)
      socket.end()

      expect(await proxy.waitFor('tls-failed')).toMatchObject({ host, side: 'client' })
      expect(upstream.connections()).toBe(0)
      expect((await askInside(proxy, requestText('GET /', host))).status).toBe(200)
    },
  )
})

/** The running proxy as seen through another port. */
function at(proxy: ProxyUnderTest, port: number): ProxyUnderTest['running'] {
  return new Proxy(proxy.running, {
    get: (target, name) =>
      name === 'port' ? port : (Reflect.get(target, name, target) as unknown),
  })
}

describe('names and addresses', () => {
  const lookupAll = (
    lookup: ReturnType<typeof createGuardedLookup>,
    name: string,
  ): Promise<unknown> =>
    new Promise((resolve) => {
      lookup(name, { all: true }, (error, addresses) => resolve(error ?? addresses))
    })

  test('D2 a name that changes its address between two questions is judged at each', async () => {
    const answers = [
      [{ address: '93.184.216.34', family: 4 }],
      [{ address: '127.0.0.1', family: 4 }],
    ]
    const lookup = createGuardedLookup(createAddressPolicy(false), (_name, _options, done) =>
      done(null, answers.shift() ?? []),
    )

    expect(await lookupAll(lookup, 'rebind.example')).toEqual([
      { address: '93.184.216.34', family: 4 },
    ])
    expect(await lookupAll(lookup, 'rebind.example')).toMatchObject({
      code: 'ERR_PORTHOLE_ADDRESS_DENIED',
    })
  })

  test('D2 of an answer that mixes public and private addresses only the public are dialled', async () => {
    const lookup = createGuardedLookup(createAddressPolicy(false), (_name, _options, done) =>
      done(null, [
        { address: '10.0.0.1', family: 4 },
        { address: '::ffff:169.254.169.254', family: 6 },
        { address: '2606:2800:220:1::1', family: 6 },
        { address: '64:ff9b::7f00:1', family: 6 },
      ]),
    )

    expect(await lookupAll(lookup, 'mixed.example')).toEqual([
      { address: '2606:2800:220:1::1', family: 6 },
    ])
  })

  test.each([
    ['does not exist', 'ENOTFOUND'],
    ['is not answered by the resolver', 'EAI_AGAIN'],
  ])('D4 a name that %s is a 502', async (_what, code) => {
    fakeLookup(() => Object.assign(new Error(code), { code }))
    const proxy = open(await startProxy({}))

    const { head } = await connectThrough(proxy, 'gone.example:443')

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
  })

  test('D4 a name with a thousand forbidden addresses is refused at once', async () => {
    const addresses = Array.from({ length: 1000 }, (_, index) => ({
      address: `10.0.${index >> 8}.${index & 255}`,
      family: 4,
    }))
    fakeLookup(() => addresses)
    const proxy = open(await startProxy({ guardAddresses: true }))

    const { head } = await connectThrough(proxy, 'many.example:443')

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
  })

  test('D5 a connection that is refused asks no name server', async () => {
    const asked: string[] = []
    fakeLookup((name) => {
      asked.push(name)
      return []
    })
    const proxy = open(
      await startProxy({ configure: (builder) => builder.requireToken('porthole', 't0ken') }),
    )

    const tunnel = await connectThrough(proxy, 'secret-in-a-name.example:443')
    const plain = await askPlain(proxy, requestText('GET http://leak.example/', 'leak.example'))

    expect(tunnel.head).toMatch(/^HTTP\/1\.1 407 /u)
    expect(plain.status).toBe(407)
    expect(asked).toEqual([])
  })

  test('D6 a name whose first address is dead is reached by its second', async () => {
    const upstream = open(await startGreeter('reached'))
    fakeLookup(() => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ])
    const proxy = open(await startProxy({}))

    const { socket } = await connectThrough(proxy, `two.example:${upstream.port}`)
    socket.write('hello')
    const got = await readUntil(socket, () => false)

    expect(got.toString()).toBe('reached')
    socket.end()
  })

  test.runIf(process.platform === 'linux')(
    'D6 a name whose first address swallows connections is reached by its second',
    async () => {
      const swallowing = open(await startFullServer('127.0.0.2'))
      const upstream = net.createServer((socket) => {
        socket.once('data', () => socket.end('reached'))
      })
      upstream.listen(swallowing.port, '127.0.0.1')
      await once(upstream, 'listening')
      opened.push({ close: async () => void upstream.close() })
      fakeLookup(() => [
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
      const proxy = open(await startProxy({}))

      const { socket } = await connectThrough(proxy, `two.example:${swallowing.port}`)
      socket.write('hello')
      const got = await readUntil(socket, () => false)

      expect(got.toString()).toBe('reached')
      socket.end()
    },
  )
})

/** Says its line to whoever has said something. */
function startGreeter(line: string): ReturnType<typeof startRawUpstream> {
  return startRawUpstream((socket) => void socket.once('data', () => socket.end(line)))
}

type Found = NodeJS.ErrnoException | dns.LookupAddress[]

/** Answers lookups of names in `.example` from here on; the proxy must be started after it. */
function fakeLookup(find: (name: string) => Found): void {
  type Answer = (error: NodeJS.ErrnoException | null, found: dns.LookupAddress[]) => void
  const { lookup } = dns
  const fake = (name: string, options: dns.LookupAllOptions, done: Answer): void => {
    if (!name.endsWith('.example')) {
      lookup(name, options, done)
      return
    }
    const found = find(name)
    if (Array.isArray(found)) done(null, found)
    else done(found, [])
  }
  vi.spyOn(dns, 'lookup').mockImplementation(fake as typeof dns.lookup)
}
