/**
 * One decision and at most one outcome of each request, whoever of rules, tokens, credentials and
 * audit ends it and whenever its client leaves; nothing of a secret in any of them.
 */
import { describe, expect, test } from 'vitest'

import type { CredentialLocation } from '../../src/policy/credential.ts'
import { host, secretValue, startJoinedBench } from '../support/joined-bench.ts'
import type { JoinedBench, JoinedSetup } from '../support/joined-bench.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectRaw } from '../support/proxy.ts'
import { ask, readAnswer, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { rule } from '../support/rules.ts'
import { chunked, requestBytes } from '../support/token-bench.ts'
import { connectAs } from '../support/vault-proxy.ts'

const open = closesAfterEach()

async function bench(setup: JoinedSetup = {}): Promise<JoinedBench> {
  return open(await startJoinedBench(setup))
}

const json = 'Content-Type: application/json'
const target = '/v1/chat/completions'
const patient = { timeout: 60_000 }
const noGpt = rule({ name: 'no-gpt', action: 'block', model: 'gpt-4*' })
const call = (model: string, more: object = {}): string => JSON.stringify({ model, ...more })

async function send(all: JoinedBench, request: Buffer | string): Promise<RawAnswer> {
  const socket = await connectAs(all.proxy, host, all.agentToken)
  socket.write(request)
  const answer = await readAnswer(socket)
  socket.destroy()
  return answer
}

/** All that was told, kept or answered. */
function told(all: JoinedBench, answer?: RawAnswer): string {
  return JSON.stringify([all.proxy.messages, all.decisions, all.outcomes, answer])
}

describe('a token that is refused while the body streams', () => {
  test('was let through by then, and has an outcome that says how it ended', async () => {
    const all = await bench({ tokens: { onMismatch: 'block' } })
    const { token } = all.vault.writable.tokens.mint({
      secret: 'one',
      hosts: undefined,
      agent: undefined,
      expiresAt: 1,
    })
    const head = `POST ${target} HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n`
    const answer = await send(
      all,
      Buffer.concat([Buffer.from(head), chunked([Buffer.from(call('o3', { token }))])]),
    )

    expect(answer.status).toBe(403)
    await expect.poll(() => all.outcomes.length, patient).toBe(1)
    expect(all.decisions).toMatchObject([{ decision: 'allow' }])
    expect(all.outcomes).toMatchObject([{ status: 403, error: 'token-host-mismatch' }])
    expect(all.proxy.of('exchange-failed')).toMatchObject([{ by: 'proxy', phase: 'request' }])
    expect(all.proxy.of('exchange-completed')).toEqual([])
  })
})

describe('an opaque token where a credential goes', () => {
  test('is no key of its own', async () => {
    const all = await bench({ ownKeys: 'refuse' })
    const field = (text: string): string =>
      requestText(`GET ${target}`, host, [`Authorization: Bearer ${text}`])

    expect((await send(all, field(all.token))).status).toBe(200)
    expect(all.upstream.requests[0]?.fields).toContainEqual([
      'Authorization',
      `Bearer ${secretValue}`,
    ])
    expect((await send(all, field('sk-of-its-own-0123456'))).status).toBe(403)
    expect((await send(all, field(`${all.token}sk-of-its-own`))).status).toBe(403)
    expect(all.upstream.requests).toHaveLength(1)
  })
})

describe('what a client puts where a credential goes', () => {
  test.each<[string, CredentialLocation, (key: string) => string]>([
    ['a path', { type: 'url-path', pattern: '/bot{}/', ifPresent: true }, (key) => `/bot${key}/x`],
    ['a query', { type: 'query', name: 'k', ifPresent: true }, (key) => `/x?k=${key}&a=1`],
  ])('in %s is in no record of what was decided', async (_where, location, path) => {
    const own = 'sk-own-key-0123456789'
    const all = await bench({
      location,
      rules: [rule({ action: 'block', method: 'DELETE' })],
    })
    for (const method of ['GET', 'DELETE']) {
      await send(all, requestText(`${method} ${path(own)}`, host))
    }
    const local = `127.0.0.1:${all.proxy.running.port}`
    for (const method of ['GET', 'DELETE']) {
      const routed = await ask(
        await connectRaw(all.proxy),
        requestText(`${method} /r${path(all.agentToken)}`, local),
      )
      expect(routed.status).toBe(method === 'GET' ? 200 : 403)
      expect(told(all, routed)).not.toContain(all.agentToken)
    }

    expect(all.decisions.map(({ decision, agent }) => [decision, agent])).toEqual([
      ['allow', 'ci'],
      ['deny', 'ci'],
      ['allow', 'ci'],
      ['deny', 'ci'],
    ])
    await expect.poll(() => all.outcomes.length, patient).toBe(2)
    expect(told(all)).not.toContain(own)
    expect(told(all)).not.toContain(all.agentToken)
    expect(told(all)).not.toContain('CANARY')
  })
})

describe('a client that leaves', () => {
  test('while a rule reads its body leaves one end, one decision, and nothing held', async () => {
    const all = await bench({
      rules: [noGpt],
      configure: (b) => b.limit({ heldBodiesBytes: 90_000 }),
    })
    for (let index = 0; index < 3; index += 1) {
      const socket = await connectAs(all.proxy, host, all.agentToken)
      const bytes = requestBytes(host, {
        target,
        fields: [json],
        body: call('o3', { x: 'y'.repeat(60_000), t: all.token }),
      })
      socket.write(bytes.subarray(0, -5))
      await expect.poll(() => all.proxy.of('request-started').length, patient).toBe(index + 1)
      socket.destroy()
      await expect.poll(() => all.decisions.length, patient).toBe(index + 1)
    }
    await expect.poll(() => all.proxy.of('exchange-failed').length, patient).toBe(3)
    expect(all.decisions.map(({ decision, reason }) => [decision, reason])).toEqual(
      Array.from({ length: 3 }, () => ['deny', 'client-aborted']),
    )
    expect(
      (
        await send(
          all,
          requestBytes(host, {
            target,
            fields: [json],
            body: call('o3', { x: 'y'.repeat(60_000) }),
          }),
        )
      ).status,
    ).toBe(200)
    expect(all.upstream.requests).toHaveLength(1)
  })
  test('while its body is watched by a rule', async () => {
    const all = await bench({ rules: [rule({ action: 'observe', model: 'gpt-4*' })] })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    const bytes = requestBytes(host, {
      target,
      fields: [json],
      body: call('o3', { x: 'y'.repeat(60_000) }),
    })
    socket.write(bytes.subarray(0, -5))
    await all.proxy.waitFor('request-started')
    socket.destroy()
    await all.proxy.waitFor('exchange-failed')
    await expect.poll(() => all.decisions.length, patient).toBe(1)
    expect(all.decisions).toMatchObject([{ decision: 'deny', reason: 'client-aborted' }])
    expect(all.upstream.received()).toBe('')
  })

  test('while its body is held for tokens', async () => {
    const all = await bench()
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(
      requestBytes(host, { target, fields: [json], body: call('o3', { t: all.token }) }).subarray(
        0,
        -5,
      ),
    )
    await all.proxy.waitFor('request-started')
    socket.destroy()
    await all.proxy.waitFor('exchange-failed')
    await expect.poll(() => all.decisions.length, patient).toBe(1)
    expect(all.decisions).toMatchObject([{ decision: 'deny', reason: 'client-aborted' }])
    expect(all.upstream.received()).toBe('')
  })

  test('while the decision is being recorded', async () => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<boolean>()
    const all = await bench({
      rules: [noGpt],
      record: () => {
        asked.resolve()
        return answer.promise
      },
    })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(requestBytes(host, { target, fields: [json], body: call('o3', { t: all.token }) }))
    await asked.promise
    socket.destroy()
    await all.proxy.waitFor('exchange-failed')
    answer.resolve(true)
    await expect.poll(() => all.proxy.running.stats().exchanges, patient).toBe(0)
    expect(all.upstream.received()).toBe('')
    expect(all.decisions).toHaveLength(1)
    expect(all.proxy.of('exchange-failed')).toHaveLength(1)
    expect(all.proxy.of('exchange-completed')).toHaveLength(0)
    await expect.poll(() => all.outcomes.length, patient).toBe(1)
  })
})

test('what must be recorded and cannot be is not sent', async () => {
  let ok = true
  const all = await bench({ record: () => Promise.resolve(ok) })
  const socket = await connectAs(all.proxy, host, all.agentToken)
  const request = requestBytes(host, { target, fields: [json], body: call('o3', { t: all.token }) })
  for (const good of [true, false, true, false]) {
    ok = good
    socket.write(request)
    const answer = await readAnswer(socket)
    expect(answer.status).toBe(good ? 200 : 503)
    expect(answer.body + answer.head).not.toContain('CANARY')
  }
  expect(all.upstream.requests).toHaveLength(2)
  await expect.poll(() => all.proxy.of('exchange-completed').length, patient).toBe(4)
  expect(all.outcomes).toHaveLength(2)
})
