import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { hashAgentToken } from '../../../src/vault/agent-token.ts'
import { hostsIn } from '../../../src/vault/host-lists.ts'
import { vaultPathIn } from '../../../src/vault/vault-path.ts'
import type { Vault } from '../../../src/vault/vault.ts'
import { canary } from '../../support/canary.ts'
import { runCommand } from '../../support/command-line.ts'
import { agent, makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const unreadable = ['nonsense', '"*"', '[1]', '{}', 'null', '["*"]', '["a b"]', '']
const tampered = { code: 'ERR_VAULT_TAMPERED' }

test('a list of hosts is read as it was written', () => {
  const texts = ['api.openai.com', '*.example.com', 'a.example:8443']

  expect(hostsIn(JSON.stringify(texts), 'x').map(({ text }) => text)).toEqual(texts)
  expect(hostsIn('[]', 'x')).toEqual([])
})

test.each(unreadable)('%j is none', (text) => {
  expect(() => hostsIn(text, 'the agent ci')).toThrow(/does not open the agent ci/u)
})

describe('S13 rows that are not sealed and', () => {
  let vault: VaultUnderTest
  let read: Vault
  let agentToken = ''
  let token = ''
  beforeEach(async () => {
    vault = await makeVault()
    await vault.writable.secrets.add(secret('one', 'a.example', `${canary}-one`))
    await vault.writable.secrets.add(secret('two', 'b.example', `${canary}-two`))
    agentToken = vault.writable.agents.add(agent('ci', { secrets: ['one'] }))
    token = vault.writable.tokens.mint({
      secret: 'one',
      hosts: [parseHostPattern('a.example')],
      agent: 'ci',
      expiresAt: undefined,
    }).token
    read = vault.read({ unrestricted: 'porthole' })
  })
  afterEach(() => vault.close())

  function tamper(statement: string, ...values: readonly string[]): void {
    const file = new Sqlite(vaultPathIn(vault.home))
    file.pragma('foreign_keys = off')
    expect(file.prepare(statement).run(...values).changes).toBeGreaterThan(0)
    file.close()
  }

  /** What a token becomes on the way to a host: the value, or why it is taken out. */
  async function becomes(host: string): Promise<string> {
    const request = { host, port: 443, path: '/', agent: 'ci' } as const
    const verdict = read.tokens.lookup({ ...request, scheme: 'https' })?.find('porthole', token)
    if (verdict?.decision !== 'replace') return JSON.stringify(verdict)
    return verdict.reveal()
  }
  const enters = (): boolean => read.agents.find([hashAgentToken(agentToken)]) !== undefined

  test('are as they were written let their agent in, and its token be its secret', async () => {
    expect(enters()).toBe(true)
    expect(await becomes('a.example')).toBe(`${canary}-one`)
    expect(await becomes('b.example')).toContain('strip')
  })

  test.each(['agents', 'tokens'])('cannot be read, of %s, let nobody in', async (table) => {
    for (const text of unreadable) {
      tamper(`update ${table} set hosts = ?`, text)

      expect(enters()).toBe(false)
      expect(read.agents.demandsToken()).toBe(true)
      expect(() =>
        read.tokens.lookup({
          host: 'a.example',
          port: 443,
          path: '/',
          agent: 'ci',
          scheme: 'https',
        }),
      ).toThrow(expect.objectContaining(tampered))
      expect(() =>
        read.credentials.select({ host: 'a.example', port: 443, path: '/', agent: 'porthole' }),
      ).toThrow(expect.objectContaining(tampered))
      expect(() => read.rules.current()).toThrow(expect.objectContaining(tampered))
      expect(() => vault.writable[table as 'agents' | 'tokens'].list()).toThrow(
        expect.objectContaining(tampered),
      )
      expect(await runCommand(vault.home, [table, 'list'])).toMatchObject({
        out: '',
        failure: tampered,
      })
    }
  })

  test('were widened send no secret to hosts that are not its own', async () => {
    tamper(`update agents set sees_all = 1, hosts = null`)
    tamper(`update tokens set hosts = '["b.example","evil.test"]', agent_id = null`)

    for (const host of ['b.example', 'evil.test']) {
      expect(await becomes(host)).toMatch(/"strip".*"host"/u)
    }
  })

  test('belong to nothing that there is are worth nothing', async () => {
    expect(await becomes('a.example')).toBe(`${canary}-one`)
    tamper("update tokens set secret_id = 'secret_x'")

    expect(await becomes('a.example')).toMatch(/"strip".*"revoked"/u)
    tamper('delete from agents')
    expect(enters()).toBe(false)
  })
})
