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
