import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { runCommand } from '../../support/command-line.ts'
import type { CommandResult } from '../../support/command-line.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-rules-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const rules = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(home, ['rules', ...args])

async function listed(): Promise<unknown> {
  return JSON.parse((await rules('list', '--json')).out)
}

describe('a rule that is changed', () => {
  test('says what it is told to say, and all else as before', async () => {
    await rules('add', 'block', '--name', 'b', '--host', 'a.example,b.example', '--method', 'POST')
    await rules('add', 'budget', '--name', 'a', '--amount', '$5', '--per', 'day', '--observe')
    const block = await rules('set', 'b', '--model', 'gpt-4*', '--model', 'o1', '--no-host')
    const budget = await rules('set', 'a', '--amount', '200ktokens', '--scope', 'global')

    expect([block.failure, budget.failure]).toEqual([undefined, undefined])
    expect(block.err).toMatch(/^porthole: b: block POST, model gpt-4\*\|o1; it holds from/u)
    expect(await listed()).toMatchObject([
      {
        name: 'a',
        mode: 'observe',
        amount: '200000tokens',
        per: 'day',
        scope: 'global',
        from: 'vault',
      },
      { name: 'b', method: ['POST'], model: ['gpt-4*', 'o1'] },
    ])
    expect(JSON.stringify(await listed())).not.toContain('a.example')
  })

  test.each([
    [['b'], 'ERR_USAGE', /nothing to change/u],
    [['b', '--limit', '1/m'], 'ERR_RULE_INVALID', /--limit means nothing to .* block/u],
    [['b', '--no-host'], 'ERR_RULE_INVALID', /it would block every request/u],
    [['b', '--host', ''], 'ERR_RULE_INVALID', /--host is empty/u],
    [['none', '--host', 'a.example'], 'ERR_RULE_UNKNOWN', /no rule named none/u],
    [['ours', '--limit', '1/m'], 'ERR_RULE_OF_FILE', /ours/u],
  ] as const)('by %j is left as it was', async (args, code, message) => {
    const file = JSON.stringify({ rules: [{ name: 'ours', action: 'rate', limit: '5/m' }] })
    await writeFile(join(home, 'porthole.json'), file)
    await rules('add', 'block', '--name', 'b', '--host', 'a.example')
    const before = await listed()
    const { failure } = await rules('set', ...args)

    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await listed()).toEqual(before)
  })
})

test('a rule says what may keep it from doing what was meant', async () => {
  await runCommand(home, ['agents', 'add', 'ci'])
  const one = await rules('add', 'rate', '--limit', '1/s', '--agent', 'ci,cii')
  const two = await rules('add', 'allow', '--host', 'a.example', '--agent', 'ci')
  await rules('add', 'observe', '--name', 'seen')
  const three = await rules('mode', 'seen', 'enforce')

  expect(one.err).toContain('there is no agent named cii yet')
  expect(two.err).toContain('where what no rule allows is blocked (--default-action block)')
  expect(two.err).not.toContain('no agent named')
  expect(three.err).toBe('porthole: seen only tells of requests, in either mode\n')
})
