/**
 * Opaque tokens among hostile agents and upstreams, over real TLS: each becomes its secret on the
 * way to hosts that it is bound to, and nothing at all on the way to any other.
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import { describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { TokenReplacer } from '../../analyzers/token-replacer.ts'
import { formsOfValue } from '../../src/policy/credential-value.ts'
import { StarpodTokens } from '../../src/policy/tokens/starpod-tokens.ts'
import { canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, readUntil, startProxy } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import {
  boundHost,
  chunked,
  otherHost,
  plainValue,
  requestBytes,
  secretValue,
  sendPieces,
  startTokenBench,
} from '../support/token-bench.ts'
import type { SeenRequest, TokenBench, TokenBenchSetup } from '../support/token-bench.ts'
import {
  jsonEscaped,
  percentAll,
  percentEncoded,
  placesInBody,
  placesInCodings,
  placesInHead,
} from '../support/token-places.ts'
import { createUpstreamRoot, startHttpUpstream } from '../support/upstream.ts'
import { basicToken, connectAs } from '../support/vault-proxy.ts'
import { agent, secret } from '../support/vault.ts'

const open = closesAfterEach()
const bench = async (setup: TokenBenchSetup = {}): Promise<TokenBench> =>
  open(await startTokenBench(setup))

const json = 'Content-Type: application/json'

function seenBy(all: TokenBench, host: string): SeenRequest | undefined {
  return all.upstreams[host]?.requests.at(-1)
}

/** No byte that says anything of the token or the secret, in any form. */
function expectNeither(received: string, token: string): void {
  const run = token.slice(token.lastIndexOf(':') + 1)
  const forms = [run, 'v1:', percentAll(run, true), percentAll(run, false), jsonEscaped(run)]
  const found = [...forms, canary, ...formsOfValue(secretValue)].filter((form) =>
    received.includes(form),
  )
  expect(found).toEqual([])
}

