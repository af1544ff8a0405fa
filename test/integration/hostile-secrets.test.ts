/**
 * Secrets of the vault among hostile agents and upstreams: each goes where it is bound to, for those
 * that were granted it, and is told to nobody. Every value is a canary.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { formsOfValue } from '../../src/policy/credential-value.ts'
import { allowCanary, canary } from '../support/canary.ts'
import { closesAfterEach } from '../support/opened.ts'
import { connectRaw } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { startHttpUpstream } from '../support/upstream.ts'
import {
  askAs,
  basicToken,
  rootFor,
  startVaultProxy,
  startVaultUpstream,
} from '../support/vault-proxy.ts'
import type { VaultUpstream } from '../support/vault-proxy.ts'
import { agent, makeVault, secret } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const open = closesAfterEach()

const value = `${canary}/a+b=c&d"e\\f 0123`

interface Bench {
  readonly vault: VaultUnderTest
  readonly upstream: VaultUpstream
  readonly proxy: ProxyUnderTest
  /** Of an agent that sees all. */
  readonly token: string
}

async function bench(
  host: string,
  options: {
    readonly answer?: (head: string) => string
    readonly folder?: string
    readonly env?: Record<string, string>
    readonly ownKeys?: 'refuse'
  } = {},
): Promise<Bench> {
  const vault = open(await makeVault({ env: options.env ?? {} }))
  const root = rootFor(host)
  const upstream = open(await startVaultUpstream(root, host, options.answer))
  const token = vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const { folder } = options
  const proxy = open(
    await startVaultProxy({
      vault: vault.read(),
      root,
      upstreams: { [host]: upstream },
      ownKeys: options.ownKeys ?? 'replace',
      configure: (builder) => {
        for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
        if (folder !== undefined) builder.addAnalyzer(new FileLogger(join(folder, 'c.jsonl')))
      },
    }),
  )
  return { vault, upstream, proxy, token }
}

