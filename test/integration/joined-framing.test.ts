/**
 * What goes up and down a connection where rules and tokens both take a body in: every byte once,
 * in its own framing, and the next request is read where this one ends.
 */
import { gzipSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import type { Rule } from '../../src/policy/rules/rule.ts'
import type { RequestContext } from '../../src/proxy/module-surface.ts'
import { host, secretValue, startJoinedBench } from '../support/joined-bench.ts'
import type { JoinedBench, JoinedSetup } from '../support/joined-bench.ts'
import { closesAfterEach } from '../support/opened.ts'
import { readUntil } from '../support/proxy.ts'
import { readAnswer, requestText } from '../support/raw-http.ts'
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
const noGpt = (): Rule => rule({ name: 'no-gpt', action: 'block', model: 'gpt-4*' })
const call = (more: object = {}): string => JSON.stringify({ model: 'o3', ...more })
const lines = (...fields: readonly string[]): string =>
  [`POST ${target} HTTP/1.1`, `Host: ${host}`, json, ...fields, '', ''].join('\r\n')
const headOf = (all: JoinedBench, index = 0): Map<string, string> =>
  new Map(all.upstream.requests[index]?.fields.map(([name, value]) => [name.toLowerCase(), value]))

describe('a body that a rule reads and that has a token', () => {
  test.each([
    ['held', (body: string) => requestBytes(host, { target, fields: [json], body }), true],
    [
      'larger than what is held',
      (body: string) =>
        requestBytes(host, {
          target,
          fields: [json],
          body: body.replace('"pad":""', `"pad":"${'y'.repeat(2_000_000)}"`),
        }),
      false,
    ],
    [
      'in chunks',
      (body: string) =>
        Buffer.concat([
          Buffer.from(lines('Transfer-Encoding: chunked')),
          chunked(Array.from(body, (letter) => Buffer.from(letter))),
        ]),
      false,
    ],
    [
      'coded',
      (body: string) =>
        requestBytes(host, {
          target,
          fields: [json, 'Content-Encoding: gzip'],
          body: gzipSync(body),
        }),
      true,
    ],
    [
      'coded, in chunks',
      (body: string) =>
        Buffer.concat([
          Buffer.from(lines('Transfer-Encoding: chunked', 'Content-Encoding: gzip')),
          chunked([gzipSync(body)]),
        ]),
      false,
    ],
  ])(
    '%s goes up with its secret, and is told once as it came',
    async (_how, request, hasLength) => {
      const all = await bench({ rules: [noGpt()] })
      const body = call({ t: all.token, pad: '' })
      const bytes = request(body)
      const socket = await connectAs(all.proxy, host, all.agentToken)
      for (let round = 0; round < 2; round += 1) {
        const half = bytes.length >> 1
        socket.write(bytes.subarray(0, half))
        await new Promise((resolve) => setImmediate(resolve))
        socket.write(bytes.subarray(half))
        expect((await readAnswer(socket)).status).toBe(200)
      }
      socket.destroy()

      const [sent] = all.upstream.requests
      const plain =
        bytes.length > 1_000_000
          ? body.replace('"pad":""', `"pad":"${'y'.repeat(2_000_000)}"`)
          : body
      expect(sent?.body).toBe(plain.replace(all.token, secretValue))
      expect(headOf(all).get('content-encoding')).toBeUndefined()
      expect(headOf(all).get('content-length')).toBe(
        hasLength ? String(sent?.body.length) : undefined,
      )
      expect(headOf(all).get('transfer-encoding')).toBe(hasLength ? undefined : 'chunked')
      await expect.poll(() => all.proxy.of('exchange-completed').length, patient).toBe(2)
      const size = all.proxy.of('exchange-completed')[0]?.requestBytes ?? 0
      expect(all.proxy.of('request-ended').map((ended) => ended.bytes)).toEqual([size, size])
      // What is compressed, and has a token in it, is withheld.
      const withheld = all.proxy.of('messages-dropped').map((dropped) => dropped.bytes ?? 0)
      const texts = all.proxy.of('request-body').map(({ text = '' }) => text.length)
      expect([...texts, ...withheld].reduce((sum, count) => sum + count, 0)).toBe(2 * size)
      expect(all.decisions.map(({ decision }) => decision)).toEqual(['allow', 'allow'])
    },
  )

  test('and waits to be asked is asked once', async () => {
    const all = await bench({ rules: [noGpt()] })
    const body = call({ t: all.token })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    for (let round = 0; round < 2; round += 1) {
      socket.write(lines('Expect: 100-continue', `Content-Length: ${body.length}`))
      const asked = await readUntil(socket, (bytes) => bytes.includes('\r\n\r\n'))
      expect(asked.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
      socket.write(body)
      const answer = await readAnswer(socket)
      expect(answer.status).toBe(200)
      expect(answer.body).toBe('ok')
    }
    expect(all.upstream.requests.map((sent) => sent.body)).toEqual(
      [body, body].map((text) => text.replace(all.token, secretValue)),
    )
  })
})

describe('a connection', () => {
  const refusals: ReadonlyArray<readonly [number, JoinedSetup, (token: string) => Buffer]> = [
    [
      403,
      { rules: [noGpt()] },
      (token) =>
        requestBytes(host, {
          target,
          fields: [json],
          body: JSON.stringify({ model: 'gpt-4o', t: token }),
        }),
    ],
    [
      403,
      { rules: [rule({ action: 'block', path: target })] },
      () => requestBytes(host, { target, fields: [json], body: call({ x: 'y'.repeat(200_000) }) }),
    ],
    [
      413,
      { rules: [noGpt()], configure: (b) => b.limit({ ruleBodyBytes: 1000 }) },
      () =>
        requestBytes(host, { target, fields: [json], body: call({ x: 'y'.repeat(3_000_000) }) }),
    ],
    [
      429,
      { rules: [rule({ action: 'rate', limit: '1/1h', path: target })] },
      (token) => requestBytes(host, { target, fields: [json], body: call({ t: token }) }),
    ],
    [
      503,
      { rules: [noGpt()], configure: (b) => b.limit({ heldBodiesBytes: 10_000 }) },
      () => requestBytes(host, { target, fields: [json], body: call({ x: 'y'.repeat(300_000) }) }),
    ],
    [
      403,
      { tokens: { onUnknown: 'block' } },
      (token) =>
        requestBytes(host, {
          target,
          fields: [json],
          body: call({
            t: `${token.slice(0, -1)}~`,
            u: token.slice(0, -2) + (token.endsWith('AA') ? 'BB' : 'AA'),
          }),
        }),
    ],
    [
      415,
      { tokens: { codedBodies: 'refuse' } },
      () =>
        requestBytes(host, {
          target,
          fields: [json, 'Content-Encoding: gzip'],
          body: gzipSync(call()),
        }),
    ],
  ]
  test.each(refusals)('is read on at the next request after %i', async (status, setup, refused) => {
    const all = await bench(setup)
    const socket = await connectAs(all.proxy, host, all.agentToken)
    const good = requestText('GET /fine', host)
    if (status === 429) {
      socket.write(refused(all.token))
      expect((await readAnswer(socket)).status).toBe(200)
    }
    // In one go: what follows is read while the one before is being refused.
    const all3 = readUntil(
      socket,
      (bytes) => bytes.toString('latin1').split('HTTP/1.1 200').length === 3,
    )
    socket.write(
      Buffer.concat([refused(all.token), Buffer.from(good), refused(all.token), Buffer.from(good)]),
    )
    const text = (await all3).toString('latin1')
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/gu)].map(([, code]) => Number(code))
    expect(statuses).toEqual([status, 200, status, 200])
    socket.destroy()
    const before = status === 429 ? 1 : 0
    expect(all.upstream.requests.slice(before).map((sent) => sent.target)).toEqual([
      '/fine',
      '/fine',
    ])
    expect(
      all.decisions
        .slice(before)
        .map(({ decision }) => decision)
        .toSorted(),
    ).toEqual(['allow', 'allow', 'deny', 'deny'])
    expect(all.upstream.received().split('CANARY').length - 1).toBe(
      all.upstream.requests.length + before,
    )
  })

  test('whose body was not asked for is closed', async () => {
    const all = await bench({ rules: [rule({ action: 'block', path: target })] })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(lines('Expect: 100-continue', 'Content-Length: 10'))
    const text = (await readUntil(socket, () => false)).toString()
    expect(text).toMatch(/^HTTP\/1\.1 403 /u)
    expect(text).toMatch(/Connection: close/iu)
  })

  test('whose body breaks off badly leaves one decision', async () => {
    const all = await bench({ rules: [noGpt()] })
    const socket = await connectAs(all.proxy, host, all.agentToken)
    socket.write(`${lines('Transfer-Encoding: chunked')}5\r\n{"mod\r\nzz\r\n`)
    await readUntil(socket, () => false)
    await all.proxy.waitFor('exchange-failed')
    await expect.poll(() => all.decisions.length, patient).toBe(1)
    await expect.poll(() => all.proxy.running.stats().exchanges, patient).toBe(0)
    expect(all.decisions).toHaveLength(1)
    expect(all.upstream.received()).toBe('')
  })
})

