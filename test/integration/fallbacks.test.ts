/** What happens where interception cannot work: a rejecting client, an unusable CA, a silent peer. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'

import { afterEach, expect, test } from 'vitest'

import { openAuthority } from '../../ca/key-store.ts'
import { PortholeBuilder } from '../../src/builder.ts'
import { connectTls, connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { createUpstreamRoot, startHttpsUpstream, startRawTlsUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

/** A TLS client that trusts the origin's root only, as one with pinned or built-in roots does. */
async function visitStrictly(proxy: ProxyUnderTest): Promise<string> {
  const { socket } = await connectThrough(proxy, `${host}:443`)
  const secured = tls.connect({ socket, servername: host, ca: root.certificatePem })
  secured.on('error', () => {})
  secured.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  const got = await readUntil(secured, (all) => all.includes('origin'))
  socket.destroy()
  return got.toString()
}

test('a client that rejects the certificate is tunnelled from the next time on, where that is wanted', async () => {
  const upstream = await startHttpsUpstream(root, host, (_request, response) =>
    response.end('origin'),
  )
  opened.push(upstream)
  const proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => builder.tunnelOnReject(),
  })
  opened.push(proxy)

  const first = await visitStrictly(proxy)
  const failed = await proxy.waitFor('tls-failed')
  const second = await visitStrictly(proxy)

  expect(first).toBe('')
  expect(failed).toMatchObject({ side: 'client', host })
  expect(failed.hint).toContain('NODE_EXTRA_CA_CERTS')
  expect(second).toContain('origin')
  expect(await proxy.waitFor('tunnel-opened')).toMatchObject({ host, reason: 'client-rejects-ca' })
})

test('without that wish it is refused again', async () => {
  const upstream = await startHttpsUpstream(root, host, (_request, response) =>
    response.end('origin'),
  )
  opened.push(upstream)
  const proxy = await startProxy({ root, connectTo: { [`${host}:443`]: upstream.port } })
  opened.push(proxy)

  await visitStrictly(proxy)
  await proxy.waitFor('tls-failed')

  expect(await visitStrictly(proxy)).toBe('')
  expect(proxy.of('tunnel-opened')).toHaveLength(0)
})

test('an unusable CA stops the start, or tunnels everything where that was chosen', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'porthole-fallback-'))
  opened.push({ close: async () => rmSync(directory, { recursive: true }) })
  const ca = join(directory, 'ca')
  await openAuthority(ca, { permittedHosts: [host], now: new Date() })
  chmodSync(join(ca, 'ca.key.pem'), 0o644)
  const upstream = await startHttpsUpstream(root, host, (_request, response) =>
    response.end('origin'),
  )
  opened.push(upstream)
  const setup = {
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder: PortholeBuilder) => builder.caDirectory(ca).onCaFailure('tunnel'),
  }

  await expect(new PortholeBuilder().caDirectory(ca).build().start()).rejects.toMatchObject({
    code: 'ERR_CA_MODE',
  })
  const proxy = await startProxy(setup)
  opened.push(proxy)
  const got = await visitStrictly(proxy)

  expect(proxy.running.caFailure?.code).toBe('ERR_CA_MODE')
  expect(got).toContain('origin')
  expect(await proxy.waitFor('tunnel-opened')).toMatchObject({ host, reason: 'ca-unavailable' })
})

test('an upstream that falls silent is given up, and the client told', async () => {
  const upstream = await startHttpsUpstream(root, host, () => {})
  opened.push(upstream)
  const proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => builder.limit({ answerTimeoutMs: 100 }),
  })
  opened.push(proxy)
  const socket = await connectTls(proxy, `${host}:443`)

  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const got = await readUntil(socket, (all) => all.includes('}}\n'))

  expect(got.toString()).toMatch(/^HTTP\/1\.1 504 /u)
  expect(await proxy.waitFor('exchange-failed')).toMatchObject({
    by: 'upstream',
    phase: 'waiting',
    code: 'answer-timeout',
  })
})

test('a stream that falls silent is cut, not ended', async () => {
  const upstream = await startHttpsUpstream(root, host, (_request, response) => {
    response.write('data: x\n\n')
  })
  opened.push(upstream)
  const proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => builder.limit({ idleTimeoutMs: 100 }),
  })
  opened.push(proxy)
  const socket = await connectTls(proxy, `${host}:443`)

  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const got = await readUntil(socket, () => false)

  expect(got.toString()).toContain('data: x')
  expect(got.toString()).not.toContain('0\r\n\r\n')
})

const aLot = Buffer.alloc(16 * 1024 * 1024, 'x')

test('an upstream that stops taking an upload is to blame for the silence, not its client', async () => {
  const upstream = await startRawTlsUpstream(root, host, (socket) => void socket.pause())
  opened.push(upstream)
  const proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => builder.limit({ answerTimeoutMs: 2000 }),
  })
  opened.push(proxy)
  const socket = await connectTls(proxy, `${host}:443`)

  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${aLot.length}\r\n\r\n`)
  socket.write(aLot)
  const got = await readUntil(socket, (all) => all.includes('}}\n'))

  expect(got.toString()).toMatch(/^HTTP\/1\.1 504 /u)
  expect(await proxy.waitFor('exchange-failed')).toMatchObject({
    by: 'upstream',
    phase: 'request',
    code: 'answer-timeout',
    status: 504,
  })
})

test('a client that stops taking its answer is to blame for the silence, not the upstream', async () => {
  const upstream = await startHttpsUpstream(root, host, (_request, response) => response.end(aLot))
  opened.push(upstream)
  const proxy = await startProxy({
    root,
    connectTo: { [`${host}:443`]: upstream.port },
    configure: (builder) => builder.limit({ idleTimeoutMs: 2000 }),
  })
  opened.push(proxy)
  const socket = await connectTls(proxy, `${host}:443`)

  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)

  expect(await proxy.waitFor('exchange-failed')).toMatchObject({
    by: 'client',
    phase: 'response',
    code: 'idle-timeout',
  })
  socket.destroy()
})