describe('a token in', () => {
  const places = [...placesInHead, ...placesInBody, ...placesInCodings]

  test.each(places)(
    'S1 S3 $name becomes its secret on the way to its host, and nothing on the way to another',
    async ({ request, read }) => {
      const all = await bench()

      const answers = [
        await sendPieces(all, boundHost, [request(boundHost, all.token)]),
        await sendPieces(all, otherHost, [request(otherHost, all.token)]),
      ]

      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      const bound = seenBy(all, boundHost)
      expect(bound === undefined ? undefined : read(bound)).toBe(secretValue)
      const other = seenBy(all, otherHost)
      expect(other === undefined ? undefined : read(other)).toBe('')
      expectNeither(all.upstreams[otherHost]?.received() ?? '', all.token)
      await expect.poll(() => all.proxy.of('exchange-completed').length).toBe(2)
      expect(all.proxy.of('token-replaced')).toMatchObject([{ secretId: 'one', count: 1 }])
      expect(all.proxy.of('token-stripped')).toMatchObject([{ secretId: 'one', reason: 'host' }])
      const told = JSON.stringify(all.proxy.messages)
      expect(told).not.toContain(canary)
      expect(told).not.toContain(all.token.slice(12))
    },
  )

  test('S1 a request of an agent that may not have it, that is too late, or was revoked', async () => {
    const all = await bench()
    const { writable } = all.vault
    const poor = writable.agents.add(agent('poor'))
    const [expired, bound, gone] = [
      all.mint({ expiresAt: 1 }),
      all.mint({ agent: 'poor' }),
      all.mint(),
    ]
    const list = writable.tokens.list()
    writable.tokens.revoke(list.at(-1)?.id ?? '')
    const revoked = list.at(-1)?.createdAt === undefined ? '' : gone
    const reasons: Array<string | undefined> = []
    const cases: ReadonlyArray<readonly [string, string]> = [
      [poor, all.token],
      [all.agentToken, expired],
      [all.agentToken, bound],
    ]
    for (const [agentToken, token] of cases) {
      const request = requestBytes(boundHost, {
        fields: [json, `X-Key: ${token}`],
        body: `{"k":"${token}"}`,
      })
      const answer = await sendPieces({ ...all, agentToken }, boundHost, [request])
      expect(answer.status).toBe(200)
      expectNeither(all.upstreams[boundHost]?.received() ?? '', token)
    }
    await expect.poll(() => all.proxy.of('exchange-completed').length).toBe(cases.length)
    for (const { reason } of all.proxy.of('token-stripped')) reasons.push(reason)
    expect(reasons).toEqual(['agent', 'agent', 'expired', 'expired', 'agent', 'agent'])
    expect(revoked).not.toBe('')
  })

  test('S1 a trailer is looked at like any field', async () => {
    const all = await bench()
    const send = (host: string) => {
      const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n`
      return sendPieces(all, host, [
        `${head}2\r\nhi\r\n0\r\nX-Trailer: ${all.token}\r\nX-Other: 1\r\n\r\n`,
      ])
    }

    expect((await send(boundHost)).status).toBe(200)
    expect((await send(otherHost)).status).toBe(200)

    expect(seenBy(all, boundHost)?.trailers).toEqual(['X-Trailer', secretValue, 'X-Other', '1'])
    expect(seenBy(all, otherHost)?.trailers).toEqual(['X-Trailer', '', 'X-Other', '1'])
    expectNeither(all.upstreams[otherHost]?.received() ?? '', all.token)
  })

  test('S1 the Host that a request pretends to have decides nothing', async () => {
    const all = await bench()
    const request = requestBytes(boundHost, { fields: [`X-Key: ${all.token}`] })

    const answer = await sendPieces(all, otherHost, [request])

    expect(answer.status).toBe(421)
    expect(all.upstreams[otherHost]?.received()).toBe('')
  })
})

describe('a body', () => {
  test('S3 that is not changed goes out as it came, length, coding and all', async () => {
    const all = await bench()
    const body = gzipSync('{"k": "porthole:v1:none", "b": "no token"}')
    const request = requestBytes(boundHost, { fields: [json, 'Content-Encoding: gzip'], body })

    await sendPieces(all, boundHost, [request])

    const received = all.upstreams[boundHost]?.received() ?? ''
    expect(received.endsWith(body.toString('latin1'))).toBe(true)
    expect(received).toContain(`Content-Length: ${body.length}\r\n`)
    expect(received).toContain('Content-Encoding: gzip\r\n')
  })

  test('S3 that is changed is sent with its new length, and plain', async () => {
    const all = await bench()
    const body = gzipSync(`{"k": "${all.token}"}`)
    const request = requestBytes(boundHost, { fields: [json, 'Content-Encoding: gzip'], body })

    await sendPieces(all, boundHost, [request])

    const length = JSON.stringify({ k: secretValue }).length + 1
    const received = all.upstreams[boundHost]?.received() ?? ''
    expect(received).toContain(`Content-Length: ${length}\r\n`)
    expect(received).not.toMatch(/transfer-encoding|content-encoding/iu)
  })

  test('S3 that is large, or waited with, streams in chunks', async () => {
    const all = await bench()
    const filler = 'x'.repeat(1_200_000)
    const large = requestBytes(boundHost, {
      fields: [json],
      body: `{"a": "${filler}", "k": "${all.token}"}`,
    })
    const expecting = requestBytes(boundHost, {
      fields: [json, 'Expect: 100-continue'],
      body: `{"k": "${all.token}"}`,
    })

    await sendPieces(all, boundHost, [large])
    expect(seenBy(all, boundHost)?.body).toContain(JSON.stringify(secretValue))
    const socket = await connectAs(all.proxy, boundHost, all.agentToken)
    socket.write(expecting)
    await readUntil(socket, (answer) => answer.includes('\r\n\r\nok'))
    socket.destroy()
    expect(seenBy(all, boundHost)?.body).toBe(`{"k": ${JSON.stringify(secretValue)}}`)
    const headers = all.upstreams[boundHost]?.requests.map(
      ({ fields }) => fields.find(([name]) => /^transfer-encoding$/iu.test(name))?.[1],
    )
    expect(headers).toEqual(['chunked', 'chunked'])
  })

  test('S3 that grows beyond what is held goes on in chunks', async () => {
    const all = await bench({ value: `${canary}-${'y'.repeat(15_000)}` })
    const body = `${all.token} `.repeat(600)

    await sendPieces(all, boundHost, [requestBytes(boundHost, { body })])

    expect(
      seenBy(all, boundHost)?.body.match(new RegExp(`${canary}-y{15000} `, 'gu')),
    ).toHaveLength(600)
  })

  const unreadable: ReadonlyArray<readonly [string, string, Buffer, number]> = [
    ['of no known coding', 'compress', Buffer.from('x'), 415],
    ['that only says it is coded', 'gzip', Buffer.from('{"k": "plain"}'), 400],
    ['that is cut short', 'gzip', gzipSync('{"k": "cut off here"}').subarray(0, 20), 400],
    ['of five codings', 'gzip, gzip, gzip, gzip, gzip', Buffer.from('x'), 415],
  ]
  test.each(unreadable)('S3 %s is not sent', async (_what, coding, body, status) => {
    const all = await bench()
    const fields = [json, `Content-Encoding: ${coding}`]

    const answer = await sendPieces(all, boundHost, [requestBytes(boundHost, { fields, body })])

    expect(answer.status).toBe(status)
    expect(answer.body).toContain('coded-body')
    expect(all.upstreams[boundHost]?.received()).toBe('')
  })

  test('S3 has no token pass behind the end of its coding', async () => {
    for (const [coding, encode] of [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
    ] as const) {
      const all = await bench()
      const fields = [json, `Content-Encoding: ${coding}`]
      const body = Buffer.concat([encode('{}'), Buffer.from(all.token)])

      await sendPieces(all, otherHost, [requestBytes(otherHost, { fields, body })])

      expect(seenBy(all, otherHost)?.body ?? '{}').toBe('{}')
      expectNeither(all.upstreams[otherHost]?.received() ?? '', all.token)
    }
  })

  test('S3 that is coded is refused, or passed, where the user says so', async () => {
    const [refusing, passing] = [
      await bench({ options: { codedBodies: 'refuse' } }),
      await bench({ options: { codedBodies: 'pass' } }),
    ]
    const fields = [json, 'Content-Encoding: gzip']
    const request = requestBytes(boundHost, { fields, body: gzipSync('{}') })

    expect((await sendPieces(refusing, boundHost, [request])).status).toBe(415)
    expect(refusing.upstreams[boundHost]?.received()).toBe('')
    expect((await sendPieces(passing, boundHost, [request])).status).toBe(200)
    expect(passing.upstreams[boundHost]?.received()).toContain(gzipSync('{}').toString('latin1'))
  })

  test('S3 in forms that are not looked into stays what it is: twice encoded, or in base64', async () => {
    const all = await bench()
    const twice = encodeURIComponent(percentEncoded(all.token))
    const base64 = Buffer.from(all.token).toString('base64')
    const body = JSON.stringify({ twice, base64 })

    await sendPieces(all, boundHost, [requestBytes(boundHost, { fields: [json], body })])

    expect(seenBy(all, boundHost)?.body).toBe(body)
  })
})

describe('a token that is not for a request', () => {
  const body = (token: string): string => `{"k": "${token}"}`

  test('blocks it where the user says so, before anything is sent', async () => {
    const all = await bench({ options: { onMismatch: 'block' } })
    const inHead = requestBytes(otherHost, { fields: [`X-Key: ${all.token}`] })
    const inBody = requestBytes(otherHost, { fields: [json], body: body(all.token) })

    for (const request of [inHead, inBody]) {
      const answer = await sendPieces(all, otherHost, [request])
      expect(answer.status).toBe(403)
      expect(answer.body).toContain('token-host-mismatch')
    }
    expect(all.upstreams[otherHost]?.received()).toBe('')
    await expect.poll(() => all.proxy.of('exchange-completed').length).toBe(2)
    expect(all.proxy.of('request-refused')).toMatchObject([{ status: 403 }, { status: 403 }])
  })

  test('blocks it in a body that streams, which then never looks complete', async () => {
    const all = await bench({ options: { onMismatch: 'block' } })
    const head = `POST / HTTP/1.1\r\nHost: ${otherHost}\r\nTransfer-Encoding: chunked\r\n\r\n`
    const parts = chunked([Buffer.from('x'.repeat(100)), Buffer.from(body(all.token))])

    const answer = await sendPieces(all, otherHost, [head, parts])

    expect(answer.status).toBe(403)
    expect(seenBy(all, otherHost)).toBeUndefined()
    expectNeither(all.upstreams[otherHost]?.received() ?? '', all.token)
    expect(await all.proxy.waitFor('exchange-failed')).toMatchObject({
      by: 'proxy',
      code: 'token-host-mismatch',
      status: 403,
    })
  })

  const changed = (token: string): string => token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')

  test('is left alone where it is none of ours, or taken out, or blocks', async () => {
    const left = await bench()
    const stripping = await bench({ options: { onUnknown: 'strip' } })
    const blocking = await bench({ options: { onUnknown: 'block' } })
    const send = (all: TokenBench) => {
      const token = changed(all.token)
      const fields = [json, `X-Key: ${token}`]
      return sendPieces(all, boundHost, [requestBytes(boundHost, { fields, body: body(token) })])
    }

    expect((await send(left)).status).toBe(200)
    expect(seenBy(left, boundHost)?.body).toBe(body(changed(left.token)))
    expect((await send(stripping)).status).toBe(200)
    expect(seenBy(stripping, boundHost)?.body).toBe(body(''))
    expect(await send(blocking)).toMatchObject({
      status: 403,
      body: expect.stringContaining('token-unknown') as string,
    })
    expect(blocking.upstreams[boundHost]?.received()).toBe('')
  })
})

describe('a secret', () => {
  test('S4 that looks like a token itself is not looked at again', async () => {
    const all = await bench()
    await all.vault.writable.secrets.add(secret('two', boundHost, all.token, { path: '/x' }))
    const outer = all.mint({ secret: 'two' })
    const request = requestBytes(boundHost, {
      target: '/x',
      fields: [json, `X-Key: ${outer}`],
      body: `{"k": "${outer}${all.token}"}`,
    })

    await sendPieces(all, boundHost, [request])

    expect(seenBy(all, boundHost)?.body).toBe(
      `{"k": "${all.token}${JSON.stringify(secretValue).slice(1, -1)}"}`,
    )
  })

  test('S5 that would break its place refuses the request, and is not repeated', async () => {
    const all = await bench({ value: `${canary}:with:colons` })
    await all.vault.writable.secrets.add(secret('dots', boundHost, '..........', { path: '/x/*' }))
    const pair = Buffer.from(`${all.token}:x`).toString('base64')
    const requests = [
      requestBytes(boundHost, { fields: [`Authorization: Basic ${pair}`] }),
      requestBytes(boundHost, { target: `/x/${all.mint({ secret: 'dots' })}` }),
    ]

    for (const request of requests) {
      const answer = await sendPieces(all, boundHost, [request])
      expect(answer.status).toBe(503)
      expect(answer.body).toContain('credential-unavailable')
      expect(answer.body).not.toContain(canary)
    }
    expect(all.upstreams[boundHost]?.received()).toBe('')
  })

  test('S5 that is not to be had refuses the request, in whatever place its token stands', async () => {
    const all = await bench({ vault: { env: {} } })
    const reference = { kind: 'reference', text: 'env://NOT_THERE' } as const
    const over = { content: reference, path: '/x' }
    await all.vault.writable.secrets.add(secret('two', boundHost, '', over))
    const token = all.mint({ secret: 'two' })
    const held = requestBytes(boundHost, { target: '/x', body: token })
    const head = `POST /x HTTP/1.1\r\nHost: ${boundHost}\r\nTransfer-Encoding: chunked\r\n\r\n`
    const streamed = Buffer.concat([Buffer.from(head), chunked([Buffer.from(`x ${token} y`)])])

    for (const request of [held, streamed]) {
      const answer = await sendPieces(all, boundHost, [request])
      expect(answer.status).toBe(503)
      expect(answer.body).toContain('NOT_THERE is not set')
    }
    expect(all.upstreams[boundHost]?.requests).toEqual([])
  })

  test('S5 is revealed for so many tokens of a request and no more', async () => {
    const all = await bench({ value: plainValue })
    const minted = Array.from({ length: 33 }, () => all.mint())
    const request = (tokens: readonly string[]): Buffer =>
      requestBytes(boundHost, { fields: [json], body: JSON.stringify(tokens) })

    const few = await sendPieces(all, boundHost, [request(minted.slice(1))])
    const many = await sendPieces(all, boundHost, [request(minted)])

    expect([few.status, many.status]).toEqual([200, 403])
    expect(seenBy(all, boundHost)?.body).toBe(JSON.stringify(minted.slice(1).fill(plainValue)))
  })

  test('S17 does not go out in the clear, but to this machine', async () => {
    const all = await bench({ value: plainValue })
    const upstream = open(await startHttpUpstream((_request, response) => void response.end('ok')))
    const hosts = ['plain.example:80', '127.0.0.1:8765']
    await all.vault.writable.secrets.add(secret('two', hosts, plainValue))
    const token = all.mint({ secret: 'two' })
    const read = all.vault.read()
    const proxyWith = async (plainLoopback: boolean) =>
      open(
        await startProxy({
          allow: hosts,
          connectTo: Object.fromEntries(hosts.map((host) => [host, upstream.port])),
          root: createUpstreamRoot('plain.example'),
          configure: (builder) =>
            builder
              .agents(read.agents)
              .addAnalyzer(new TokenReplacer(read.tokens, { plainLoopback })),
        }),
      )
    const [proxy, strict] = [await proxyWith(true), await proxyWith(false)]
    const send = async (through: typeof proxy, host: string): Promise<string> => {
      const socket = await connectRaw(through)
      const fields = [basicToken(all.agentToken).trim(), `X-Key: ${token}`]
      await ask(socket, requestText(`POST http://${host}/`, host, fields, `k ${token}`))
      socket.destroy()
      const seen = upstream.requests.at(-1)
      return `${String(seen?.message.headers['x-key'])}, ${seen?.body.toString() ?? ''}`
    }

    expect(await send(proxy, 'plain.example')).toBe(', k ')
    expect(await send(proxy, '127.0.0.1:8765')).toBe(`${plainValue}, k ${plainValue}`)
    expect(await send(strict, '127.0.0.1:8765')).toBe(', k ')
  })
})

