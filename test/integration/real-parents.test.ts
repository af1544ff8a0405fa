/** Chaining through tinyproxy and squid as they are: what companies put between us and upstreams. */
import { randomBytes } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import { hasTool } from '../ca/external-tools.ts'
import { closesAfterEach } from '../support/opened.ts'
import { createProxiedClient } from '../support/proxied-client.ts'
import type { ProxiedClient } from '../support/proxied-client.ts'
import { connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import type { ParentName, ParentSetup, RealParent } from '../support/real-parents.ts'
import { startRealParent } from '../support/real-parents.ts'
import {
  createUpstreamRoot,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
} from '../support/upstream.ts'

// Every name but this one would have to be looked up by the parent, somewhere else.
const host = 'localhost'
const blockedHost = 'blocked.example'
const root = createUpstreamRoot(host)
const open = closesAfterEach()

interface Chain {
  readonly parent: RealParent
  readonly proxy: ProxyUnderTest
}

interface ChainSetup extends ParentSetup {
  /** Decrypted, as `HOST:PORT`. */
  readonly allow?: readonly string[]
  /** What the proxy knows of the parent's users: `user:password@`. */
  readonly userinfo?: string
  readonly bypass?: readonly string[]
}

async function chain(name: ParentName, setup: ChainSetup = {}): Promise<Chain> {
  const parent = open(await startRealParent(name, setup))
  const url = `http://${setup.userinfo ?? ''}127.0.0.1:${parent.port}`
  const proxy = open(
    await startProxy({
      allow: setup.allow ?? ['api.openai.com'],
      root,
      configure: (builder) => builder.upstreamProxy(url, setup.bypass ?? []),
    }),
  )
  return { parent, proxy }
}

function clientOf({ running }: ProxyUnderTest): ProxiedClient {
  return createProxiedClient(running.url, running.certificateAuthority.certificatePem)
}

const echo = (): Promise<{ port: number; close(): Promise<void> }> =>
  startRawUpstream((socket) => socket.pipe(socket), { allowHalfOpen: true })

const parents: readonly ParentName[] = ['tinyproxy', 'squid']

describe.each(parents)('through %s', (name) => {
  const isMissing = !hasTool(name)
  const why = isMissing ? ` (skipped: no ${name} here)` : ''

  test.skipIf(isMissing)(`a tunnel carries bytes both ways${why}`, async () => {
    const target = open(await echo())
    const { proxy } = await chain(name)

    const { socket, head } = await connectThrough(proxy, `${host}:${target.port}`)
    const sent = randomBytes(300_000)
    const back = readUntil(socket, (all) => all.length === sent.length)
    socket.write(sent)

    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
    expect((await back).equals(sent)).toBe(true)
    // Only now: neither parent passes a half-close on, both end the tunnel with it.
    socket.end()
    const closed = await proxy.waitFor('tunnel-closed')
    expect(closed).toMatchObject({ bytesUp: sent.length, bytesDown: sent.length })
  })

  test.skipIf(isMissing)(`an intercepted stream arrives event by event${why}`, async () => {
    const seen = Promise.withResolvers<void>()
    const upstream = open(
      await startHttpsUpstream(root, host, (_request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' })
        response.write('data: first\n\n')
        // Only a client that has the first event makes the second one come.
        void seen.promise.then(() => response.end('data: second\n\n'))
      }),
    )
    const allow = [`${host}:${upstream.port}`]
    const { proxy } = await chain(name, { allow })
    using client = clientOf(proxy)

    const answer = await client.request({
      url: `https://${host}:${upstream.port}/stream`,
      onData: () => seen.resolve(),
    })

    expect(answer.body.toString()).toBe('data: first\n\ndata: second\n\n')
    await proxy.waitFor('exchange-completed')
    expect(upstream.connections()).toBe(1)
  })

  test.skipIf(isMissing)(`a megabyte goes up and comes down unchanged${why}`, async () => {
    const down = randomBytes(1024 * 1024)
    const up = randomBytes(1024 * 1024)
    const upstream = open(
      await startHttpsUpstream(root, host, (_request, response) => response.end(down)),
    )
    const { proxy } = await chain(name, { allow: [`${host}:${upstream.port}`] })
    using client = clientOf(proxy)
    const url = `https://${host}:${upstream.port}/`

    const first = await client.request({ url, method: 'POST', body: up })
    const second = await client.request({ url, method: 'POST', body: up })

    expect([first, second].map(({ body }) => body.equals(down))).toEqual([true, true])
    expect(upstream.requests.map(({ body }) => body.equals(up))).toEqual([true, true])
    await expect
      .poll(() => proxy.of('exchange-completed'), { timeout: 15_000 })
      .toMatchObject([
        { requestBytes: up.length, responseBytes: down.length },
        { requestBytes: up.length, responseBytes: down.length },
      ])
  })

  test.skipIf(isMissing)(`plain HTTP goes by way of it${why}`, async () => {
    const upstream = open(await startHttpUpstream((_request, response) => response.end('plain')))
    const { proxy } = await chain(name, { allow: [`${host}:${upstream.port}`] })
    using client = clientOf(proxy)

    const answer = await client.request({ url: `http://${host}:${upstream.port}/x` })

    expect(answer).toMatchObject({ status: 200, body: Buffer.from('plain') })
    expect(upstream.requests[0]?.message.headers['via']).toContain('1.1 ')
    expect(await proxy.waitFor('exchange-completed')).toMatchObject({ responseBytes: 5 })
  })

  test.skipIf(isMissing)(`its users get in, over tunnels and plain HTTP${why}`, async () => {
    const target = open(await echo())
    const upstream = open(await startHttpUpstream((_request, response) => response.end('plain')))
    const setup = { credentials: 'ann:s3cret', userinfo: 'ann:s3cret@' }
    const { proxy } = await chain(name, { ...setup, allow: [`${host}:${upstream.port}`] })
    using client = clientOf(proxy)

    const { socket, head } = await connectThrough(proxy, `${host}:${target.port}`)
    const answer = await client.request({ url: `http://${host}:${upstream.port}/x` })

    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
    expect(answer.body.toString()).toBe('plain')
    expect(upstream.requests[0]?.message.headers['proxy-authorization']).toBeUndefined()
    socket.destroy()
  })

  test.skipIf(isMissing)(`others get a 502 that says why${why}`, async () => {
    const setup = { credentials: 'ann:s3cret', userinfo: 'ann:wr0ng@' }
    const { proxy } = await chain(name, { ...setup, allow: [`${host}:9443`] })

    const { socket, head } = await connectThrough(proxy, `${host}:9444`)
    const secured = await connectTls(proxy, `${host}:9443`)
    const answer = await ask(secured, requestText('GET /', `${host}:9443`))

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    expect(answer.status).toBe(502)
    expect(answer.body).toContain('the upstream proxy answered 40')
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({ by: 'upstream', status: 502 })
    expect(JSON.stringify(proxy.messages)).not.toContain('wr0ng')
    socket.destroy()
    secured.destroy()
  })

  test.skipIf(isMissing)(`a host that it refuses is a 502 that says why${why}`, async () => {
    const { proxy } = await chain(name, { blockedHost, allow: [blockedHost] })

    const { socket, head } = await connectThrough(proxy, `${blockedHost}:8443`)
    const secured = await connectTls(proxy, `${blockedHost}:443`)
    const answer = await ask(secured, requestText('GET /', blockedHost))

    expect(head).toMatch(/^HTTP\/1\.1 502 /u)
    expect(answer).toMatchObject({ status: 502 })
    expect(answer.body).toContain('the upstream proxy answered 403')
    socket.destroy()
    secured.destroy()
  })

  test.skipIf(isMissing)(`a bypassed host is reached without it${why}`, async () => {
    const upstream = open(
      await startHttpsUpstream(root, host, (_request, response) => response.end('direct')),
    )
    const allow = [`${host}:${upstream.port}`, blockedHost]
    const { parent, proxy } = await chain(name, { allow, bypass: [host] })
    await parent.kill()

    const direct = await connectTls(proxy, `${host}:${upstream.port}`)
    const reached = await ask(direct, requestText('GET /', `${host}:${upstream.port}`))
    const chained = await connectTls(proxy, `${blockedHost}:443`)
    const lost = await ask(chained, requestText('GET /', blockedHost))

    expect(reached).toMatchObject({ status: 200, body: expect.stringContaining('direct') })
    expect(lost.status).toBe(502)
    direct.destroy()
    chained.destroy()
  })

  test.skipIf(isMissing)(`what runs through it ends visibly when it dies${why}`, async () => {
    const target = open(await echo())
    const upstream = open(
      await startHttpsUpstream(root, host, (_request, response) => {
        response.writeHead(200, { 'Content-Length': 1000 })
        response.write('begun')
      }),
    )
    const { parent, proxy } = await chain(name, { allow: [`${host}:${upstream.port}`] })
    const { socket } = await connectThrough(proxy, `${host}:${target.port}`)
    socket.write('ping')
    await readUntil(socket, (all) => all.includes('ping'))
    const secured = await connectTls(proxy, `${host}:${upstream.port}`)
    secured.write(requestText('GET /', `${host}:${upstream.port}`))
    await readUntil(secured, (all) => all.includes('begun'))
    const ended = [socket, secured].map((side) => readUntil(side, () => false))

    await parent.kill()
    await Promise.all(ended)
    // The death of a process is a half-close on the wire; the client has its own half left.
    socket.end()

    expect(await proxy.waitFor('tunnel-closed')).toMatchObject({ bytesUp: 4, bytesDown: 4 })
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'upstream',
      phase: 'response',
    })
    socket.destroy()
    secured.destroy()
  })
})
