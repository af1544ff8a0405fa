import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { RuleFile } from '../../../src/cli/rule-file.ts'
import { openSessionRules } from '../../../src/cli/session-rules.ts'
import type { SessionRules } from '../../../src/cli/session-rules.ts'
import { parseRule } from '../../../src/config/rule-fields.ts'
import { resolveSettings } from '../../../src/config/settings.ts'
import { openVaultIn } from '../../../src/vault/vault.ts'
import { makeVault } from '../../support/vault.ts'

let folder = ''
let path = ''
const told: string[] = []
const closing: Array<() => Promise<void> | void> = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-rules-'))
  path = join(folder, 'porthole.json')
  told.length = 0
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await rm(folder, { recursive: true, force: true })
})

const tell = (line: string): void => void told.push(line)
const config = (...names: readonly string[]): string =>
  JSON.stringify({ rules: names.map((name) => ({ name, action: 'observe' })) })

function watch(check?: () => void): RuleFile {
  const file = new RuleFile({ path, rules: [], tell, ...(check === undefined ? {} : { check }) })
  closing.push(() => file.close())
  return file
}

const namesOf = (file: RuleFile): string[] => file.current().rules.map(({ name }) => name)

describe('the rules of a file', () => {
  test('follow the file, and stay the same object without a change', async () => {
    const file = watch()
    const before = file.current()
    file.look()
    expect(file.current()).toBe(before)

    await writeFile(path, config('a'))
    await expect.poll(() => namesOf(file), { timeout: 15_000 }).toEqual(['a'])
    await writeFile(`${path}.new`, config('a', 'b'))
    await rename(`${path}.new`, path)
    file.look()

    expect(namesOf(file)).toEqual(['a', 'b'])
    expect(told).toEqual([`${path} was read anew: 1 rule`, `${path} was read anew: 2 rules`])
  })

  test('stay as they were while the file is wrong or gone, which is said once', async () => {
    await writeFile(path, config())
    const file = watch()
    await writeFile(path, config('a'))
    file.look()
    for (const text of ['{', '{"rules":[{"action":"rate"}]}', '{"allowance":1}']) {
      told.length = 0
      await writeFile(path, text)
      file.look()
      file.look()
      expect(namesOf(file)).toEqual(['a'])
      expect(told).toHaveLength(1)
      expect(told[0]).toMatch(/; its rules from before still hold$/u)
    }
    told.length = 0
    await rm(path)
    file.look()
    file.look()

    expect(namesOf(file)).toEqual(['a'])
    expect(told).toEqual([`${path} is gone; its rules from before still hold`])
  })

  test('are noticed by the time of the file alone', async () => {
    await writeFile(path, config('a'))
    const file = watch()
    await writeFile(path, config('b'))
    await utimes(path, new Date(0), new Date(0))
    file.look()

    expect(namesOf(file)).toEqual(['b'])
  })
})

async function session(withVault: boolean): Promise<SessionRules> {
  const vault = withVault ? await makeVault({ home: folder }) : undefined
  if (vault !== undefined) closing.push(() => vault.close())
  await writeFile(path, config('of-file'))
  const file = { path, text: config('of-file') }
  const rules = openSessionRules({
    settings: resolveSettings({ command: 'start', flags: {}, env: {}, file }),
    home: folder,
    configPath: path,
    vault: vault?.read(),
    tell,
  })
  closing.unshift(() => rules.close())
  return rules
}

describe('a session', () => {
  const draft = parseRule({ name: 'of-vault', action: 'observe' }, (field) => field)
  const names = ({ source }: SessionRules): string[] =>
    source.current().rules.map(({ name }) => name)

  test('holds to the rules of vault and file', async () => {
    const rules = await session(true)
    const vault = openVaultIn({ home: folder, env: {} })
    vault.rules.add(draft)
    vault.close()

    expect(names(rules)).toEqual(['of-vault', 'of-file'])
  })

  test('that began without a vault takes the rules of one that is made', async () => {
    const rules = await session(false)
    expect(names(rules)).toEqual(['of-file'])
    const vault = await makeVault({ home: folder })
    closing.push(() => vault.close())

    vault.writable.rules.add(draft)

    await expect.poll(() => names(rules), { timeout: 15_000 }).toEqual(['of-vault', 'of-file'])
  })

  test('takes no rule of a file that is called as one of the vault', async () => {
    const rules = await session(true)
    const vault = openVaultIn({ home: folder, env: {} })
    vault.rules.add(draft)
    vault.close()

    await writeFile(path, config('of-vault'))

    await expect.poll(() => told, { timeout: 15_000 }).toHaveLength(1)
    expect(told[0]).toContain('there is a rule named of-vault in the vault already')
    expect(names(rules)).toEqual(['of-vault', 'of-file'])
  })
})
