/** Agents of the vault that are hostile, late or put out: who is let in, how far, and until when. */
import { once } from 'node:events'
import type { Socket } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../src/policy/host-pattern.ts'
import { canary } from '../support/canary.ts'
import { connectRaw, connectThrough, readUntil } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startRawUpstream } from '../support/upstream.ts'
import {
  askAs,
  basicToken,
  connectAs,
  rootFor,
  startVaultProxy,
  startVaultUpstream,
} from '../support/vault-proxy.ts'
import type { VaultUpstream } from '../support/vault-proxy.ts'
import { agent, makeVault, secret } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const host = 'a.example'
const opened: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})
function open<T extends { close(): Promise<void> }>(item: T): T {
  opened.push(item)
  return item
}

interface Bench {
  readonly vault: VaultUnderTest
  readonly upstream: VaultUpstream
  readonly proxy: ProxyUnderTest
  /** Takes the clock of the proxy's vault forward, in ms. */
  advance(ms: number): void
}

async function bench(answer?: (head: string) => string): Promise<Bench> {
  const vault = open(await makeVault())
  const root = rootFor(host)
  const upstream = open(await startVaultUpstream(root, host, answer))
  let ahead = 0
  const read = vault.read({ now: () => Date.now() + ahead })
  const proxy = open(await startVaultProxy({ vault: read, root, upstreams: { [host]: upstream } }))
  return {
    vault,
    upstream,
    proxy,
    advance: (ms) => {
      ahead += ms
    },
  }
}

/** The proxy's end of it; clients here keep theirs open. */
async function endOf(socket: Socket): Promise<void> {
  socket.resume()
  await Promise.race([once(socket, 'end'), once(socket, 'close')])
}

async function statusFor(
  proxy: ProxyUnderTest,
  authority: string,
  token?: string,
): Promise<string> {
  const field = token === undefined ? '' : basicToken(token)
  const { socket, head } = await connectThrough(proxy, authority, field)
  socket.destroy()
  return head.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3)
}

describe('a token', () => {
  test('A1 is demanded from when there is an agent or a secret, while the proxy runs', async () => {
    const { vault, proxy } = await bench()

    expect(await statusFor(proxy, `${host}:443`)).toBe('200')
    await vault.writable.secrets.add(secret('one', host, `${canary}-0123`))
    expect(await statusFor(proxy, `${host}:443`)).toBe('407')
    const token = vault.writable.agents.add(agent('new'))
    expect(await statusFor(proxy, `${host}:443`, token)).toBe('200')
    expect(await statusFor(proxy, `${host}:443`)).toBe('407')
  })

  test('A1 that is refused leaves the connection open for the right one, as Basic or Bearer', async () => {
    const { vault, proxy } = await bench()
    const token = vault.writable.agents.add(agent('new'))
    const socket = await connectRaw(proxy)
    const connect = (value: string): string =>
      requestText(`CONNECT ${host}:443`, `${host}:443`, [`Proxy-Authorization: ${value}`])

    const wrong = await ask(socket, connect(`Bearer ${token.slice(0, -1)}`))
    socket.write(connect(`Bearer ${token}`))
    const right = await readUntil(socket, (all) => all.includes('\r\n\r\n'))

    expect(wrong.status).toBe(407)
    expect(wrong.head).toContain('Proxy-Authenticate: Basic realm="porthole"')
    expect(right.toString()).toMatch(/^HTTP\/1\.1 200 /u)
    socket.destroy()
  })

  test('A4 that was revoked ends its connections within a second or so: one idle, one in use', async () => {
    const never = open(await startRawUpstream(() => {}))
    const vault = open(await makeVault())
    const root = rootFor(host)
    const upstream = open(await startVaultUpstream(root, host, () => ''))
    const proxy = open(
      await startVaultProxy({
        vault: vault.read(),
        root,
        upstreams: { [host]: upstream, 'tunnel.example': never },
        allow: [host],
      }),
    )
    const token = vault.writable.agents.add(agent('one'))
    const other = vault.writable.agents.add(agent('other'))
    const idle = await connectAs(proxy, host, token)
    const busy = await connectAs(proxy, host, token)
    busy.write(requestText('GET /', host))
    const tunnel = await connectThrough(proxy, 'tunnel.example:443', basicToken(token))
    const kept = await connectThrough(proxy, 'tunnel.example:443', basicToken(other))
    expect(tunnel.head + kept.head).toMatch(/200 .*200 /su)
    const ends = [idle, busy, tunnel.socket].map(endOf)

    vault.writable.agents.revoke('one')
    await Promise.all(ends)

    expect(kept.socket.readyState).toBe('open')
    expect(await statusFor(proxy, `${host}:443`, token)).toBe('407')
    expect(await statusFor(proxy, `${host}:443`, other)).toBe('200')
    kept.socket.destroy()
  })

  test('A4 that was replaced sends no further request on a connection it has', async () => {
    const { vault, upstream, proxy } = await bench()
    const token = vault.writable.agents.add(agent('one', { secrets: 'all' }))
    await vault.writable.secrets.add(secret('s', host, `${canary}-0123`))
    const socket = await connectAs(proxy, host, token)
    expect((await ask(socket, requestText('GET /first', host))).status).toBe(200)

    const fresh = vault.writable.agents.rotate('one')
    const second = await ask(socket, requestText('GET /second', host))

    // Refused, or closed before it could be.
    expect([407, 0]).toContain(second.status)
    expect(upstream.received()).not.toContain('/second')
    expect((await askAs(proxy, fresh, { host })).status).toBe(200)
    socket.destroy()
  })

  test('A4 that has expired is worth nothing, and ends its connections', async () => {
    const { vault, proxy, ...clock } = await bench()
    const token = vault.writable.agents.add(agent('one', { expiresAt: Date.now() + 3_600_000 }))
    const socket = await connectAs(proxy, host, token)
    const ended = endOf(socket)

    clock.advance(3_600_001)

    expect(await statusFor(proxy, `${host}:443`, token)).toBe('407')
    await ended
  })

  test('A4 of an agent that was made anew under its name is not the old one', async () => {
    const { vault, proxy } = await bench()
    const old = vault.writable.agents.add(agent('one'))
    vault.writable.agents.revoke('one')
    const fresh = vault.writable.agents.add(agent('one'))

    expect(await statusFor(proxy, `${host}:443`, old)).toBe('407')
    expect(await statusFor(proxy, `${host}:443`, fresh)).toBe('200')
  })
})

