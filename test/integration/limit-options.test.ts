/** Each limit as users write it reaches the part of the proxy that it is of; see also `deadlines.test.ts`. */
import type { Socket } from 'node:net'

import { afterEach, expect, test } from 'vitest'

import { resolveSettings } from '../../src/config/settings.ts'
import { connectRaw, connectThrough, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import { okAnswer, startProxyTo, startScriptedUpstream } from '../support/scripted-upstream.ts'
import type { Script, ScriptedUpstream } from '../support/scripted-upstream.ts'
import { startRawUpstream } from '../support/upstream.ts'
import { handshakeFor, switching } from '../support/websocket-peers.ts'
import { encodeFrame } from '../support/websocket-wire.ts'

const host = 'api.openai.com'
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

/** A proxy as `porthole start --limit TEXT` would make it. */
async function limited(
  text: string,
  script?: Script,
): Promise<{ proxy: ProxyUnderTest; upstream: ScriptedUpstream }> {
  const upstream = open(await startScriptedUpstream(host, script))
  const { limits } = resolveSettings({ command: 'start', flags: { limit: [text] }, env: {} })
  const proxy = open(
    await startProxyTo(host, upstream, {
      allow: [host, 'two.example'],
      configure: (builder) => builder.limit(limits),
    }),
  )
  return { proxy, upstream }
}

test('connections', async () => {
  const { proxy } = await limited('connections=1')
  await connectRaw(proxy)

  const second = await connectRaw(proxy)

  expect((await readAnswer(second)).status).toBe(503)
})

test('header-size', async () => {
  const { proxy } = await limited('header-size=2KiB')

  const answer = await ask(
    await connectTls(proxy, `${host}:443`),
    requestText('GET /', host, [`X: ${'a'.repeat(3000)}`]),
  )

  expect(answer.status).toBe(431)
})

test('head-timeout', async () => {
  const { proxy } = await limited('head-timeout=200ms')

  const answer = await ask(await connectRaw(proxy), 'GET / HTTP/1.1\r\n')

  expect(answer.status).toBe(408)
})

test('handshake-timeout', async () => {
  const { proxy } = await limited('handshake-timeout=100ms')

  await connectThrough(proxy, `${host}:443`)

  expect(await proxy.waitFor('tls-failed')).toMatchObject({ code: 'handshake-timeout' })
})

test('connect-timeout', async () => {
  const silent = open(await startRawUpstream(() => undefined))
  const { limits } = resolveSettings({
    command: 'start',
    flags: { limit: ['connect-timeout=100ms'] },
    env: {},
  })
  const proxy = open(
    await startProxy({
      allow: [host],
      connectTo: { [`${host}:443`]: silent.port },
      configure: (builder) => builder.limit(limits),
    }),
  )

  const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

  expect(answer.status).toBe(504)
})

test('analyzer-timeout', async () => {
  const upstream = open(await startScriptedUpstream(host))
  const { limits } = resolveSettings({
    command: 'start',
    flags: { limit: ['analyzer-timeout=100ms'] },
    env: {},
  })
  const proxy = open(
    await startProxyTo(host, upstream, {
      configure: (builder) =>
        builder
          .limit(limits)
          .addAnalyzer({ name: 'slow', onRequest: () => new Promise<void>(() => undefined) }),
    }),
  )

  const answer = await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

  expect(answer.status).toBe(502)
})

test('interim-answers', async () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
  const { proxy } = await limited('interim-answers=1', (socket) => {
    socket.write(`${interim}${interim}${okAnswer}`)
  })
  const client = await connectTls(proxy, `${host}:443`)

  client.write(requestText('GET /', host))
  const got = await readUntil(client, (all) => all.includes('}}\n') || all.includes('ok'))

  expect(got.toString()).toMatch(/ 103 [^]* 502 /u)
})

