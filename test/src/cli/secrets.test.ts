import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { canary } from '../../support/canary.ts'
import { runCommand } from '../../support/command-line.ts'
import type { CommandResult } from '../../support/command-line.ts'
import { typedInput } from '../../support/typed-input.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-secrets-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const porthole = (args: readonly string[], text = canary): Promise<CommandResult> =>
  runCommand(home, args, { stdin: Readable.from([Buffer.from(text)]) })

const add = (name: string, ...more: readonly string[]): Promise<CommandResult> =>
  porthole(['secrets', 'add', name, '--host', 'api.openai.com', ...more])

describe('looking', () => {
  test.each([
    ['secrets', 'list'],
    ['agents', 'list'],
    ['tokens', 'list'],
    ['rules', 'list'],
    ['secrets', 'show', 'x'],
    ['secrets', 'rotate', 'x'],
    ['agents', 'show', 'x'],
  ])('with %s %s makes no vault where there is none', async (...args) => {
    await porthole(args)

    expect(await readdir(home)).toEqual([])
  })

  test('into a home that is not there makes none', async () => {
    const away = join(home, 'away')
    const { failure } = await porthole(['secrets', 'list', '--home', away])

    expect(failure).toBeUndefined()
    expect(existsSync(away)).toBe(false)
  })

  test('at a vault under a passphrase asks nobody for it', async () => {
    const first = typedInput([`${canary}\r`, 'correct horse\r', 'correct horse\r'])
    const args = ['secrets', 'add', 'one', '--host', 'api.openai.com', '--key-from', 'passphrase']
    expect((await runCommand(home, args, first)).failure).toBeUndefined()

    for (const look of [
      ['list', '--json'],
      ['show', 'one', '--json'],
    ]) {
      const terminal = typedInput([])
      const { out, failure } = await runCommand(home, ['secrets', ...look], terminal)
      expect(failure).toBeUndefined()
      expect(JSON.parse(out)).toMatchObject(look[0] === 'list' ? [{ name: 'one' }] : {})
      expect(out).not.toContain('hint')
      expect(terminal.asked).toEqual([])
    }
  }, 60_000)
})

describe('a value is not asked for', () => {
  test.each([
    ['one', ['--path', '/v1/*'], 'ERR_NAME_TAKEN'],
    ['ONE', ['--path', '/v1/*'], 'ERR_NAME_TAKEN'],
    ['two', [], 'ERR_SECRET_AMBIGUOUS'],
    ['two', ['--agent', 'nobody'], 'ERR_AGENT_UNKNOWN'],
  ])('where %s %j could not be stored anyway', async (name, flags, code) => {
    await add('one')
    const terminal = typedInput([`${canary}\r`])
    const args = ['secrets', 'add', name, '--host', 'api.openai.com', ...flags]
    const { failure } = await runCommand(home, args, terminal)

    expect(failure).toMatchObject({ code })
    expect(terminal.asked).toEqual([])
  })

  test('for a secret that there is not', async () => {
    await add('one')
    const terminal = typedInput([`${canary}\r`])
    const { failure } = await runCommand(home, ['secrets', 'rotate', 'two'], terminal)

    expect(failure).toMatchObject({ code: 'ERR_SECRET_UNKNOWN' })
    expect(terminal.asked).toEqual([])
  })
})

test('what names no host is not made', async () => {
  await add('one')
  for (const args of [
    ['secrets', 'add', 'two', '--host', '', '--query', 'key'],
    ['agents', 'add', 'ci', '--hosts', ''],
    ['agents', 'add', 'ci', '--hosts', ' , '],
    ['tokens', 'mint', 'one', '--host', ''],
  ]) {
    expect((await porthole(args)).failure).toMatchObject({ code: 'ERR_USAGE' })
  }
  expect(JSON.parse((await porthole(['agents', 'list', '--json'])).out)).toEqual([])
  expect(JSON.parse((await porthole(['tokens', 'list', '--json'])).out)).toEqual([])
})

test('removing what there is not gives the vault no key', async () => {
  await porthole(['agents', 'add', 'ci'])
  for (const args of [
    ['secrets', 'remove', 'x'],
    ['secrets', 'rotate', 'x'],
  ]) {
    expect((await porthole(args)).failure).toMatchObject({ code: 'ERR_SECRET_UNKNOWN' })
  }
  expect(await readdir(home)).not.toContain('vault.key')
})
