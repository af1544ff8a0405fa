import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { parseExpiry } from '../../../src/cli/vault-commands.ts'
import { runCommand } from '../../support/command-line.ts'
import { agent, makeVault } from '../../support/vault.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-agents-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const agents = (...args: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand(home, ['agents', ...args])

describe('agents', () => {
  test('are told with all that decides over them', async () => {
    const more = ['--default-action', 'block', '--expires', '2099-12-31']
    await agents('add', 'ci', '--hosts', 'api.openai.com', '--secrets', 'all', ...more)
    await agents('add', 'dev')

    const list = (await agents('list')).out
    expect(list).toMatch(/^NAME +HOSTS +SECRETS +DEFAULT +EXPIRES\n/u)
    expect(list).toMatch(/^ci +api\.openai\.com +all +block +2099-12-31 00:00Z$/mu)
    expect(list).toMatch(/^dev +\* +- +the proxy's +never$/mu)
    const shown = (await agents('show', 'ci')).out
    expect(shown).toMatch(/^default action +block$/mu)
    expect(shown).toMatch(/^expires +2099-12-31 00:00Z$/mu)
    expect(shown).toMatch(/^token made +\d{4}-/mu)
    expect(JSON.parse((await agents('show', 'ci', '--json')).out)).toMatchObject({
      name: 'ci',
      defaultAction: 'block',
    })
    expect((await agents('show', 'nobody')).failure).toMatchObject({ code: 'ERR_AGENT_UNKNOWN' })
  })

  test('whose time is over get a new token only with more time', async () => {
    const vault = await makeVault({ home })
    vault.writable.agents.add(agent('ci', { expiresAt: Date.now() - 1 }))
    expect((await agents('list')).out).toMatch(/^ci .+\(expired\)$/mu)

    const refused = await agents('rotate', 'ci')
    expect(refused.failure).toMatchObject({ code: 'ERR_AGENT_EXPIRED' })
    expect(refused.out).toBe('')
    expect((await agents('rotate', 'ci', '--expires', '30d')).out).toMatch(/^porthole_agent_/u)
    expect(vault.read().agents.passOf('ci')?.isValid()).toBe(true)
    await agents('rotate', 'ci', '--expires', 'never')
    expect(vault.writable.agents.list()).toMatchObject([{ name: 'ci', expiresAt: undefined }])
    await vault.close()
  })

  test('that would be taken for one another are not made', async () => {
    await agents('add', 'ci')

    expect((await agents('add', 'CI')).failure).toMatchObject({
      code: 'ERR_NAME_TAKEN',
      details: { name: 'ci' },
    })
    expect((await agents('add', 'Porthole')).failure).toMatchObject({ code: 'ERR_NAME_TAKEN' })
  })

  test('of which the last goes leave word that nobody is asked any more', async () => {
    for (const name of ['a', 'b']) await agents('add', name)

    expect((await agents('revoke', 'a')).err).not.toContain('asks nobody')
    expect((await agents('revoke', 'b')).err).toContain('the next start asks nobody for a token')
  })
})

test('a rule for an agent that there is not says so, also where only the case differs', async () => {
  await agents('add', 'ci')
  const add = async (name: string): Promise<string> =>
    (await runCommand(home, ['rules', 'add', 'block', '--agent', name])).err

  expect(await add('ci')).not.toContain('there is no agent')
  expect(await add('porthole')).not.toContain('there is no agent')
  expect(await add('CI,dev')).toMatch(/no agent named CI yet[^]+no agent named dev yet/u)
})

describe('a time', () => {
  const now = Date.parse('2026-11-22T10:00Z')

  test.each([
    ['30d', '2026-12-22T10:00Z'],
    ['12h', '2026-11-22T22:00Z'],
    ['90s', '2026-11-22T10:01:30Z'],
    ['2026-12-31', '2026-12-31T00:00Z'],
    ['2026-12-31T08:15Z', '2026-12-31T08:15Z'],
  ])('may be written as %s', (text, expected) => {
    expect(parseExpiry(text, '--ttl', now)).toBe(Date.parse(expected))
  })

  test.each([
    ['soon'],
    ['30'],
    ['-1d'],
    ['2026-02-31'],
    ['2026-12-31T08:15'],
    ['2026-12-31 or so'],
    ['999999999999d'],
    [''],
  ])('is not %j', (text) => {
    expect(() => parseExpiry(text, '--ttl', now)).toThrow(/^--ttl .+ is no time/u)
  })

  test.each([['0d'], ['2026-11-22'], ['2020-01-01']])('that is over, %s, is refused', (text) => {
    expect(() => parseExpiry(text, '--ttl', now)).toThrow(/is over already/u)
  })

  test('may never come', () => {
    expect(parseExpiry('never', '--ttl', now)).toBeNull()
  })
})
