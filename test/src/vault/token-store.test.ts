import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { formatToken } from '../../../src/policy/tokens/token-format.ts'
import type { TokenRequest, TokenVerdict } from '../../../src/policy/tokens/token-source.ts'
import type { NewToken } from '../../../src/vault/token-store.ts'
import { canary } from '../../support/canary.ts'
import { agent, makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const value = `${canary}-0123456789`
const opened: VaultUnderTest[] = []
afterEach(async () => {
  for (const vault of opened.splice(0)) await vault.close()
})

interface Bench {
  readonly vault: VaultUnderTest
  readonly mint: (over?: Partial<NewToken>) => string
  /** What the token is to a proxy now. */
  readonly verdictOf: (token: string, over?: Partial<TokenRequest>) => TokenVerdict | undefined
  /** The value, or why there is none. */
  readonly outcome: (token: string, over?: Partial<TokenRequest>) => Promise<string>
}

async function bench(clock = { now: 1_800_000_000_000 }): Promise<Bench> {
  const vault = await makeVault({ now: () => clock.now })
  opened.push(vault)
  await vault.writable.secrets.add(secret('one', ['a.example', '*.b.example'], value))
  vault.writable.agents.add(agent('ci', { secrets: ['one'] }))
  vault.writable.agents.add(agent('dev', { secrets: 'all' }))
  const read = vault.read({ unrestricted: 'porthole' })
  const request: TokenRequest = {
    agent: 'ci',
    scheme: 'https',
    host: 'a.example',
    port: 443,
    path: '/',
  }
  const verdictOf: Bench['verdictOf'] = (token, over = {}) =>
    read.tokens.lookup({ ...request, ...over })?.find('porthole', token)
  return {
    vault,
    mint: (over = {}) =>
      vault.writable.tokens.mint({
        secret: 'one',
        hosts: undefined,
        agent: undefined,
        expiresAt: undefined,
        ...over,
      }).token,
    verdictOf,
    outcome: async (token, over) => {
      const verdict = verdictOf(token, over)
      if (verdict?.decision === 'replace') return verdict.reveal()
      return verdict?.decision === 'strip' ? verdict.reason : 'unknown'
    },
  }
}

describe('a token', () => {
  test('stands for its secret on the way to its hosts, for agents that have it', async () => {
    const { vault, mint, outcome } = await bench()
    vault.writable.agents.add(agent('none'))
    const token = mint()

    expect(await outcome(token)).toBe(value)
    expect(await outcome(token, { host: 'x.b.example', agent: 'dev' })).toBe(value)
    expect(await outcome(token, { agent: 'porthole' })).toBe(value)
    expect(await outcome(token, { host: 'b.example' })).toBe('host')
    expect(await outcome(token, { agent: 'none' })).toBe('agent')
    expect(await outcome(token, { agent: undefined })).toBe('agent')
    expect(await outcome(token, { scheme: 'http' })).toBe('plain-http')
  })

  test('narrows its secret to fewer hosts, one agent and a time', async () => {
    const clock = { now: 1_800_000_000_000 }
    const { mint, outcome } = await bench(clock)
    const token = mint({
      hosts: [parseHostPattern('x.b.example')],
      agent: 'ci',
      expiresAt: clock.now + 1000,
    })
    const there = { host: 'x.b.example' }

    expect(await outcome(token, there)).toBe(value)
    expect(await outcome(token)).toBe('host')
    expect(await outcome(token, { ...there, agent: 'dev' })).toBe('agent')
    expect(await outcome(token, { ...there, agent: 'porthole' })).toBe('agent')
    clock.now += 1000
    expect(await outcome(token, there)).toBe('expired')
  })

  test('cannot widen its secret, and is for no agent or secret that is not there', async () => {
    const { mint, vault } = await bench()

    expect(() => mint({ hosts: [parseHostPattern('evil.example')] })).toThrow(
      expect.objectContaining({ code: 'ERR_TOKEN_HOST' }),
    )
    expect(() => mint({ agent: 'nobody' })).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_UNKNOWN' }),
    )
    expect(() => mint({ secret: 'nothing' })).toThrow(
      expect.objectContaining({ code: 'ERR_SECRET_UNKNOWN' }),
    )
    expect(vault.writable.tokens.list()).toEqual([])
  })

  test('is bound to the path of its secret', async () => {
    const { vault, mint, outcome } = await bench()
    await vault.writable.secrets.add(secret('two', 'c.example', value, { path: '/v1/*' }))
    const token = mint({ secret: 'two' })

    expect(await outcome(token, { host: 'c.example', agent: 'dev', path: '/v1/x?y' })).toBe(value)
    expect(await outcome(token, { host: 'c.example', agent: 'dev', path: '/v2' })).toBe('path')
    expect(await outcome(token, { host: 'c.example', agent: 'dev', path: '/v1/../v2' })).toBe(
      'path',
    )
  })

  test('may be the only way to a secret, which then goes nowhere by itself', async () => {
    const { vault, mint, outcome } = await bench()
    const over = { location: { type: 'token' } } as const
    await vault.writable.secrets.add(secret('two', 'a.example', `${value}-2`, over))
    await vault.writable.secrets.add(secret('three', 'a.example', `${value}-3`, over))
    const read = vault.read()
    const request = { host: 'a.example', port: 443, path: '/', agent: 'dev' }

    expect(read.credentials.select(request).map(({ id }) => id)).toEqual(['one'])
    expect(read.credentials.bindingsFor('dev').map(({ id }) => id)).toEqual(['one'])
    expect(await outcome(mint({ secret: 'three' }), { agent: 'dev' })).toBe(`${value}-3`)
  })

  test('lives on when its secret is rotated, or all are sealed anew', async () => {
    const { vault, mint, outcome } = await bench()
    const token = mint()

    await vault.writable.secrets.rotate('one', { kind: 'value', text: `${canary}-another` })
    expect(await outcome(token)).toBe(`${canary}-another`)
    await vault.writable.secrets.rotateKey()
    expect(await outcome(token)).toBe(`${canary}-another`)
    vault.writable.agents.rotate('ci')
    expect(await outcome(token)).toBe(`${canary}-another`)
  })

  test('goes with its secret, with its agent, with the grant, and when it is revoked', async () => {
    const { vault, mint, outcome } = await bench()
    const [plain, bound] = [mint(), mint({ agent: 'ci' })]

    vault.writable.agents.deny('ci', 'one')
    expect(await outcome(plain)).toBe('agent')
    vault.writable.agents.grant('ci', 'one')
    vault.writable.agents.revoke('ci')
    vault.writable.agents.add(agent('ci', { secrets: 'all' }))
    expect(await outcome(bound)).toBe('revoked')
    expect(await outcome(plain)).toBe(value)
    const left = vault.writable.tokens.list()
    expect(left).toHaveLength(1)

    vault.writable.tokens.revoke(left[0]?.id ?? '')
    // Once there was one, what looks like it is still taken out.
    expect(await outcome(plain)).toBe('revoked')
    const last = mint()
    await vault.writable.secrets.remove('one')
    expect(await outcome(last)).toBe('revoked')
    expect(vault.writable.tokens.list()).toEqual([])
  })

  test('that nobody minted is taken out; what is no whole token is unknown', async () => {
    const { mint, outcome } = await bench()
    const token = mint()

    expect(await outcome(formatToken(new Uint8Array(32)))).toBe('revoked')
    expect(await outcome(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`)).toBe('unknown')
  })

  test('stands in no file of the vault, and is listed without itself', async () => {
    const { vault, mint } = await bench()
    const token = mint({ agent: 'ci', expiresAt: 1_900_000_000_000 })

    expect(vault.writable.tokens.list()).toEqual([
      {
        id: expect.stringMatching(/^token_/u) as string,
        secret: 'one',
        hosts: ['*.b.example', 'a.example'],
        agent: 'ci',
        expiresAt: 1_900_000_000_000,
        createdAt: 1_800_000_000_000,
      },
    ])
    for (const name of await readdir(vault.home)) {
      const bytes = await readFile(join(vault.home, name))
      expect(bytes.includes(token.slice(12))).toBe(false)
      expect(bytes.includes(Buffer.from(token.slice(12), 'base64url').subarray(0, 16))).toBe(false)
    }
  })

  test('that is not there cannot be revoked', async () => {
    const { vault } = await bench()

    expect(() => vault.writable.tokens.revoke('token_none')).toThrow(
      expect.objectContaining({ code: 'ERR_TOKEN_UNKNOWN' }),
    )
  })
})

test('a vault without tokens has nothing looked at', async () => {
  const { verdictOf } = await bench()

  expect(verdictOf(formatToken(new Uint8Array(32)))).toBeUndefined()
})

test('a vault whose key is another reveals nothing', async () => {
  const keyOf = (step: number): string =>
    Buffer.from(Array.from({ length: 32 }, (_, index) => index * step)).toString('hex')
  const vault = await makeVault({ env: { SECRET_ENCRYPTION_KEY: keyOf(7) } })
  opened.push(vault)
  await vault.writable.secrets.add(secret('one', 'a.example', value))
  vault.writable.agents.add(agent('ci', { secrets: 'all' }))
  const { token } = vault.writable.tokens.mint({
    secret: 'one',
    hosts: undefined,
    agent: undefined,
    expiresAt: undefined,
  })
  const verdict = vault
    .read({ env: { SECRET_ENCRYPTION_KEY: keyOf(5) } })
    .tokens.lookup({ agent: 'ci', scheme: 'https', host: 'a.example', port: 443, path: '/' })
    ?.find('porthole', token)

  await expect(
    async () => verdict?.decision === 'replace' && verdict.reveal(),
  ).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
})
