import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { openAuditDatabase } from '../../../src/audit/audit-database.ts'
import { decisionBody, outcomeBody } from '../../support/audit.ts'
import { runCommand } from '../../support/command-line.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-rows-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

test('a row of an act says what was changed to what, and not only that something was', async () => {
  const add = ['agents', 'add', 'ci', '--hosts', 'a.example,b.example', '--default-action', 'block']
  await runCommand(home, add)
  await runCommand(home, ['agents', 'grant', 'ci', 'openai'])
  await runCommand(home, ['rules', 'add', 'block', '--model', 'gpt-4*', '--name', 'no-gpt'])
  await runCommand(home, ['agents', 'revoke', 'ci'])

  const { out } = await runCommand(home, ['audit'])
  const rows = out.split('\n').map((line) => line.replace(/^.+? act +/u, ''))
  expect(rows).toEqual([
    expect.stringMatching(
      /^agents add ci +done · hosts a\.example, b\.example · defaultAction block$/u,
    ),
    expect.stringMatching(/^agents grant ci +ERR_SECRET_UNKNOWN · secret openai$/u),
    expect.stringMatching(/^rules add no-gpt +done · rule block model gpt-4\* · mode enforce$/u),
    expect.stringMatching(/^agents revoke ci +done$/u),
    '',
  ])
})

test('a row of a decision says how many tokens were replaced and taken out', async () => {
  const audit = openAuditDatabase(join(home, 'audit.db'), { create: true, survives: 'system' })
  audit.append([
    decisionBody(),
    outcomeBody({ tokensReplaced: 1, tokensStripped: 3, secrets: ['github'] }),
  ])
  audit.close()

  const { out } = await runCommand(home, ['audit'])
  expect(out).toContain('with github · 1 token replaced · 3 tokens taken out')
})
