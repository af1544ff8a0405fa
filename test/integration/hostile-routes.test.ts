/**
 * Routes whose upstream has a credential: who is let in, by what, from where, and that what a
 * client was let in by reaches neither an upstream nor anything that is told.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { parseRecording } from '../../src/demo/recordings.ts'
import { chatStreamRequest } from '../../src/demo/requests.ts'
import type { CredentialLocation } from '../../src/policy/credential.ts'
import { canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { startRecordedProvider } from '../support/recorded-provider.ts'
import { tlsOptions } from '../support/upstream.ts'
import { askAs, rootFor, startVaultUpstream } from '../support/vault-proxy.ts'
import type { VaultUpstream } from '../support/vault-proxy.ts'
import { agent, makeVault, secret } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const host = 'a.example'
const real = `${canary}-real-key-0123`
const mine = `${canary}-my-own-key-45`
/** The key, and every token that stands for it. */
const secrets = new RegExp(`${canary}|porthole_route_`, 'u')
const open = closesAfterEach()

const locations = {
  header: { type: 'header', name: 'Authorization', format: 'Bearer {}', ifPresent: false },
  own: { type: 'header', name: 'x-own', format: 'key={}', ifPresent: true },
  query: { type: 'query', name: 'k', ifPresent: true },
  path: { type: 'url-path', pattern: '/bot{}/', ifPresent: true },
  basic: { type: 'basic', user: 'me', ifPresent: false },
} as const satisfies Record<string, CredentialLocation>

interface Sent {
  readonly path?: string
  readonly fields?: readonly string[]
  readonly host?: string
}

interface Bench {
  readonly vault: VaultUnderTest
  readonly upstream: VaultUpstream
  readonly proxy: ProxyUnderTest
  /** Of an agent that has every secret. */
  readonly token: string
  /** Of the route itself. */
  readonly own: string
  readonly send: (sent: Sent) => Promise<RawAnswer>
}