test('client-idle', async () => {
  const { proxy } = await limited('client-idle=100ms')
  const client = await connectTls(proxy, `${host}:443`)

  await ask(client, requestText('GET /', host))
  await readUntil(client, () => false)

  expect(client.readableEnded).toBe(true)
})

test('upstream-idle', async () => {
  const closed = Promise.withResolvers<void>()
  const { proxy } = await limited('upstream-idle=100ms', (socket) => {
    socket.once('close', () => closed.resolve())
    socket.write(okAnswer)
  })

  await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))

  await closed.promise
})

test('idle-upstreams', async () => {
  const waiting: Socket[] = []
  const bothCame = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const { proxy, upstream } = await limited('idle-upstreams=1', (socket) => {
    waiting.push(socket)
    socket.once('close', () => closed.resolve())
    if (waiting.length === 2) bothCame.resolve()
  })
  const clients = [
    await connectTls(proxy, `${host}:443`),
    await connectTls(proxy, `${host}:443`),
  ] as const
  const answers = clients.map((client) => ask(client, requestText('GET /', host)))

  await bothCame.promise
  for (const socket of waiting) socket.write(okAnswer)
  await Promise.all(answers)
  await closed.promise

  expect(upstream.connections()).toBe(2)
  expect(waiting.filter((socket) => socket.destroyed)).toHaveLength(1)
})

test('certificates', async () => {
  const { proxy } = await limited('certificates=1')
  const serialOf = async (name: string): Promise<string> => {
    const client = await connectTls(proxy, `${name}:443`)
    const { serialNumber } = client.getPeerCertificate()
    client.destroy()
    return serialNumber
  }

  const [first, again] = [await serialOf(host), await serialOf(host)]
  await serialOf('two.example')
  const third = await serialOf(host)

  expect(again).toBe(first)
  expect(third).not.toBe(first)
})

test('drain-timeout', async () => {
  const { proxy } = await limited('drain-timeout=50ms', () => undefined)
  const client = await connectTls(proxy, `${host}:443`)
  client.write(requestText('GET /', host))
  await proxy.waitFor('request-ended')

  await proxy.running.close()

  expect(proxy.of('exchange-failed')).toHaveLength(1)
})

test('websocket-message', async () => {
  const { proxy } = await limited('websocket-message=100', (socket) => {
    socket.write(switching)
    socket.write(encodeFrame({ opcode: 1, payload: 'x'.repeat(101) }))
  })
  const client = await connectTls(proxy, `${host}:443`)

  client.write(handshakeFor(host))

  expect(await proxy.waitFor('websocket-message')).toMatchObject({ truncated: true, bytes: 101 })
  client.destroy()
})

test('analysis-queue', async () => {
  const { proxy } = await limited('analysis-queue=1')

  const answer = await ask(
    await connectTls(proxy, `${host}:443`),
    requestText('POST /', host, [], 'x'.repeat(10_000)),
  )

  expect(answer.status).toBe(200)
  expect(await proxy.waitFor('messages-dropped')).toMatchObject({ where: 'analysis' })
})

test('unread-messages', async () => {
  const { proxy } = await limited('unread-messages=1')
  const unread = proxy.running.messages()[Symbol.asyncIterator]()

  await ask(await connectTls(proxy, `${host}:443`), requestText('GET /', host))
  await proxy.close()
  const kinds: string[] = []
  for (let next = await unread.next(); next.done !== true; next = await unread.next()) {
    kinds.push(next.value.kind)
  }

  expect(kinds).toEqual(['connection-opened', 'messages-dropped'])
})

test('tunnel-idle-timeout bounds WebSockets too, and puts nothing into them', async () => {
  const { proxy } = await limited('tunnel-idle-timeout=150ms', (socket) => socket.write(switching))
  const client = await connectTls(proxy, `${host}:443`)

  client.write(handshakeFor(host))
  const got = await readUntil(client, () => false)
  client.end()

  expect(got.toString()).toBe(switching)
  expect(await proxy.waitFor('exchange-failed')).toMatchObject({ code: 'idle-timeout' })
})
