import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { parseRule } from '../../../src/config/rule-fields.ts'
import { vaultPathIn } from '../../../src/vault/vault-path.ts'
import { vaultStateIn } from '../../../src/vault/vault-state.ts'
import { canary } from '../../support/canary.ts'
import { agent, makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

let vault: VaultUnderTest
beforeEach(async () => {
  vault = await makeVault()
})
afterEach(() => vault.close())

const state = (): string | undefined => vaultStateIn(vault.home)

function tamper(sql: string): void {
  const raw = new Sqlite(vaultPathIn(vault.home))
  raw.exec(sql)
  raw.close()
}

describe('the state of a vault', () => {
  test('is another one after every change, and the same after none', async () => {
    const { secrets, agents, rules, tokens } = vault.writable
    const seen = [state()]
    const after = async (work: () => unknown): Promise<void> => {
      await work()
      seen.push(state())
    }
    await after(() => secrets.add(secret('one', 'a.example', canary)))
    await after(() => agents.add(agent('ci')))
    await after(() => agents.grant('ci', 'one'))
    await after(() => tokens.mint({ secret: 'one', hosts: undefined, agent: 'ci', expiresAt: 5 }))
    const rule = parseRule({ name: 'r', action: 'block', host: 'a.example' }, (field) => field)
    await after(() => rules.add(rule))
    await after(() => secrets.rotateKey())
    await after(() => agents.revoke('ci'))

    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.at(-1)).toMatch(/^[\da-f]{64}$/u)
    await secrets.list()
    expect(state()).toBe(seen.at(-1))
  })

  test.each([
    ['agents', `update agents set sees_all = 1`],
    ['agents', `update agents set hosts = null`],
    ['grants', `delete from grants`],
    ['secrets', `update secrets set changed_at = changed_at + 1`],
  ])('tells of %s that something else has written: %s', async (_table, sql) => {
    const { secrets, agents } = vault.writable
    await secrets.add(secret('one', 'a.example', canary))
    agents.add(agent('ci', { secrets: ['one'], hosts: [] }))
    const before = state()
    tamper(sql)

    expect(state()).not.toBe(before)
  })

  test('stays the same where a later version adds a column', () => {
    vault.writable.agents.add(agent('ci'))
    const before = state()
    tamper('alter table agents add column note text')

    expect(state()).toBe(before)
  })

  test('is none where there is no vault', () => {
    expect(vaultStateIn(`${vault.home}/none`)).toBeUndefined()
  })
})
