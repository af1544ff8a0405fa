/**
 * WebSockets, tunnels and agents that are put out, where rules, tokens and an audit all have a say:
 * what was decided, what goes up, and how it ends.
 */
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { openAuthority } from '../../ca/key-store.ts'
import { host, startJoinedBench } from '../support/joined-bench.ts'
import type { JoinedBench, JoinedSetup } from '../support/joined-bench.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectThrough, readUntil } from '../support/proxy.ts'
import { requestText } from '../support/raw-http.ts'
import { rule } from '../support/rules.ts'
import { requestBytes } from '../support/token-bench.ts'
import { basicToken, connectAs } from '../support/vault-proxy.ts'

const open = closesAfterEach()

async function bench(setup: JoinedSetup = {}): Promise<JoinedBench> {
  return open(await startJoinedBench(setup))
}

const patient = { timeout: 60_000 }
const json = 'Content-Type: application/json'
const target = '/v1/chat/completions'
const handshake = (token: string): string =>
  requestText('GET /v1/responses', host, [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `X-Token: ${token}`,
  ])

describe('an upgrade with a token', () => {
  test('is not sent where its record is demanded and cannot be made', async () => {
    const all = await bench({ record: () => Promise.resolve(false) })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(handshake(all.token))
    const text = (await readUntil(socket, () => false)).toString()

    expect(text).toMatch(/^HTTP\/1\.1 503 /u)
    expect(text).not.toContain('CANARY')
    expect(all.upstream.received()).toBe('')
    expect(all.decisions).toHaveLength(1)
    await expect.poll(() => all.proxy.of('exchange-completed').length, patient).toBe(1)
  })

  test('is refused by a rule on models, and by one on its path, once', async () => {
    for (const fields of [{ model: 'gpt-4*' }, { path: '/v1/responses' }]) {
      const all = await bench({ rules: [rule({ name: 'no', action: 'block', ...fields })] })
      const socket = await connectAs(all.proxy, host, all.agentToken)
      socket.write(handshake(all.token))
      const text = (await readUntil(socket, () => false)).toString()

      expect(text).toMatch(/^HTTP\/1\.1 403 /u)
      expect(all.upstream.received()).toBe('')
      expect(all.decisions).toMatchObject([{ decision: 'deny', rule: 'no' }])
    }
  })

  test('whose client leaves while it is being recorded reaches nobody', async () => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<boolean>()
    const all = await bench({
      record: () => {
        asked.resolve()
        return answer.promise
      },
    })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(handshake(all.token))
    await asked.promise
    socket.destroy()
    await all.proxy.waitFor('exchange-failed')
    answer.resolve(true)

    await expect.poll(() => all.proxy.running.stats().exchanges, patient).toBe(0)
    expect(all.upstream.received()).toBe('')
    expect(all.decisions).toHaveLength(1)
    await expect.poll(() => all.outcomes.length, patient).toBe(1)
  })
})

describe('an agent that is revoked', () => {
  test.each([['while a rule reads its body'], ['while its request is being recorded']])(
    '%s gets nothing sent, and one decision is kept',
    async (when) => {
      const asked = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<boolean>()
      const all = await bench({
        rules: [rule({ action: 'block', model: 'gpt-4*' })],
        record: () => {
          asked.resolve()
          return answer.promise
        },
      })
      const socket = await connectAs(all.proxy, host, all.agentToken)
      const ended = once(socket, 'end')
      const body = JSON.stringify({ model: 'o3', t: all.token })
      const bytes = requestBytes(host, { target, fields: [json], body })
      const isReading = when.includes('rule')
      socket.write(isReading ? bytes.subarray(0, -3) : bytes)
      await (isReading ? all.proxy.waitFor('request-started') : asked.promise)
      all.vault.writable.agents.revoke('ci')
      await all.proxy.waitFor('exchange-failed')
      answer.resolve(true)
      await ended
      socket.destroy()

      await expect.poll(() => all.proxy.running.stats().exchanges, patient).toBe(0)
      await expect.poll(() => all.decisions.length, patient).toBe(1)
      expect(all.decisions).toMatchObject([{ decision: isReading ? 'deny' : 'allow', agent: 'ci' }])
      expect(all.upstream.received()).toBe('')
      await expect.poll(() => all.outcomes.length, patient).toBe(1)
      expect(all.outcomes).toMatchObject([{ agent: 'ci', error: 'client-aborted' }])
    },
  )
})

/** Its key may be read by others. */
async function unusableCa(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-joined-'))
  open({ close: async () => rmSync(folder, { recursive: true }) })
  await openAuthority(join(folder, 'ca'), { permittedHosts: [host], now: new Date() })
  chmodSync(join(folder, 'ca', 'ca.key.pem'), 0o644)
  return join(folder, 'ca')
}

describe('without a CA, where hosts are tunnelled instead', () => {
  test.each([
    [{ action: 'block', model: 'gpt-4*' }, 403],
    [{ action: 'block', path: '/v1/*' }, 403],
    [{ action: 'budget', amount: '$1', per: 'day' }, 403],
    [{ action: 'rate', limit: '1/1h' }, 200],
    [{ action: 'block', host: 'other.example' }, 200],
    [{ action: 'observe', model: 'gpt-4*' }, 200],
  ] as const)('a rule %j answers %i', async (fields, status) => {
    const ca = await unusableCa()
    const all = await bench({
      rules: [rule(fields)],
      configure: (builder) => builder.onCaFailure('tunnel').caDirectory(ca),
    })
    const { socket, head } = await connectThrough(
      all.proxy,
      `${host}:443`,
      basicToken(all.agentToken),
    )
    socket.destroy()
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `, 'u'))
    await expect.poll(() => all.decisions.length, patient).toBe(1)
    expect(all.decisions[0]?.decision).toBe(status === 200 ? 'tunnel' : 'deny')
  })
})
