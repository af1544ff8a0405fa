/**
 * Hostile clients and upstreams around credentials: the token of the proxy and the secrets that it
 * injects. Canaries stand for both, and must turn up nowhere but where they belong.
 */
import { afterEach, describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { canary } from '../support/canary.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import { startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { Script, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { startHttpUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const other = 'other.example'
const token = `${canary}-token`
const secret = `${canary}-secret`
const basic = `Proxy-Authorization: Basic ${Buffer.from(`porthole:${token}`).toString('base64')}`
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

const injector = (): CredentialInjector =>
  new CredentialInjector([
    { id: 'key', host, header: 'Authorization', format: 'Bearer {}', value: secret },
  ])

async function bench(
  script?: Script,
  over: ProxySetup = {},
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = open(await startScriptedUpstream(host, script))
  const proxy = open(
    await startProxyTo(host, upstream, {
      configure: (builder) => builder.addAnalyzer(injector()),
      ...over,
    }),
  )
  return { proxy, upstream }
}

function guardedByToken(): Promise<ProxyUnderTest> {
  return startProxy({ configure: (builder) => builder.requireToken('porthole', token) }).then(open)
}

describe('the token of the proxy', () => {
  test.each<[string, string]>([
    ['of another scheme', 'Negotiate abc'],
    ['that is no base64', 'Basic \u00e9\u00e9\u00e9'],
    ['without a colon', `Basic ${Buffer.from('porthole').toString('base64')}`],
    ['that is empty', ''],
    ['with a scheme alone', 'Basic'],
    ['of 60 KB', `Basic ${'A'.repeat(60_000)}`],
    ['with a zero byte', `Basic ${Buffer.from(`porthole:${token}\0`).toString('base64')}`],
    ['that only begins right', `Bearer ${token.slice(0, -1)}`],
    [
      'in the user name alone, cut',
      `Basic ${Buffer.from(`${token.slice(1)}:`).toString('base64')}`,
    ],
  ])('A1 %s is answered 407, and the connection may go on', async (_what, value) => {
    const proxy = await guardedByToken()
    const socket = await connectRaw(proxy)
    const connect = (line: string): string => requestText(`CONNECT ${host}:1`, `${host}:1`, [line])

    const refused = await ask(socket, connect(`Proxy-Authorization: ${value}`))
    const again = await ask(socket, connect(`Proxy-Authorization: ${value}`))

    expect([refused.status, again.status]).toEqual([407, 407])
    expect(refused.head).toContain('Proxy-Authenticate: Basic')
    expect(proxy.of('tunnel-opened')).toEqual([])
    socket.destroy()
  })

  test('A1 sent twice, once right and once wrong, is answered 407', async () => {
    const proxy = await guardedByToken()

    const { head, socket } = await connectThrough(
      proxy,
      `${host}:443`,
      `${basic}\r\nProxy-Authorization: Basic bm8=\r\n`,
    )

    expect(head).toMatch(/^HTTP\/1\.1 407 /u)
    socket.destroy()
  })

  test('A6 does not reach an upstream from inside a tunnel, nor with an upgrade', async () => {
    const { proxy, upstream } = await bench()
    const fields = [basic, 'Proxy-Connection: keep-alive', 'Proxy-Whatever: x']

    await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host, fields))
    const upgrade = ['Connection: Upgrade, Proxy-Authorization', 'Upgrade: websocket']
    const socket = await connectTls(proxy, `${host}:443`)
    await ask(socket, requestText('GET /ws', host, [...fields, ...upgrade]))

    expect(upstream.received()).toContain('GET /ws')
    expect(upstream.received()).not.toMatch(/^proxy-/imu)
    expect(upstream.received()).not.toContain(basic.slice(-12))
  })

  test('A7 is not given to an upstream that asks for it, nor is its challenge passed on', async () => {
    const { proxy, upstream } = await bench((socket) => {
      socket.write(
        'HTTP/1.1 407 Give\r\nProxy-Authenticate: Basic realm="phish"\r\nContent-Length: 0\r\n\r\n',
      )
    })

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer.status).toBe(407)
    expect(answer.head).not.toContain('phish')
    expect(upstream.received().match(/^GET /gmu)).toHaveLength(1)
    expect(upstream.received()).not.toMatch(/^proxy-/imu)
  })

  test('A10 is not replaced by an address, whoever claims it', async () => {
    const proxy = await guardedByToken()

    const { head, socket } = await connectThrough(
      proxy,
      `${host}:443`,
      'X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n',
    )

    expect(head).toMatch(/^HTTP\/1\.1 407 /u)
    socket.destroy()
  })
})

