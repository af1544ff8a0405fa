/** The address guard at work: what is refused, what opens it, and that nothing was dialled. */
import { afterEach, describe, expect, test } from 'vitest'

import { connectTls, connectThrough, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { createUpstreamRoot, startHttpsUpstream, startRawUpstream } from '../support/upstream.ts'

const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function guarded(setup: ProxySetup = {}): Promise<ProxyUnderTest> {
  const proxy = await startProxy({ guardAddresses: true, ...setup })
  opened.push(proxy)
  return proxy
}

/** A listener on loopback that counts who comes. */
async function startTrap(): Promise<{ port: number; visits: () => number }> {
  let visits = 0
  const trap = await startRawUpstream((socket) => {
    visits += 1
    socket.end('reached')
  })
  opened.push(trap)
  return { port: trap.port, visits: () => visits }
}

describe('a tunnel', () => {
  test.each([
    '127.0.0.1',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '0.0.0.0',
  ])('to %s is refused with 403 and dials nothing', async (host) => {
    const trap = await startTrap()
    const proxy = await guarded()

    const { head } = await connectThrough(proxy, `${host}:${trap.port}`)

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
    expect(await proxy.waitFor('connection-refused')).toMatchObject({ reason: 'address-denied' })
    expect(proxy.of('tunnel-opened')).toHaveLength(0)
    expect(trap.visits()).toBe(0)
  })

  test('to loopback is opened where private addresses are allowed', async () => {
    const trap = await startTrap()
    const proxy = await guarded({ guardAddresses: false })

    const { head } = await connectThrough(proxy, `127.0.0.1:${trap.port}`)

    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
  })

  test('to a metadata service is refused even where private addresses are allowed', async () => {
    const proxy = await guarded({ guardAddresses: false })

    const { head } = await connectThrough(proxy, '169.254.169.254:80')

    expect(head).toMatch(/^HTTP\/1\.1 403 /u)
  })

  test('goes where connect-to says, loopback or not', async () => {
    const trap = await startTrap()
    const proxy = await guarded({ connectTo: { 'example.test:443': trap.port } })

    const { head } = await connectThrough(proxy, 'example.test:443')

    expect(head).toMatch(/^HTTP\/1\.1 200 /u)
  })
})

describe('an intercepted exchange', () => {
  test('with a name that leads to loopback is answered 403', async () => {
    const root = createUpstreamRoot('localhost')
    const upstream = await startHttpsUpstream(root, 'localhost', (_request, response) =>
      response.end(),
    )
    opened.push(upstream)
    const proxy = await guarded({ allow: [`localhost:${upstream.port}`], root })
    const socket = await connectTls(proxy, `localhost:${upstream.port}`)

    socket.write(`GET / HTTP/1.1\r\nHost: localhost:${upstream.port}\r\n\r\n`)
    const got = await readUntil(socket, (all) => all.includes('}}\n'))

    expect(got.toString()).toMatch(/^HTTP\/1\.1 403 /u)
    expect(got.toString()).toContain('address-denied')
    expect(upstream.connections()).toBe(0)
    expect(await proxy.waitFor('exchange-failed')).toMatchObject({
      code: 'address-denied',
      status: 403,
    })
  })
})