test('sealed tokens are replaced beside those of the vault, and the injector goes last', async () => {
  const key = Buffer.alloc(32, 5)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const text = JSON.stringify({ v: `${canary}-sealed-value`, h: [boundHost] })
  const parts = [nonce, cipher.update(text), cipher.final()]
  const all = await bench({
    source: new StarpodTokens(key.toString('hex')),
    configure: (builder) => {
      const given = { id: 'own', host: boundHost, header: 'X-Own', format: '{}' }
      builder.addAnalyzer(new CredentialInjector([{ ...given, value: `${canary}-own-value` }]))
    },
  })
  const sealed = `starpod:v1:${Buffer.concat([...parts, cipher.getAuthTag()]).toString('base64')}`
  const fields = [json, `X-Own: ${sealed}`, `X-Sealed: ${sealed}`]
  const body = `{"both": "${sealed}${all.token}"}`

  await sendPieces(all, boundHost, [requestBytes(boundHost, { fields, body })])

  const seen = seenBy(all, boundHost)
  const escaped = JSON.stringify(secretValue).slice(1, -1)
  expect(seen?.body).toBe(`{"both": "${canary}-sealed-value${escaped}"}`)
  expect(seen?.fields).toContainEqual(['X-Own', `${canary}-own-value`])
  expect(seen?.fields).toContainEqual(['X-Sealed', `${canary}-sealed-value`])
  expect(JSON.stringify(all.proxy.messages)).not.toContain(canary)
})
