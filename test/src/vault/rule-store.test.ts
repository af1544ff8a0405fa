import Sqlite from 'better-sqlite3'
import { afterEach, describe, expect, test } from 'vitest'

import { parseRule } from '../../../src/config/rule-fields.ts'
import type { RuleDraft, RuleFields } from '../../../src/config/rule-fields.ts'
import { vaultPathIn } from '../../../src/vault/vault-path.ts'
import { agent, makeVault } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const opened: VaultUnderTest[] = []
afterEach(async () => {
  for (const vault of opened.splice(0)) await vault.close()
})

async function vaultUnderTest(): Promise<VaultUnderTest> {
  const vault = await makeVault()
  opened.push(vault)
  return vault
}

function draft(fields: RuleFields): RuleDraft {
  return parseRule(fields, (field) => field)
}

/** As something else than Porthole would. */
function meddle(vault: VaultUnderTest, sql: string): void {
  const sqlite = new Sqlite(vaultPathIn(vault.home))
  sqlite.exec(sql)
  sqlite.close()
}

describe('a rule', () => {
  test('is kept with all it says, and read by a proxy as it was made', async () => {
    const vault = await vaultUnderTest()
    const made = [
      draft({ name: 'a', action: 'block', host: '*.a.example', path: '/v1/*', method: 'post' }),
      draft({ name: 'b', action: 'rate', limit: '5/1m', scope: 'global', agent: 'ci' }),
      draft({ name: 'c', action: 'budget', amount: '$5', per: 'day', model: 'gpt*', tool: 'x' }),
    ].map((each) => vault.writable.rules.add(each))

    expect(vault.writable.rules.list()).toEqual(made)
    expect(vault.read().rules.current().rules).toEqual(made)
    expect(made[0]).toMatchObject({ name: 'a', origin: 'vault', mode: 'enforce' })
    expect(made[1]).toMatchObject({ rate: { requests: 5, windowMs: 60_000, scope: 'global' } })
    expect(made[2]).toMatchObject({ budget: { unit: 'usd', amount: 5, per: 'day' } })
  })

  test('gets a name that no other has, in the vault or in a file', async () => {
    const { rules } = (await vaultUnderTest()).writable
    const nameless = draft({ action: 'block', host: 'a.example' })

    expect(rules.add(nameless).name).toBe('block-1')
    expect(rules.add(nameless, new Set(['block-2'])).name).toBe('block-3')
    expect(() => rules.add({ ...nameless, name: 'block-1' })).toThrow(
      'there is a rule named block-1 already',
    )
    expect(() => rules.add({ ...nameless, name: 'x' }, new Set(['x']))).toThrow('named x already')
  })

  test('is changed in place, and stays the one that it was', async () => {
    const vault = await vaultUnderTest()
    const { rules } = vault.writable
    rules.add(draft({ name: 'z', action: 'observe' }))
    const made = rules.add(draft({ name: 'a', action: 'rate', limit: '5/1m', mode: 'observe' }))
    const to = (fields: RuleFields) => () => draft(fields)
    const changed = rules.set('a', to({ action: 'rate', limit: '9/1m', mode: 'observe' }))

    expect(changed).toEqual({ ...made, rate: { requests: 9, windowMs: 60_000, scope: 'agent' } })
    expect(
      vault
        .read()
        .rules.current()
        .rules.map(({ name }) => name),
    ).toEqual(['a', 'z'])
    expect(rules.get('a')).toEqual(changed)
    expect(() => rules.set('a', to({ action: 'rate', limit: 'x' }))).toThrow('no limit')
    expect(() => rules.set('b', to({ action: 'observe' }))).toThrow('there is no rule named b')
    expect(rules.get('a')).toEqual(changed)
  })

  test('can be found, watched instead of enforced, and removed', async () => {
    const { rules } = (await vaultUnderTest()).writable
    const made = rules.add(draft({ name: 'a', action: 'observe' }))

    expect(rules.get('a')).toEqual(made)
    rules.setMode('a', 'observe')
    expect(rules.get('a').mode).toBe('observe')
    rules.remove('a')
    expect(rules.list()).toEqual([])
    expect(() => rules.get('a')).toThrow('there is no rule named a')
    expect(() => rules.remove('a')).toThrow('there is no rule named a')
    expect(() => rules.setMode('a', 'enforce')).toThrow('there is no rule named a')
  })
})

describe('a running proxy', () => {
  test('has a change at once, and the same object without one', async () => {
    const vault = await vaultUnderTest()
    const { rules } = vault.read()

    const before = rules.current()
    expect(rules.current()).toBe(before)
    vault.writable.rules.add(draft({ name: 'a', action: 'observe' }))
    expect(rules.current().rules.map(({ name }) => name)).toEqual(['a'])
    expect(before.rules).toEqual([])
  })

  test('has the default action of each agent', async () => {
    const vault = await vaultUnderTest()
    vault.writable.agents.add(agent('strict', { defaultAction: 'block' }))
    vault.writable.agents.add(agent('usual'))

    const part = vault.read().rules.current()

    expect(
      ['strict', 'usual', 'porthole', undefined].map((name) => part.defaultAction?.(name)),
    ).toEqual(['block', undefined, undefined, undefined])
    expect(vault.writable.agents.list().map((each) => each.defaultAction)).toEqual([
      'block',
      undefined,
    ])
  })

  test('has no rules without a vault', async () => {
    const vault = await vaultUnderTest()
    const elsewhere = vault.read({ home: `${vault.home}/none` })

    expect(elsewhere.rules.current().rules).toEqual([])
  })

  test.each([
    ['a match that is no JSON', `update rules set match = '{'`],
    ['a match with other keys', `update rules set match = '{"host":["a.example"]}'`],
    ['an empty list, which would match nothing', `update rules set match = '{"hosts":[]}'`],
    ['a host that is none', `update rules set match = '{"hosts":["*"]}'`],
    ['an amount that is none', `update rules set amount = '{"requests":0}'`],
    ['no amount', `update rules set amount = null`],
    ['another action', `update rules set action = 'block'`],
    ['a name that is none', `update rules set name = 'x y'`],
  ])('refuses to go on with %s in its row', async (_what, sql) => {
    const vault = await vaultUnderTest()
    vault.writable.rules.add(draft({ name: 'a', action: 'rate', limit: '1/s' }))
    const { rules, agents } = vault.read()
    expect(rules.current().rules).toHaveLength(1)

    meddle(vault, sql)

    expect(() => rules.current()).toThrow('it was changed by something else than Porthole')
    expect(() => rules.current()).toThrow('it was changed by something else than Porthole')
    // Whoever is let in is told why nothing passes.
    expect(agents.demandsToken()).toBe(false)
  })
})
