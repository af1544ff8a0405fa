/** Hosts that are put on the allowlist while the proxy runs: new connections are decrypted. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'

import { describe, expect, onTestFinished, test } from 'vitest'

import { connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { createUpstreamRoot, startRawTlsUpstream } from '../support/upstream.ts'

/** Within the constraints of the CA of `*.late.example`, and not on the allowlist. */
const host = 'late.example'
const target = `${host}:443`
const root = createUpstreamRoot(host)

async function start(over: ProxySetup = {}): Promise<ProxyUnderTest> {
  const upstream = await startRawTlsUpstream(root, host, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'))
  })
  onTestFinished(() => upstream.close())
  const proxy = await startProxy({
    allow: ['*.late.example'],
    connectTo: { [target]: upstream.port },
    root,
    ...over,
  })
  onTestFinished(() => proxy.close())
  return proxy
}

/** Sends one request through a CONNECT; returns whether the proxy's CA vouched for the answer. */
async function ask(proxy: ProxyUnderTest): Promise<boolean> {
  const { socket } = await connectThrough(proxy, target)
  const ca = proxy.running.certificateAuthority.certificatePem
  const secured = tls.connect({ socket, servername: host, ca, rejectUnauthorized: false })
  secured.on('error', () => {})
  secured.write(`GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await readUntil(secured, (all) => all.includes('\r\n\r\n'))
  secured.destroy()
  return secured.authorized
}

test('a host that was tunnelled is decrypted from then on', async () => {
  const proxy = await start()
  const before = await ask(proxy)

  expect(proxy.running.allow('Late.Example')).toBe(host)
  const after = await ask(proxy)

  expect([before, after]).toEqual([false, true])
  expect(proxy.of('tunnel-opened')).toHaveLength(1)
  expect((await proxy.waitFor('request-started')).url).toBe(`https://${host}/v1/models`)
})

test('a tunnel that runs stays one', async () => {
  const proxy = await start()
  const { socket } = await connectThrough(proxy, target)
  const opened = await proxy.waitFor('tunnel-opened')

  proxy.running.allow(host)
  const secured = tls.connect({ socket, servername: host, ca: root.certificatePem })
  await new Promise((resolve, reject) => {
    secured.once('secureConnect', resolve)
    secured.once('error', reject)
  })
  secured.destroy()

  const closed = await proxy.waitFor('tunnel-closed')
  expect(closed.exchangeId).toBe(opened.exchangeId)
  expect(proxy.of('request-started')).toEqual([])
})

describe('what cannot be decrypted is refused, with what to do', () => {
  test('by the CA of a run, which vouches for its own hosts only', async () => {
    const proxy = await start()

    expect(() => proxy.running.allow('other.example:8443')).toThrow(
      expect.objectContaining({
        code: 'ERR_CA_OF_RUN',
        hint: 'start it again with --allow other.example:8443',
      }),
    )
  })

  test('by a kept CA outside its constraints, and not by one within', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'porthole-allow-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const proxy = await start({ configure: (builder) => void builder.caDirectory(folder) })

    expect(proxy.running.allow('api.anthropic.com')).toBe('api.anthropic.com')
    expect(() => proxy.running.allow('other.example')).toThrow(
      expect.objectContaining({ code: 'ERR_CA_NOT_PERMITTED', details: { host: 'other.example' } }),
    )
  })

  test.each(['', '*.com', 'https://late.example', 'late.example/x', '\u0000'])(
    'where it is no pattern: %j',
    async (text) => {
      const proxy = await start()

      expect(() => proxy.running.allow(text)).toThrow(
        expect.objectContaining({ code: 'ERR_HOST_PATTERN' }),
      )
    },
  )

  test('after far more than anyone adds by hand', async () => {
    const proxy = await start()
    for (let count = 0; count < 256; count += 1) proxy.running.allow(`h${count}.late.example`)

    expect(proxy.running.allow('h1.late.example')).toBe('h1.late.example')
    expect(() => proxy.running.allow('more.late.example')).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE' }),
    )
  })
})