describe('two agents, three hosts and five secrets', () => {
  const hosts = ['a.example', 'b.example', 'x.wild.example'] as const
  const paths = { 'a.example': '/v1/x', 'b.example': '/botMINE/x', 'x.wild.example': '/v1/x' }
  const canaryOf = (name: string): string => `${canary}-${name}-0123456789`
  const secrets = [
    secret('one', 'a.example', canaryOf('one')),
    secret('two', 'b.example', canaryOf('two'), {
      location: { type: 'header', name: 'x-key', format: '{}', ifPresent: false },
    }),
    secret('three', '*.wild.example', canaryOf('three'), {
      location: { type: 'query', name: 'key', ifPresent: false },
    }),
    secret('four', ['a.example', 'x.wild.example'], canaryOf('four'), {
      path: '/v1/*',
      location: { type: 'header', name: 'x-extra', format: 'v={}', ifPresent: false },
    }),
    secret('five', 'b.example', canaryOf('five'), {
      location: { type: 'url-path', pattern: '/bot{}/', ifPresent: true },
    }),
  ]
  const grants = { alice: ['one', 'three', 'five'], bob: ['two', 'three', 'four'] } as const
  /** Which secrets each agent's request carries to each host. */
  const wanted: Record<keyof typeof grants, Record<(typeof hosts)[number], string[]>> = {
    alice: { 'a.example': ['one'], 'b.example': ['five'], 'x.wild.example': ['three'] },
    bob: { 'a.example': ['four'], 'b.example': ['two'], 'x.wild.example': ['three', 'four'] },
  }

  test('S1 each secret reaches its hosts from those that have it, and nothing else: every cell', async () => {
    const vault = open(await makeVault())
    const root = rootFor('a.example', 'b.example', 'wild.example')
    for (const each of secrets) await vault.writable.secrets.add(each)
    const cells: Record<string, string[]> = {}
    const expected: Record<string, string[]> = {}

    for (const name of ['alice', 'bob'] as const) {
      const token = vault.writable.agents.add(agent(name, { secrets: grants[name] }))
      for (const host of hosts) {
        const upstream = open(await startVaultUpstream(root, host))
        const upstreams = { [host]: upstream }
        const proxy = open(await startVaultProxy({ vault: vault.read(), root, upstreams }))
        const answer = await askAs(proxy, token, { host, path: paths[host] })
        await proxy.waitFor('exchange-completed')
        const told = proxy.of('credential-injected').map(({ secretId }) => secretId)

        expect(answer.status).toBe(200)
        const sent = secrets.filter((each) => upstream.received().includes(canaryOf(each.name)))
        cells[`${name} ${host}`] = sent.map((each) => each.name)
        expected[`${name} ${host}`] = wanted[name][host]
        expect(told.toSorted()).toEqual(wanted[name][host].toSorted())
        expect(JSON.stringify(proxy.messages)).not.toContain(canary)
      }
    }

    expect(cells).toEqual(expected)
  })

  test('S1 one host has a key of its own for each agent, and a third for all others', async () => {
    const { vault, upstream, proxy, token } = await bench('a.example')
    const store = vault.writable
    const tokens = ['alice', 'bob'].map((name) => store.agents.add(agent(name)))
    await store.secrets.add(secret('shared', 'a.example', canaryOf('shared')))
    for (const name of ['alice', 'bob']) {
      await store.secrets.add(secret(name, 'a.example', canaryOf(name), { agent: name }))
    }
    await expect(
      store.secrets.add(secret('again', 'a.example', canaryOf('again'), { agent: 'bob' })),
    ).rejects.toMatchObject({ code: 'ERR_SECRET_AMBIGUOUS', details: { other: 'bob' } })

    for (const each of [...tokens, token]) await askAs(proxy, each, { host: 'a.example' })

    const name = new RegExp(`${canary}-(\\w+)-`, 'gu')
    const sent = [...upstream.received().matchAll(name)].map(([, found]) => found)
    expect(sent).toEqual(['alice', 'bob', 'shared'])
  })

  test('S1 a new agent gets no secret until one is granted, and none once it is denied', async () => {
    const { vault, upstream, proxy } = await bench('a.example')
    await vault.writable.secrets.add(secret('one', 'a.example', value.replaceAll(/[" \\]/gu, '')))
    const token = vault.writable.agents.add(agent('new'))
    const count = (): number => upstream.received().split(canary).length - 1

    await askAs(proxy, token, { host: 'a.example' })
    expect(count()).toBe(0)
    vault.writable.agents.grant('new', 'one')
    await askAs(proxy, token, { host: 'a.example' })
    expect(count()).toBe(1)
    vault.writable.agents.deny('new', 'one')
    await askAs(proxy, token, { host: 'a.example' })
    expect(count()).toBe(1)
  })
})

describe('a value', () => {
  const locations = {
    header: { type: 'header', name: 'X-Own', format: 'key {}', ifPresent: false },
    query: { type: 'query', name: 'k', ifPresent: false },
    'url-path': { type: 'url-path', pattern: '/bot{}/', ifPresent: false },
    basic: { type: 'basic', user: 'me', ifPresent: false },
  } as const

  test.each(['header', 'query', 'url-path', 'basic'] as const)(
    'S7 that went into a %s is told to nobody, in whatever form it comes back',
    async (kind) => {
      const folder = await mkdtemp(join(tmpdir(), 'porthole-canary-'))
      open({ close: () => rm(folder, { recursive: true, force: true }) })
      const echo = (head: string): string => {
        const body = [head, ...formsOfValue(value), JSON.stringify({ value, head })].join('\n')
        const fields = `X-Echo: ${value}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}`
        return `HTTP/1.1 200 ${encodeURIComponent(value)}\r\n${fields}\r\n\r\n${body}`
      }
      const { vault, upstream, proxy, token } = await bench('a.example', { answer: echo, folder })
      const location = locations[kind]
      await vault.writable.secrets.add(secret('one', 'a.example', value, { location }))

      const answer = await askAs(proxy, token, { host: 'a.example', path: '/botMINE/x?q=1' })
      await proxy.waitFor('exchange-completed')
      await proxy.close()

      expect(answer.status).toBe(200)
      expect(proxy.of('credential-injected')).toMatchObject([{ secretId: 'one', mode: kind }])
      expect(formsOfValue(value).some((form) => answer.body.includes(form))).toBe(true)
      const echoes = proxy.of('credential-echoed')
      expect(echoes.map(({ secretId, where, name }) => [secretId, where, name])).toEqual([
        ['one', 'status', undefined],
        ['one', 'header', 'X-Echo'],
        ['one', 'body', undefined],
      ])
      const rendered = Buffer.from(`me:${value}`).toString('base64')
      expect(upstream.received()).toContain(
        kind === 'basic' ? rendered : kind === 'header' ? value : canary,
      )
      const told = [JSON.stringify(proxy.messages)]
      for (const place of [folder, vault.home]) {
        for (const name of await readdir(place)) {
          told.push(await readFile(join(place, name), 'latin1'))
        }
      }
      expect(told.length).toBeGreaterThan(2)
      for (const form of [...formsOfValue(value), rendered, canary]) {
        expect(told.filter((text) => text.includes(form))).toEqual([])
      }
    },
  )

  test('S16 takes the place of every key that the program sent itself', async () => {
    const { vault, upstream, proxy, token } = await bench('a.example')
    const location = { type: 'query', name: 'k', ifPresent: true } as const
    await vault.writable.secrets.add(secret('q', 'a.example', `${canary}-query`, { location }))
    await vault.writable.secrets.add(secret('h', 'a.example', `${canary}-header`))

    await askAs(proxy, token, {
      host: 'a.example',
      path: '/x?k=MINE&a=1&%6B=MINE&k',
      fields: ['authorization: MINE', 'Authorization: Basic MINE', 'AUTHORIZATION: MINE'],
    })

    expect(upstream.received()).not.toContain('MINE')
    expect(upstream.received()).toContain(`GET /x?k=${canary}-query&a=1 HTTP/1.1\r\n`)
    expect(upstream.received().match(/authorization:.*/giu)).toEqual([
      `authorization: Bearer ${canary}-header`,
    ])
  })

  describe('is the only one, with own keys refused, and', () => {
    const mine = 'MINE-a-real-key-0123'
    const sent: Record<keyof typeof locations, (key: string) => [string, string[]]> = {
      header: (key) => ['/x', [`X-Own: key ${key}`]],
      query: (key) => [`/x?k=${encodeURIComponent(key)}`, []],
      'url-path': (key) => [`/bot${key}/x`, []],
      basic: (key) => ['/x', [`Authorization: Basic ${btoa(`me:${key}`)}`]],
    }

    test.each(['header', 'query', 'url-path', 'basic'] as const)(
      'S16 one in a %s is refused with 403, unsent and untold',
      async (kind) => {
        const folder = await mkdtemp(join(tmpdir(), 'porthole-own-'))
        open({ close: () => rm(folder, { recursive: true, force: true }) })
        const { vault, upstream, proxy, token } = await bench('a.example', {
          folder,
          ownKeys: 'refuse',
        })
        const location = locations[kind]
        await vault.writable.secrets.add(secret('s', 'a.example', `${canary}-0123`, { location }))
        const without = vault.writable.agents.add(agent('without'))
        const [path, fields] = sent[kind](mine)

        for (const each of [token, without]) {
          const answer = await askAs(proxy, each, { host: 'a.example', path, fields })
          expect(answer.status).toBe(403)
          expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'own-key-refused' } })
          expect(answer.head + answer.body).not.toContain('MINE')
        }
        await proxy.waitFor('request-refused', ({ agent: who }) => who === 'without')
        await proxy.close()

        expect(upstream.received()).toBe('')
        expect(proxy.of('credential-injected')).toEqual([])
        const told = [JSON.stringify(proxy.messages)]
        for (const name of await readdir(folder)) {
          told.push(await readFile(join(folder, name), 'latin1'))
        }
        expect(told.length).toBeGreaterThan(1)
        expect(told.filter((text) => text.includes('MINE'))).toEqual([])
      },
    )

    test.each(['header', 'query', 'url-path', 'basic'] as const)(
      'S16 what only stands for a key in a %s is replaced as ever',
      async (kind) => {
        const { vault, upstream, proxy, token } = await bench('a.example', { ownKeys: 'refuse' })
        const location = locations[kind]
        await vault.writable.secrets.add(secret('s', 'a.example', `${canary}-0123`, { location }))
        const opaque = 'porthole:v1:0123456789abcdefghijkl'
        const stands = ['porthole-placeholder', token, opaque, ''].filter(
          // An empty segment is another path than the one with a value in it, but for the reader of both.
          (text) => text !== '' || kind !== 'url-path',
        )

        for (const [index, text] of stands.entries()) {
          const [path, fields] = sent[kind](text)
          const answer = await askAs(proxy, token, { host: 'a.example', path, fields })
          expect([index, answer.status]).toEqual([index, 200])
        }

        const value = kind === 'basic' ? btoa(`me:${canary}-0123`) : `${canary}-0123`
        expect(upstream.received().split(value)).toHaveLength(stands.length + 1)
        for (const text of stands.filter((each) => each !== '')) {
          expect(upstream.received()).not.toContain(text)
        }
      },
    )

    test('S16 one on its way elsewhere, or to another place, goes on', async () => {
      const { vault, upstream, proxy, token } = await bench('a.example', { ownKeys: 'refuse' })
      await vault.writable.secrets.add(secret('s', 'b.example', `${canary}-0123`))

      const fields = [`Authorization: Bearer ${mine}`]
      const answer = await askAs(proxy, token, { host: 'a.example', fields })

      expect(answer.status).toBe(200)
      expect(upstream.received()).toContain(mine)
    })
  })

  test('S17 is not put into plain http, and not into another port', async () => {
    const vault = open(await makeVault())
    const host = 'a.example'
    const root = rootFor(host)
    const secured = open(await startVaultUpstream(root, host))
    const plain = open(await startHttpUpstream((_request, response) => response.end('ok')))
    await vault.writable.secrets.add(secret('one', host, `${canary}-0123`))
    const token = vault.writable.agents.add(agent('all', { secrets: 'all' }))
    const proxy = open(
      await startVaultProxy({
        vault: vault.read(),
        root,
        upstreams: { [host]: secured },
        allow: [host, `${host}:80`],
        configure: (builder) =>
          builder.connectTo(
            { host, port: 80, kind: 'name' },
            { host: '127.0.0.1', port: plain.port, kind: 'ipv4' },
          ),
      }),
    )

    const request = requestText(`GET http://${host}/`, host, [basicToken(token).trim()])
    await ask(await connectRaw(proxy), request)

    expect(plain.requests).toHaveLength(1)
    expect(JSON.stringify(plain.requests[0]?.message.rawHeaders)).not.toContain(canary)
    expect(proxy.of('credential-injected')).toEqual([])
  })

  test.each([
    ['/v1/../admin'],
    ['/v1/%2e%2e/admin'],
    ['/v1/..%2fadmin'],
    ['/v1/a%5cb'],
    ['/v1//x'],
    ['/v1/x;/../../admin'],
    ['/v1/%61dmin'],
    ['/v1/%252e%252e/admin'],
    ['/v1x'],
    ['/V1/x'],
  ])(
    'bound to a path is not put into %s, which another reader may take elsewhere',
    async (path) => {
      const { vault, upstream, proxy, token } = await bench('a.example')
      await vault.writable.secrets.add(
        secret('p', 'a.example', `${canary}-0123`, { path: '/v1/*' }),
      )

      await askAs(proxy, token, { host: 'a.example', path })

      expect(upstream.received()).toContain(`GET ${path} HTTP/1.1`)
      expect(upstream.received()).not.toContain(canary)
    },
  )
})

describe('a reference', () => {
  const reference = (text: string) => ({ content: { kind: 'reference', text } as const })

  test('leads to its value at the time of use', async () => {
    const { vault, upstream, proxy, token } = await bench('a.example', {
      env: { THE_KEY: `${canary}-of-env` },
    })
    const { secrets } = vault.writable
    await secrets.add(secret('env', 'a.example', '', reference('env://THE_KEY')))
    const location = { type: 'header', name: 'x-cmd', format: '{}', ifPresent: false } as const
    const command = reference(`cmd://printf ${canary}-%s of-cmd`)
    await secrets.add(secret('cmd', 'a.example', '', { ...command, location }))
    const path = join(vault.home, 'key.txt')
    allowCanary(path, 'the file that a reference leads to')
    await writeFile(path, `${canary}-of-file\n`)
    const other = { type: 'header', name: 'x-file', format: '{}', ifPresent: false } as const
    await secrets.add(
      secret('file', 'a.example', '', { ...reference(`file://${path}`), location: other }),
    )

    await askAs(proxy, token, { host: 'a.example' })

    expect(upstream.received()).toContain(`Authorization: Bearer ${canary}-of-env\r\n`)
    expect(upstream.received()).toContain(`x-cmd: ${canary}-of-cmd\r\n`)
    expect(upstream.received()).toContain(`x-file: ${canary}-of-file\r\n`)
    await proxy.waitFor('exchange-completed')
    expect(JSON.stringify(proxy.messages)).not.toContain(canary)
  })

  test.each([
    ['env://NOT_SET'],
    ['file:///no/such/file'],
    [`cmd://echo ${canary} >&2; exit 3`],
    [`cmd://printf "${canary}-01234\\nX-Evil: 1"`],
    ['cmd://head -c 70000 /dev/zero'],
    ['op://vault/item/field'],
  ])('%s that leads nowhere refuses the request, which nobody gets to see', async (text) => {
    const { vault, upstream, proxy, token } = await bench('a.example', {
      env: { PATH: '/usr/bin:/bin' },
    })
    await vault.writable.secrets.add(secret('ref', 'a.example', '', reference(text)))

    const answer = await askAs(proxy, token, { host: 'a.example' })

    expect(answer.status).toBe(503)
    expect(answer.head).toContain('X-Porthole-Error: credential-unavailable')
    expect(answer.body + JSON.stringify(proxy.messages)).not.toContain(canary)
    expect(upstream.received()).toBe('')
    expect(await proxy.waitFor('request-refused')).toMatchObject({
      reason: 'credential-unavailable',
    })
  })
})