describe('an injected secret', () => {
  test('S1 reaches the host that it is for, and no other by any way', async () => {
    const bound = open(await startScriptedUpstream(host))
    const plain = open(await startHttpUpstream((_request, response) => response.end('ok')))
    const unbound = open(await startScriptedUpstream(other))
    const proxy = open(
      await startProxy({
        allow: [host, `${host}:8443`, other, `${host}:80`],
        connectTo: {
          [`${host}:443`]: bound.port,
          [`${host}:80`]: plain.port,
          [`${other}:443`]: unbound.port,
        },
        configure: (builder) =>
          builder
            .upstreamCa(bound.root.certificatePem, unbound.root.certificatePem)
            .addAnalyzer(injector()),
      }),
    )

    await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))
    await ask(
      await connectTls(proxy, `${other}:443`),
      requestText('GET /', other, [`X-Forwarded-Host: ${host}`]),
    )
    await ask(await connectTls(proxy, `${other}:443`), requestText('GET /', host))
    await ask(await connectRaw(proxy), requestText(`GET http://${host}/`, host))

    expect(bound.received()).toContain(`Authorization: Bearer ${secret}\r\n`)
    expect(unbound.received()).toContain('GET / HTTP/1.1')
    expect(unbound.received()).not.toContain(secret)
    expect(plain.requests).toHaveLength(1)
    expect(JSON.stringify(plain.requests[0]?.message.rawHeaders)).not.toContain(secret)
    expect(JSON.stringify(proxy.messages)).not.toContain(secret)
  })

  test('S6 does not follow a redirect: the client gets it, and nothing more is dialled', async () => {
    const evil = open(await startScriptedUpstream(other))
    const upstream = open(
      await startScriptedUpstream(host, (socket) => {
        socket.write(
          `HTTP/1.1 307 Over There\r\nLocation: https://${other}/\r\nContent-Length: 0\r\n\r\n`,
        )
      }),
    )
    const proxy = open(
      await startProxyTo(host, upstream, {
        allow: [host, other],
        connectTo: { [`${host}:443`]: upstream.port, [`${other}:443`]: evil.port },
        configure: (builder) =>
          builder.upstreamCa(evil.root.certificatePem).addAnalyzer(injector()),
      }),
    )

    const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

    expect(answer.status).toBe(307)
    expect(answer.head).toContain(`Location: https://${other}/`)
    expect(evil.connections()).toBe(0)
  })

  test('S9 stands in no message and no answer, whatever goes wrong after it was set', async () => {
    const { proxy, upstream } = await bench((socket) => void socket.end('no HTTP\r\n\r\n'))

    const answer = await ask(
      await connectTls(proxy, `${host}:443`),
      requestText('POST /', host, [], 'body'),
    )
    await proxy.waitFor('exchange-failed')

    expect(upstream.received()).toContain(secret)
    expect(answer.status).toBe(502)
    expect(answer.head + answer.body).not.toContain(secret)
    expect(JSON.stringify(proxy.messages)).not.toContain(secret)
  })

  test('S10 of a client stands in no message and no answer when its request is malformed', async () => {
    const errors: unknown[] = []
    const { proxy } = await bench(undefined, {
      configure: (builder) =>
        builder.use({
          onError: (_ctx: unknown, error: unknown) => void errors.push(error),
        }),
    })
    const socket = await connectTls(proxy, `${host}:443`)
    const all = readUntil(socket, () => false)

    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${secret}\r\nno colon\r\n\r\n`)
    const answer = (await all).toString()
    socket.destroy()
    await proxy.waitFor('connection-closed')

    expect(answer).toMatch(/^HTTP\/1\.1 400 /u)
    expect(answer).not.toContain(secret)
    expect(JSON.stringify(proxy.messages)).not.toContain(secret)
    expect(errors).toEqual([])
  })

  test('S16 replaces a key that the client sent of its own, in every spelling', async () => {
    const { proxy, upstream } = await bench()
    const socket = await connectTls(proxy, `${host}:443`)

    socket.write(
      requestText('GET /', host, ['authorization: Bearer mine', 'AUTHORIZATION: Bearer mine']),
    )
    await readAnswer(socket)

    expect(upstream.received().match(/authorization:.*/giu)).toEqual([
      `authorization: Bearer ${secret}`,
    ])
    socket.destroy()
  })
})

describe('an upgrade', () => {
  test('W1 without the token is answered 407 before anything is dialled', async () => {
    const upstream = open(await startHttpUpstream((_request, response) => response.end()))
    const proxy = open(
      await startProxy({
        connectTo: { 'ws.example:80': upstream.port },
        configure: (builder) => builder.requireToken('porthole', token),
      }),
    )

    const answer = await ask(
      await connectRaw(proxy),
      requestText('GET http://ws.example/', 'ws.example', [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ]),
    )

    expect(answer.status).toBe(407)
    expect(upstream.connections()).toBe(0)
  })
})
