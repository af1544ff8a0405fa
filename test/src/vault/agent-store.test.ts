import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { agent, makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

let vault: VaultUnderTest
beforeEach(async () => {
  vault = await makeVault()
  for (const name of ['one', 'two', 'three']) {
    await vault.writable.secrets.add(secret(name, `${name}.example`, `value-of-${name}`))
  }
})
afterEach(() => vault.close())

/** Which secrets are put into the requests of an agent, by name. */
function visible(name: string): string[] {
  return vault
    .read()
    .credentials.bindingsFor(name)
    .map(({ id }) => id)
}

describe('an agent', () => {
  test('that is new sees nothing, then what it is granted, and not what it is denied', () => {
    const { agents } = vault.writable
    agents.add(agent('a'))

    expect(visible('a')).toEqual([])
    agents.grant('a', 'one')
    agents.grant('a', 'one')
    agents.grant('a', 'two')
    expect(visible('a')).toEqual(['one', 'two'])
    agents.deny('a', 'one')
    expect(visible('a')).toEqual(['two'])
    agents.deny('a', 'all')
    expect(visible('a')).toEqual([])
  })

  test('that sees all sees what is added later, until one is denied to it', async () => {
    const { agents, secrets } = vault.writable
    agents.add(agent('a', { secrets: 'all' }))
    await secrets.add(secret('four', 'four.example', 'value-of-four'))
    expect(visible('a')).toEqual(['four', 'one', 'three', 'two'])

    agents.deny('a', 'two')
    await secrets.add(secret('five', 'five.example', 'value-of-five'))

    expect(visible('a')).toEqual(['four', 'one', 'three'])
    agents.grant('a', 'all')
    expect(visible('a')).toHaveLength(5)
  })

  test('loses what is removed, and does not get it back with its name', async () => {
    const { agents, secrets } = vault.writable
    agents.add(agent('a', { secrets: ['one'] }))
    await secrets.remove('one')
    await secrets.add(secret('one', 'one.example', 'another-value'))

    expect(visible('a')).toEqual([])
    expect(agents.list()).toMatchObject([{ name: 'a', secrets: [] }])
  })

  test('that there is not sees nothing, and nor does nobody', () => {
    expect(visible('x')).toEqual([])
    const request = { host: 'one.example', port: 443, path: '/' }
    expect(vault.read().credentials.select(request)).toEqual([])
  })

  test.each([['porthole'], ['taken']])('cannot be named %s', (name) => {
    const { agents } = vault.writable
    agents.add(agent('taken'))

    expect(() => agents.add(agent(name))).toThrow(
      expect.objectContaining({ code: 'ERR_NAME_TAKEN' }),
    )
  })

  test('has what is reserved for it, which no other can be granted, nor it be denied', async () => {
    const { agents, secrets } = vault.writable
    for (const name of ['a', 'b']) agents.add(agent(name))
    await secrets.add(secret('own', 'one.example', 'value-of-its-own', { agent: 'a' }))

    expect(agents.list().map((each) => each.secrets)).toEqual([['own'], []])
    const reserved = expect.objectContaining({ code: 'ERR_SECRET_RESERVED' })
    expect(() => agents.grant('b', 'own')).toThrow(reserved)
    expect(() => agents.deny('a', 'own')).toThrow(reserved)
    agents.grant('b', 'all')
    expect(visible('a')).toEqual(['own'])
    expect(visible('b')).toEqual(['one', 'three', 'two'])
    expect((await secrets.list()).find(({ id }) => id === 'own')).toMatchObject({ agent: 'a' })

    agents.revoke('a')
    agents.add(agent('a', { secrets: 'all' }))
    expect(visible('a')).toEqual(['one', 'three', 'two'])
    expect((await secrets.list()).find(({ id }) => id === 'own')).toMatchObject({ agent: null })
  })

  test('that is granted a secret that there is not is not made', () => {
    const { agents } = vault.writable

    expect(() => agents.add(agent('a', { secrets: ['one', 'none'] }))).toThrow(
      expect.objectContaining({ code: 'ERR_SECRET_UNKNOWN' }),
    )
    expect(agents.list()).toEqual([])
    for (const act of [
      () => agents.rotate('a'),
      () => agents.revoke('a'),
      () => agents.grant('a', 'one'),
    ]) {
      expect(act).toThrow(expect.objectContaining({ code: 'ERR_AGENT_UNKNOWN' }))
    }
  })

  test('is listed with its hosts and its end', () => {
    const hosts = ['*.one.example', 'two.example:8443'].map(parseHostPattern)
    vault.writable.agents.add(agent('a', { hosts, expiresAt: 5 }))

    expect(vault.writable.agents.list()).toMatchObject([
      { name: 'a', hosts: ['*.one.example', 'two.example:8443'], expiresAt: 5 },
    ])
    // It has expired long ago.
    expect(vault.read().agents.passOf('a')?.isValid()).toBe(false)
  })
})
