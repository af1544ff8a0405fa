import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { openAuditDatabase } from '../../../src/audit/audit-database.ts'
import { auditPathIn } from '../../../src/audit/audit-path.ts'
import { AuditReader } from '../../../src/audit/audit-reader.ts'
import { canary } from '../../support/canary.ts'
import { runCommand } from '../../support/command-line.ts'
import { makeVault, secret } from '../../support/vault.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-acts-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const run = async (...args: readonly string[]): Promise<string> =>
  (await runCommand(home, args)).out

function acts(): unknown[] {
  const audit = openAuditDatabase(auditPathIn(home), { create: false, survives: 'process' })
  const rows = [...new AuditReader(audit).rows({})]
  audit.close()
  return rows.map((row) =>
    row.kind === 'act'
      ? [row.action, row.target, row.details ?? {}, row.outcome?.error ?? 'done']
      : row,
  )
}

describe('what was done by hand is recorded', () => {
  test('of rules: what each does, and what became of it', async () => {
    await run('rules', 'add', 'block', '--name', 'no-gpt', '--model', 'gpt-4*', '--observe')
    await run('rules', 'mode', 'no-gpt', 'enforce')
    await run('rules', 'add', 'rate', '--name', 'no-gpt', '--limit', '1/1m')
    await run('rules', 'remove', 'no-gpt')
    await run('rules', 'remove', 'no-gpt')
    await run('rules', 'list')

    expect(acts()).toEqual([
      ['rules add', 'no-gpt', { rule: 'block model gpt-4*', mode: 'observe' }, 'done'],
      ['rules mode', 'no-gpt', { mode: 'enforce' }, 'done'],
      [
        'rules add',
        'no-gpt',
        { rule: 'rate everything (1 request in 1m, each agent)', mode: 'enforce' },
        'ERR_NAME_TAKEN',
      ],
      ['rules remove', 'no-gpt', {}, 'done'],
      ['rules remove', 'no-gpt', {}, 'ERR_RULE_UNKNOWN'],
    ])
  })

  test('of rules that are changed: what each says then', async () => {
    await run('rules', 'add', 'budget', '--name', 'daily', '--amount', '$5', '--agent', 'ci')
    await run('rules', 'set', 'daily', '--amount', '$10', '--model', 'o1,o3')
    await run('rules', 'set', 'daily', '--limit', '1/1m')
    await run('rules', 'set', 'other', '--amount', '$1')
    const said = 'budget model o1|o3, agent ci ($10 a run, each agent)'

    expect(acts().slice(1)).toEqual([
      ['rules set', 'daily', { rule: said, mode: 'enforce' }, 'done'],
    ])
  })

  test('of rules that several change at once: what was made, or that nothing was', async () => {
    await run('rules', 'add', 'budget', '--name', 'daily', '--amount', '$5')
    const changes = ['--amount $6', '--amount $7', '--model o1', '--model o3', '--agent ci']
    const results = await Promise.all(
      changes.map((flags) => runCommand(home, ['rules', 'set', 'daily', ...flags.split(' ')])),
    )

    const refused = results.flatMap(({ failure }) => failure ?? [])
    for (const failure of refused) expect(failure).toMatchObject({ code: 'ERR_STORAGE_BUSY' })
    const said = results.flatMap(({ err }) => /daily: (.+); it holds/u.exec(err)?.[1] ?? [])
    expect(said.length + refused.length).toBe(changes.length)
    const recorded = said.map((rule) => ['rules set', 'daily', { rule, mode: 'enforce' }, 'done'])
    expect(acts()).toEqual(expect.arrayContaining(recorded))
  })

  test.each([
    ['secrets', 'add', 'KEY', '--host', 'api.openai.com'],
    ['agents', 'add', 'KEY'],
    ['rules', 'add', 'block', '--host', 'a.example', '--name', 'KEY'],
    ['rules', 'add', 'rate', '--limit', '1/s', '--agent', 'KEY'],
  ])('never of a key that was given as a name: %s %s', async (...words) => {
    const key = `sk-proj-${'A1b2C3d4'.repeat(4)}`
    const { failure, out, err } = await runCommand(
      home,
      words.map((word) => word.replace('KEY', key)),
    )

    expect(failure).toMatchObject({
      code: 'ERR_NAME_CREDENTIAL',
      message: expect.stringMatching(/^what was given as the name of an? \w+ looks like a key$/u),
    })
    expect([out, err]).toEqual(['', ''])
    expect(existsSync(auditPathIn(home))).toBe(false)
  })

  test.each([
    ['secrets', 'remove', 'KEY'],
    ['agents', 'grant', 'ci', 'KEY'],
    ['tokens', 'revoke', 'KEY'],
    ['rules', 'mode', 'KEY', 'observe'],
  ])('never with a key in it that was given for what is there: %s %s', async (...words) => {
    const key = `sk-proj-${'A1b2C3d4'.repeat(4)}`
    await runCommand(
      home,
      words.map((word) => word.replace('KEY', key)),
    )

    expect(acts()).toHaveLength(1)
    expect(JSON.stringify(acts())).toContain('(looks like a key)')
    expect(JSON.stringify(acts())).not.toContain(key)
  })

  test('of tokens: what they stand for, and never what they are', async () => {
    const vault = await makeVault({ home })
    await vault.writable.secrets.add(secret('github', 'api.github.com', canary))
    const token = (await run('tokens', 'mint', 'github', '--ttl', '12h')).trim()
    const [minted] = JSON.parse(await run('tokens', 'list', '--json')) as Array<{ id: string }>
    await run('tokens', 'mint', 'github', '--host', 'evil.example')
    await run('tokens', 'revoke', minted?.id ?? '')

    expect(acts()).toEqual([
      ['tokens mint', 'github', { ttl: '12h' }, 'done'],
      ['tokens mint', 'github', { hosts: ['evil.example'] }, 'ERR_TOKEN_HOST'],
      ['tokens revoke', minted?.id, {}, 'done'],
    ])
    expect(token).toMatch(/^porthole:v1:/u)
    expect(JSON.stringify(acts())).not.toContain(token.slice(-40))
    await vault.close()
  })

  test('of the CA, where there is a vault or an audit, and else nowhere', async () => {
    await run('ca', 'rotate')
    expect(existsSync(auditPathIn(home))).toBe(false)
    await run('agents', 'add', 'ci')
    await run('ca', 'rotate', '--permit', 'llm.example')
    const dry = await run('ca', 'install', '--dry-run', '--store', 'system')

    expect(dry).not.toBe('')
    expect(acts()).toEqual([
      ['agents add', 'ci', { secrets: [] }, 'done'],
      ['ca rotate', undefined, { permit: ['llm.example'] }, 'done'],
    ])
  })
})