test('a module sees tokens and no secret, and what it adds goes up with them', async () => {
  const seen: string[] = []
  const all = await bench({
    rules: [noGpt()],
    configure: (builder) =>
      builder.use({
        onRequestData: (
          _ctx: RequestContext,
          chunk: Buffer,
          done: (e: null, c: Buffer) => void,
        ) => {
          seen.push(chunk.toString())
          done(null, Buffer.concat([chunk, Buffer.from(' ')]))
        },
      }),
  })
  const socket = await connectAs(all.proxy, host, all.agentToken)
  const body = call({ t: all.token })
  for (let round = 0; round < 2; round += 1) {
    socket.write(requestBytes(host, { target, fields: [json], body }))
    expect((await readAnswer(socket)).status).toBe(200)
  }
  socket.write(
    requestBytes(host, {
      target,
      fields: [json],
      body: JSON.stringify({ model: 'gpt-4o', t: all.token }),
    }),
  )
  expect((await readAnswer(socket)).status).toBe(403)
  socket.write(requestBytes(host, { target, fields: [json], body }))
  expect((await readAnswer(socket)).status).toBe(200)
  expect(seen.join('')).toBe(body + body + body)
  expect(all.upstream.requests.map((sent) => sent.body.trimEnd())).toEqual(
    [1, 2, 3].map(() => body.replace(all.token, secretValue)),
  )
  expect(headOf(all).get('transfer-encoding')).toBe('chunked')
  expect(headOf(all).get('content-length')).toBeUndefined()
})