/** `/r/` leads to a host with one secret, `/plain/` to one without. */
async function bench(location: CredentialLocation, base = ''): Promise<Bench> {
  const vault = open(await makeVault())
  await vault.writable.secrets.add(secret('s', host, real, { location }))
  const token = vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const root = rootFor(host, 'plain.example')
  const upstream = open(await startVaultUpstream(root, host))
  const plain = open(await startVaultUpstream(root, 'plain.example'))
  const read = vault.read({ unrestricted: 'porthole' })
  const credentials = new CredentialInjector(read.credentials)
  const proxy = open(
    await startProxy({
      connectTo: { [`${host}:443`]: upstream.port, 'plain.example:443': plain.port },
      root,
      configure: (builder) => {
        builder.route(`r=https://${host}${base}`).route(`plain=https://plain.example`)
        builder.agents(read.agents).addAnalyzer(credentials)
        builder.routeCredentials(credentials, { agent: 'porthole' })
        for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      },
    }),
  )
  return {
    vault,
    upstream,
    proxy,
    token,
    own: proxy.running.routes[0]?.token ?? '',
    send: async ({ path = '/r/x', fields = [], host: named }) => {
      const own = named ?? `127.0.0.1:${proxy.running.port}`
      const socket = await connectRaw(proxy)
      const answer = await ask(socket, requestText(`GET ${path}`, own, fields))
      socket.destroy()
      return answer
    },
  }
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

/** All that anybody but the upstream gets to see. */
function told(proxy: ProxyUnderTest, answer: RawAnswer): string {
  return JSON.stringify(proxy.messages) + answer.head + answer.body
}

describe('a token in the place of the credential', () => {
  test.each<[string, keyof typeof locations, (token: string) => Sent, string]>([
    [
      'as Bearer',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${t}`] }),
      `Authorization: Bearer ${real}`,
    ],
    [
      'as bearer',
      'header',
      (t) => ({ fields: [`AUTHORIZATION: bearer  ${t}`] }),
      `AUTHORIZATION: Bearer ${real}`,
    ],
    [
      'bare',
      'header',
      (t) => ({ fields: [`authorization: ${t}`] }),
      `authorization: Bearer ${real}`,
    ],
    ['in its own format', 'own', (t) => ({ fields: [`X-Own: KEY=${t}`] }), `X-Own: key=${real}`],
    ['bare in its own field', 'own', (t) => ({ fields: [`X-Own: ${t}`] }), `X-Own: key=${real}`],
    ['in a query', 'query', (t) => ({ path: `/r/x?a=1&k=${t}` }), `/x?a=1&k=${real}`],
    [
      'in a query, encoded',
      'query',
      (t) => ({ path: `/r/x?%6b=${t.replaceAll('_', '%5F')}&a` }),
      `/x?k=${real}&a`,
    ],
    ['in a path', 'path', (t) => ({ path: `/r/bot${t}/send` }), `/bot${real}/send`],
    [
      'as a password',
      'basic',
      (t) => ({ fields: [`Authorization: ${basic(`who:${t}`)}`] }),
      `Authorization: ${basic(`me:${real}`)}`,
    ],
  ])(
    'A9 %s (%s) is swapped for the credential, and told to nobody',
    async (_what, kind, sent, wanted) => {
      const { proxy, upstream, token, own, send } = await bench(locations[kind])

      for (const [index, given] of [token, own].entries()) {
        const answer = await send(sent(given))
        await proxy.waitFor('exchange-completed', () => true)
        await expect
          .poll(() => proxy.of('exchange-completed').length, { timeout: 15_000 })
          .toBe(index + 1)

        expect(answer.status).toBe(200)
        expect(upstream.received()).not.toContain(given)
        expect(told(proxy, answer)).not.toContain(given)
        expect(told(proxy, answer)).not.toContain(given.slice(20, 50))
      }

      expect(upstream.received().split(wanted)).toHaveLength(3)
      expect(told(proxy, { status: 0, head: '', body: '' })).not.toContain(canary)
      expect(proxy.of('request-started').map((msg) => msg.agent)).toEqual(['all', 'porthole'])
    },
  )

  test.each<[string, keyof typeof locations, (token: string, other: string) => Sent]>([
    ['is missing', 'header', () => ({})],
    ['is empty', 'header', () => ({ fields: ['Authorization: Bearer '] })],
    ['is a key of the client', 'header', () => ({ fields: [`Authorization: Bearer ${mine}`] })],
    ['is one short', 'header', (t) => ({ fields: [`Authorization: Bearer ${t.slice(0, -1)}`] })],
    ['is one long', 'header', (t) => ({ fields: [`Authorization: Bearer ${t}x`] })],
    [
      'has another case',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${t.toUpperCase()}`] }),
    ],
    [
      'is there twice',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${t}`, `authorization: Bearer ${t}`] }),
    ],
    [
      'is joined to another',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${t}, Bearer ${t}`] }),
    ],
    [
      'is beside a wrong one',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${mine}`, `Authorization: Bearer ${t}`] }),
    ],
    ['is in the query twice', 'query', (t) => ({ path: `/r/x?k=${t}&%6B=${t}` })],
    ['is in another parameter', 'query', (t) => ({ path: `/r/x?kk=${t}` })],
    ['is in a query instead', 'header', (t) => ({ path: `/r/x?api_key=${t}&k=${t}` })],
    ['is in another field', 'header', (t) => ({ fields: [`x-api-key: ${t}`] })],
    ['is a proxy’s instead', 'header', (t) => ({ fields: [`Proxy-Authorization: Bearer ${t}`] })],
    ['is encoded in a path', 'path', (t) => ({ path: `/r/bot${t.replace('p', '%70')}/send` })],
    ['is further down a path', 'path', (t) => ({ path: `/r/x/bot${t}/send` })],
    ['is the user of Basic', 'basic', (t) => ({ fields: [`Authorization: ${basic(`${t}:`)}`] })],
    ['is a bearer for Basic', 'basic', (t) => ({ fields: [`Authorization: Bearer ${t}`] })],
    [
      'is that of another route',
      'header',
      (_t, other) => ({ fields: [`Authorization: Bearer ${other}`] }),
    ],
    [
      'is in a header of 60 KiB',
      'header',
      (t) => ({ fields: [`Authorization: Bearer ${t.repeat(900)}`] }),
    ],
  ])('A9 that %s (%s) is answered 401, and nothing is dialled', async (_what, kind, sent) => {
    const { proxy, upstream, own, token, send } = await bench(locations[kind])
    const other = (await bench(locations[kind])).own

    for (const given of [own, token]) {
      const answer = await send(sent(given, other))

      expect(answer.status).toBe(401)
      expect(answer.head).toContain('WWW-Authenticate: Bearer realm="porthole"')
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'unauthenticated' } })
      expect(told(proxy, answer)).not.toContain(given)
      expect(told(proxy, answer)).not.toContain(canary)
    }
    expect(upstream.received()).toBe('')
    expect(proxy.of('request-started')).toEqual([])
  })

  test.each<[string, Sent, number]>([
    ['no such route', { path: '/rr/x' }, 401],
    ['an encoded name', { path: '/%72/x' }, 401],
    ['a doubled slash', { path: '//r/x' }, 401],
    ['a way out', { path: '/r/../plain/x' }, 400],
    ['a way out, encoded', { path: '/r/%2e%2e%2fplain/x' }, 400],
    ['a way round', { path: '/x/../r/x' }, 401],
    ['another Host', { host: 'evil.example' }, 421],
    ['the Host of the upstream', { host }, 421],
    ['the Host of the upstream and a port', { host: `${host}:443` }, 421],
    ['another route without a credential', { path: '/plain/x' }, 401],
    ['a page', { fields: ['Origin: https://evil.example'] }, 403],
  ])('A9 to %s leads nowhere', async (_what, sent, status) => {
    const { upstream, own, send, proxy } = await bench(locations.header)

    const fields = [`Authorization: Bearer ${own}`, ...(sent.fields ?? [])]
    const answer = await send({ ...sent, fields })

    expect(answer.status).toBe(status)
    expect(upstream.received()).toBe('')
    expect(told(proxy, answer)).not.toContain(own)
  })

  test('A9 lets a route’s own token do nothing but that: neither CONNECT nor another route', async () => {
    const { proxy, own } = await bench(locations.header)

    const answer = await ask(
      await connectRaw(proxy),
      requestText('CONNECT a.example:443', 'a.example:443', [`Proxy-Authorization: Bearer ${own}`]),
    )

    expect(answer.status).toBe(407)
  })

  test('A9 takes other keys of the client along with it', async () => {
    const { upstream, own, send } = await bench(locations.header, '/v1')

    const answer = await send({
      path: `/r/chat?dbg=${own}&a=1`,
      fields: [
        `x-api-key: ${mine}`,
        `Authorization: Bearer ${own}`,
        `X-Debug: ${own}`,
        'X-Kept: 1',
      ],
    })

    expect(answer.status).toBe(200)
    expect(upstream.received()).toMatch(/^GET \/v1\/chat\?a=1 HTTP/u)
    expect(upstream.received()).not.toMatch(/x-api-key|X-Debug|porthole_/u)
    expect(upstream.received()).toContain('X-Kept: 1')
    expect(upstream.received()).not.toContain(mine)
  })

  test('A9 never reaches the upstream, also where its agent has no secret there', async () => {
    const { vault, upstream, send, proxy } = await bench(locations.header)
    const none = vault.writable.agents.add(agent('none'))

    const answer = await send({ fields: [`Authorization: Bearer ${none}`] })
    const elsewhere = await askAs(proxy, none, { host: 'api.openai.com' }).catch(() => undefined)

    expect(answer.status).toBe(200)
    expect(upstream.received()).not.toMatch(/authorization|porthole_/iu)
    expect(elsewhere?.status ?? 502).toBe(502)
  })

  test('A9 is not needed by an agent that has no secret there, and brings its own key', async () => {
    const { vault, upstream, send } = await bench(locations.header)
    const none = vault.writable.agents.add(agent('none'))
    const fields = [`Proxy-Authorization: Bearer ${none}`, `Authorization: Bearer ${mine}`]

    expect((await send({ fields })).status).toBe(200)
    expect(upstream.received()).toContain(`Authorization: Bearer ${mine}`)
    vault.writable.agents.grant('none', 's')
    expect((await send({ fields })).status).toBe(401)
  })

  test('A9 of an agent that is put out, or may not go there, is worth nothing', async () => {
    const { vault, upstream, send, token } = await bench(locations.header)
    const elsewhere = vault.writable.agents.add(agent('elsewhere', { hosts: [], secrets: 'all' }))
    vault.writable.agents.revoke('all')

    expect((await send({ fields: [`Authorization: Bearer ${token}`] })).status).toBe(401)
    expect((await send({ fields: [`Authorization: Bearer ${elsewhere}`] })).status).toBe(403)
    expect(upstream.received()).toBe('')
  })

  test('A9 is no good where the credential cannot be had: 503, and nothing is sent', async () => {
    const { vault, upstream, own, send } = await bench(locations.header)
    await vault.writable.secrets.rotate('s', { kind: 'reference', text: 'env://NOT_THERE' })

    const answer = await send({ fields: [`Authorization: Bearer ${own}`] })

    expect(answer.status).toBe(503)
    expect(answer.head.toLowerCase()).toContain('x-porthole-error: credential-unavailable')
    expect(upstream.received()).toBe('')
  })
})

test('A9 is not demanded where the user wants no tokens at all, but says who it is even so', async () => {
  const root = rootFor(host)
  const upstream = open(await startVaultUpstream(root, host))
  const fixed = { id: 'K', host, header: 'Authorization', format: 'Bearer {}', value: real }
  const credentials = new CredentialInjector([fixed])
  const proxy = open(
    await startProxy({
      connectTo: { [`${host}:443`]: upstream.port },
      root,
      configure: (builder) => {
        builder.route(`r=https://${host}`).addAnalyzer(credentials).authentication('off')
        builder.routeCredentials(credentials, { agent: 'porthole' })
      },
    }),
  )
  const own = proxy.running.routes[0]?.token ?? ''
  const place = `127.0.0.1:${proxy.running.port}`

  for (const fields of [[], [`Authorization: Bearer ${mine}`], [`Authorization: ${own}`]]) {
    const answer = await ask(await connectRaw(proxy), requestText('GET /r/', place, fields))
    expect(answer.status).toBe(200)
  }

  await expect.poll(() => proxy.of('request-started').length, { timeout: 15_000 }).toBe(3)
  expect(proxy.of('request-started').map((msg) => msg.agent)).toEqual([
    undefined,
    undefined,
    'porthole',
  ])
  expect(upstream.received().split(real)).toHaveLength(4)
  expect(upstream.received()).not.toContain(mine)
})

