/** What is told of how long it took to reach an upstream: over a new connection, and a kept one. */
import { expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, connectTls, readUntil, startProxy } from '../support/proxy.ts'
import { createUpstreamRoot, startHttpsUpstream, startHttpUpstream } from '../support/upstream.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const open = closesAfterEach()

test('a new connection is timed, DNS and TCP apart from TLS, and a kept one is said to be kept', async () => {
  const upstream = await startHttpsUpstream(root, host, (_request, response) => response.end('ok'))
  open(upstream)
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: upstream.port },
    root,
  })
  open(proxy)
  const socket = await connectTls(proxy, `${host}:443`)
  for (const path of ['/a', '/b']) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await readUntil(socket, (all) => all.toString().endsWith('ok'))
    await proxy.waitFor('request-started', ({ url }) => url.endsWith(path))
  }
  await expect.poll(() => proxy.of('exchange-completed').length, { timeout: 15_000 }).toBe(2)
  const [first, second] = proxy.of('response-started')

  expect(first?.connectMs).toBeGreaterThanOrEqual(0)
  expect(first?.tlsMs).toBeGreaterThan(0)
  expect((first?.connectMs ?? 0) + (first?.tlsMs ?? 0)).toBeLessThanOrEqual(first?.ttfbMs ?? 0)
  expect(first?.reusedConnection).toBeUndefined()
  expect(second).toMatchObject({ reusedConnection: true })
  expect(second?.connectMs).toBeUndefined()
})

test('plain HTTP has no TLS to time', async () => {
  const upstream = await startHttpUpstream((_request, response) => response.end('ok'))
  open(upstream)
  const proxy = await startProxy({ allow: [host], connectTo: { [`${host}:80`]: upstream.port } })
  open(proxy)
  const socket = await connectRaw(proxy)
  socket.write(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await readUntil(socket, (all) => all.toString().endsWith('ok'))
  const { connectMs, tlsMs } = await proxy.waitFor('response-started')

  expect(connectMs).toBeGreaterThanOrEqual(0)
  expect(tlsMs).toBeUndefined()
})