describe('an agent', () => {
  test('A3 is named in every message of its connections, and no other', async () => {
    const { vault, proxy } = await bench()
    const one = vault.writable.agents.add(agent('one'))
    const two = vault.writable.agents.add(agent('two'))

    await askAs(proxy, one, { host })
    await askAs(proxy, two, { host })
    await proxy.waitFor('exchange-completed', (msg) => msg.agent === 'two')

    const agents = proxy.of('request-started').map((msg) => msg.agent)
    expect(agents).toEqual(['one', 'two'])
  })

  test('A5 is not told apart from one that there is not by what the proxy answers', async () => {
    const { vault, proxy } = await bench()
    vault.writable.agents.add(agent('one'))
    const answers = await Promise.all(
      ['one:x', 'two:x', 'one:', ':one'].map(async (pair) => {
        const field = `Proxy-Authorization: Basic ${Buffer.from(pair).toString('base64')}\r\n`
        const { socket, head } = await connectThrough(proxy, `${host}:443`, field)
        socket.destroy()
        return head
      }),
    )

    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/^HTTP\/1\.1 407 /u)
  })

  test('A5 that guesses waits for its answers, while a right token next to it does not', async () => {
    const { vault, proxy } = await bench()
    const token = vault.writable.agents.add(agent('one'))
    const order: string[] = []
    const guess = async (index: number): Promise<void> => {
      expect(await statusFor(proxy, `${host}:443`, `porthole_agent_wrong_${index}`)).toBe('407')
      order.push('wrong')
    }
    // The last of them waits for two seconds.
    const guesses = Array.from({ length: 12 }, (_, index) => guess(index))
    await expect
      .poll(() => proxy.of('connection-refused').length, { timeout: 15_000 })
      .toBeGreaterThan(4)
    expect(await statusFor(proxy, `${host}:443`, token)).toBe('200')
    order.push('right')
    // Asking without any is no guess.
    expect(await statusFor(proxy, `${host}:443`)).toBe('407')
    order.push('none')
    await Promise.all(guesses)

    expect(order.filter((each) => each === 'wrong')).toHaveLength(12)
    expect(order.slice(-1)).toEqual(['wrong'])
  })

  test('A5 that waits for its answer keeps no proxy from stopping', async () => {
    const { vault, proxy } = await bench()
    vault.writable.agents.add(agent('one'))
    const guesses = Array.from({ length: 20 }, (_, index) =>
      statusFor(proxy, `${host}:443`, `porthole_agent_wrong_${index}`),
    )
    await expect
      .poll(() => proxy.of('connection-refused').length, { timeout: 15_000 })
      .toBeGreaterThan(4)

    await proxy.running.close({ drainMs: 0 })

    const answers = await Promise.all(guesses)
    expect(answers.filter((status) => status !== '407' && status !== '')).toEqual([])
  })

  test('reaches its hosts alone: elsewhere 403, before a name is looked up', async () => {
    const vault = open(await makeVault())
    const root = rootFor(host)
    const upstream = open(await startVaultUpstream(root, host))
    const other = open(await startVaultUpstream(rootFor('b.example'), 'b.example'))
    const proxy = open(
      await startVaultProxy({
        vault: vault.read(),
        root,
        upstreams: { [host]: upstream, 'b.example': other },
      }),
    )
    const hosts = [parseHostPattern(host), parseHostPattern('*.c.example')]
    const token = vault.writable.agents.add(agent('one', { hosts }))
    const plain = requestText('GET http://b.example/', 'b.example', [basicToken(token).trim()])

    expect(await statusFor(proxy, `${host}:443`, token)).toBe('200')
    expect(await statusFor(proxy, 'b.example:443', token)).toBe('403')
    expect(await statusFor(proxy, `${host}:8443`, token)).toBe('403')
    expect(await statusFor(proxy, 'c.example:443', token)).toBe('403')
    // Nothing answers for this name: a lookup would end in 502.
    expect(await statusFor(proxy, 'no-such-name.invalid:443', token)).toBe('403')
    expect((await ask(await connectRaw(proxy), plain)).status).toBe(403)
    expect(other.received()).toBe('')
    expect(proxy.of('tunnel-opened')).toEqual([])
    const reasons = (): string[] => proxy.of('connection-refused').map(({ reason }) => reason)
    await expect.poll(reasons, { timeout: 15_000 }).toEqual(Array.from({ length: 5 }, () => 'rule'))
  })
})
