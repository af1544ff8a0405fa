import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { encodeLine } from '../../../src/messages/codec.ts'
import { runCommand } from '../../support/command-line.ts'
import type { CommandResult } from '../../support/command-line.ts'
import { specOf } from '../../support/recorded-exchanges.ts'
import { analyzedMessages, recordedFixtures } from '../../support/records.ts'
import { typedInput } from '../../support/typed-input.ts'
import { makeVault, secret } from '../../support/vault.ts'

// As a user would have typed it into a prompt, before it was stored as a secret.
const value = 'correct-horse-battery-staple-77'
const header = encodeLine({ kind: 'capture-opened', v: 1, porthole: '0', startedAt: 5 })

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-scan-'))
  await mkdir(join(home, 'captures'), { mode: 0o700 })
  const [fixture] = recordedFixtures()
  if (fixture === undefined) throw new Error('there are no recorded exchanges')
  const spec = specOf(fixture)
  const headers = [...(spec.request.headers ?? []), ['X-Note', value] as const]
  const messages = analyzedMessages([{ ...spec, request: { ...spec.request, headers } }])
  const lines = messages.map(encodeLine).join('')
  await writeFile(join(home, 'captures', 'old.jsonl'), header + lines, { mode: 0o600 })
  await writeFile(join(home, 'captures', 'clean.jsonl'), header, { mode: 0o600 })
})
afterEach(() => rm(home, { recursive: true, force: true }))

async function store(env: Record<string, string> = {}): Promise<void> {
  const vault = await makeVault({ home, env })
  await vault.writable.secrets.add(secret('note', 'a.example', value))
  vault.writable.close()
}

const scan = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(home, ['captures', 'scan', ...args])
const exported = (format: string, ...more: readonly string[]): Promise<CommandResult> =>
  runCommand(home, ['export', join(home, 'captures', 'old.jsonl'), '--format', format, ...more])

describe('captures from before a secret was stored', () => {
  test('are named with the secret whose value they hold, and never with the value', async () => {
    await store()
    const { out, err, exitCode } = await scan()

    expect(out).toMatch(/^old {2}the value of note in \d+ lines? \(.+\)\n$/u)
    expect(err).toContain('1 capture of 2 with values of stored secrets')
    expect(exitCode).toBe(1)
    const json = await scan('old', '--json')
    expect(JSON.parse(json.out)).toMatchObject({ capture: 'old', secret: 'note' })
    expect(out + err + json.out + json.err).not.toContain(value)
    const clean = await scan('clean')
    expect(clean).toMatchObject({ out: '', exitCode: undefined })
    expect((await scan('none')).failure).toMatchObject({ code: 'ERR_CAPTURE_UNKNOWN' })
  })

  test('are not looked through where nothing is stored', async () => {
    expect((await scan()).err).toContain('no value of a secret is stored')
  })

  test.each([['har'], ['jsonl'], ['curl'], ['markdown']])(
    'are exported as %s without it, which is told once',
    async (format) => {
      const before = await exported(format)
      if (format !== 'markdown') expect(before.out).toContain(value)
      expect(before.err).toBe('')
      await store()
      const after = await exported(format)

      expect(after.failure).toBeUndefined()
      expect(after.out).not.toContain(value)
      expect(after.out.length).toBe(before.out.length)
      if (format !== 'markdown') expect(after.err.match(/secret note is masked/gu)).toHaveLength(1)
      if (format === 'har') expect(JSON.parse(after.out)).toHaveProperty('log')
    },
  )

  test('are exported as they are where the vault wants a passphrase, and that is told', async () => {
    const passphrase = join(home, 'passphrase')
    await writeFile(passphrase, 'several random words', { mode: 0o600 })
    await store({ PORTHOLE_PASSPHRASE_FILE: passphrase })
    const terminal = typedInput([])
    const args = ['export', join(home, 'captures', 'old.jsonl'), '--format', 'curl']
    const { failure, out } = await runCommand(home, args, terminal)

    expect(failure).toBeUndefined()
    expect(out).toContain(value)
    expect(terminal.asked).toEqual([])
    expect(terminal.shown()).toContain('values of stored secrets are not looked for')
  })
})