test('A9 routes of one proxy have tokens of their own, and none where there is no credential', async () => {
  const { proxy } = await bench(locations.header)
  const second = await bench(locations.header)

  const tokens = [proxy, second.proxy].map(({ running }) => running.routes[0]?.token)

  expect(new Set(tokens).size).toBe(2)
  expect(tokens[0]).toMatch(/^porthole_route_[\w-]{51}$/u)
  expect(proxy.running.routes[1]).toMatchObject({ name: 'plain', token: undefined })
})

describe('the SDK of', () => {
  async function provider(name: string, to: string, location: CredentialLocation) {
    const path = resolve(import.meta.dirname, `../fixtures/provider/${name}.json`)
    const recording = parseRecording(await readFile(path, 'utf8'))
    const root = rootFor(to)
    const { cert, key } = tlsOptions(root, to)
    const upstream = open(
      await startRecordedProvider({
        exchanges: [recording],
        tls: { certificatePem: cert, privateKeyPem: key },
        chunking: { seed: 3, maxSize: 80 },
      }),
    )
    const vault = open(await makeVault())
    await vault.writable.secrets.add(secret('s', to, real, { location }))
    const read = vault.read({ unrestricted: 'porthole' })
    const credentials = new CredentialInjector(read.credentials)
    const proxy = open(
      await startProxy({
        root,
        connectTo: { [`${to}:443`]: upstream.port },
        configure: (builder) => {
          builder.route(`r=https://${to}${to === 'api.openai.com' ? '/v1' : ''}`)
          builder.agents(read.agents).addAnalyzer(credentials)
          builder.routeCredentials(credentials, { agent: 'porthole' })
          for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
        },
      }),
    )
    const [route] = proxy.running.routes
    return { upstream, proxy, url: route?.url ?? '', token: route?.token ?? '' }
  }

  test('A9 OpenAI streams with the token as its key, and the upstream gets the real one', async () => {
    const at = await provider('openai-chat-stream', 'api.openai.com', locations.header)
    const client = new OpenAI({ apiKey: at.token, baseURL: at.url, maxRetries: 0 })

    const stream = await client.chat.completions.create({
      ...chatStreamRequest,
      messages: [...chatStreamRequest.messages],
    })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''

    expect(text).toBe('10 + 5 equals 15.')
    const sent = new Map(at.upstream.requests[0]?.rawHeaders.map(([n, v]) => [n.toLowerCase(), v]))
    expect(sent.get('authorization')).toBe(`Bearer ${real}`)
    expect(await at.proxy.waitFor('model-answered')).toMatchObject({ status: 200, complete: true })
    expect(JSON.stringify(at.proxy.messages)).not.toMatch(secrets)
  })

  test('A9 Anthropic streams with the token as its key, and the upstream gets the real one', async () => {
    const at = await provider('anthropic-messages-stream', 'api.anthropic.com', {
      type: 'header',
      name: 'x-api-key',
      format: '{}',
      ifPresent: false,
    })
    const client = new Anthropic({ apiKey: at.token, baseURL: at.url, maxRetries: 0 })

    const message = await client.messages
      .stream({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] })
      .finalMessage()

    expect(message.content.length).toBeGreaterThan(0)
    const sent = new Map(at.upstream.requests[0]?.rawHeaders.map(([n, v]) => [n.toLowerCase(), v]))
    expect(sent.get('x-api-key')).toBe(real)
    expect(sent.has('authorization')).toBe(false)
    expect(await at.proxy.waitFor('model-answered')).toMatchObject({ provider: 'anthropic' })
    expect(JSON.stringify(at.proxy.messages)).not.toMatch(secrets)
  })

  test('A9 OpenAI with a key of its own hears what to do, and is not sent on', async () => {
    const at = await provider('openai-chat-stream', 'api.openai.com', locations.header)
    const client = new OpenAI({ apiKey: mine, baseURL: at.url, maxRetries: 0 })

    await expect(client.models.list()).rejects.toMatchObject({
      status: 401,
      message: expect.stringContaining('this route wants a token of this proxy'),
    })
    expect(at.upstream.requests).toHaveLength(0)
    expect(JSON.stringify(at.proxy.messages)).not.toContain(canary)
  })
})
