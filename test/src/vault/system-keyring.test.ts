import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { afterEach, describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import { openSystemKeyring } from '../../../src/vault/system-keyring.ts'
import type { SystemKeyring } from '../../../src/vault/system-keyring.ts'
import type { VaultOptions } from '../../../src/vault/vault.ts'
import { canary } from '../../support/canary.ts'
import { makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const value = `${canary}-in-a-vault-01`
const opened: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

interface FakeKeyring extends SystemKeyring {
  readonly entries: Map<string, string>
  /** What goes wrong from now on. */
  fault: 'none' | 'locked' | 'forgetful'
}

function fakeKeyring(): FakeKeyring {
  const entries = new Map<string, string>()
  const locked = (): void => {
    if (keyring.fault !== 'locked') return
    throw new AppError('ERR_VAULT_KEY', { problem: 'it is locked', next: 'unlock it' })
  }
  const keyring: FakeKeyring = {
    entries,
    fault: 'none',
    read: async (name) => {
      locked()
      return entries.get(name)
    },
    write: async (name, text) => {
      locked()
      if (keyring.fault !== 'forgetful') entries.set(name, text)
    },
    remove: async (name) => {
      locked()
      entries.delete(name)
    },
  }
  return keyring
}

async function bench(
  env: VaultOptions['env'] = {},
): Promise<{ vault: VaultUnderTest; keyring: FakeKeyring; read: () => Promise<string> }> {
  const keyring = fakeKeyring()
  const vault = await makeVault({ env, openKeyring: async () => keyring, unrestricted: 'porthole' })
  opened.push(vault)
  return {
    vault,
    keyring,
    read: async () => {
      const request = { host: 'a.example', port: 443, path: '/', agent: 'porthole' }
      const [found] = vault.read().credentials.select(request)
      return found === undefined ? 'nothing' : found.reveal()
    },
  }
}

const filesIn = (home: string): string[] =>
  readdirSync(home).map((name) => readFileSync(join(home, name), 'latin1'))

describe('a vault whose key is in the keyring', () => {
  test('is opened with it, and has no key file beside it', async () => {
    const { vault, keyring, read } = await bench()

    await vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')

    expect(await read()).toBe(value)
    expect([...keyring.entries.keys()]).toEqual([expect.stringMatching(/^kek_[\w-]+$/u)])
    const [key = ''] = keyring.entries.values()
    expect(Buffer.from(key, 'base64')).toHaveLength(32)
    expect(readdirSync(vault.home)).not.toContain('vault.key')
    expect(filesIn(vault.home).filter((text) => text.includes(key))).toEqual([])
  })

  test('gets a new one, and the old one is forgotten', async () => {
    const { vault, keyring, read } = await bench()
    await vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')
    const before = [...keyring.entries]

    expect(await vault.writable.secrets.rotateKey()).toBe(1)

    expect(keyring.entries.size).toBe(1)
    expect([...keyring.entries]).not.toEqual(before)
    expect(await read()).toBe(value)
  })

  test.each(['file', 'environment', 'passphrase'] as const)('moves to %s and back', async (to) => {
    const key = Buffer.alloc(32, 'some-32-random-bytes').toString('base64')
    const { vault, keyring, read } = await bench({
      SECRET_ENCRYPTION_KEY: to === 'environment' ? key : undefined,
      PORTHOLE_PASSPHRASE_FILE: to === 'passphrase' ? import.meta.filename : undefined,
    })
    await vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')

    await vault.writable.secrets.rotateKey(to)
    expect(await read()).toBe(value)
    expect(keyring.entries.size).toBe(0)
    await vault.writable.secrets.rotateKey('keyring')
    expect(await read()).toBe(value)
    expect(keyring.entries.size).toBe(1)
  })

  test('sends nothing, and takes no change, while the keyring is locked', async () => {
    const { vault, keyring, read } = await bench()
    await vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')
    const other = await makeVault({ home: vault.home, openKeyring: async () => keyring })
    opened.push(other)

    keyring.fault = 'locked'
    await expect(read()).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
    const adding = other.writable.secrets.add(secret('t', 'b.example', value))
    await expect(adding).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
    keyring.fault = 'none'

    expect(await read()).toBe(value)
    expect((await other.writable.secrets.list()).map(({ id }) => id)).toEqual(['s'])
  })

  test.each([
    ['is gone', (entries: Map<string, string>) => entries.clear(), 'is not in the keyring'],
    ['is another', replaceAll(Buffer.alloc(32, 'another-key').toString('base64')), 'does not hold'],
    ['is none', replaceAll('hello'), 'is not a key of 32 bytes'],
  ])('does not open where the entry %s', async (_what, damage, problem) => {
    const { vault, keyring, read } = await bench()
    await vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')

    damage(keyring.entries)

    await expect(read()).rejects.toThrow(problem)
    await expect(read()).rejects.not.toThrow(canary)
  })
})

function replaceAll(text: string): (entries: Map<string, string>) => void {
  return (entries) => {
    for (const name of entries.keys()) entries.set(name, text)
  }
}

test.each(['locked', 'forgetful'] as const)('a %s keyring gets no vault', async (fault) => {
  const { vault, keyring, read } = await bench()
  keyring.fault = fault

  const adding = vault.writable.secrets.add(secret('s', 'a.example', value), 'keyring')

  await expect(adding).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
  expect(await vault.writable.secrets.list()).toEqual([])
  expect(await read()).toBe('nothing')
  // And one that goes elsewhere is made as if nothing had been tried.
  await vault.writable.secrets.add(secret('s', 'a.example', value), 'file')
  expect(await read()).toBe(value)
})

test('a key in the environment goes before all others, for a vault that is new', async () => {
  const key = Buffer.alloc(32, 'some-32-random-bytes').toString('base64')
  const { vault, keyring, read } = await bench({ SECRET_ENCRYPTION_KEY: key })

  await vault.writable.secrets.add(secret('s', 'a.example', value))

  expect(keyring.entries.size).toBe(0)
  expect(await read()).toBe(value)
})

/** Programs that a real Secret Service takes. */
const programs = ['dbus-run-session', 'gnome-keyring-daemon']
const missing = programs.filter((name) => !isInstalled(name))
const why = missing.length === 0 ? '' : ` (not run: there is no ${missing.join(' and no ')})`

function isInstalled(name: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => {
    try {
      return readdirSync(folder).includes(name)
    } catch {
      return false
    }
  })
}

const program = join(import.meta.dirname, '../../fixtures/vault/keyring-user.ts')

/** With a folder of its own for everything: the user's keyring is not touched. */
async function inSession(command: string, home: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home, HERE: home }
  const options = { env }
  execFile('dbus-run-session', ['--', 'sh', '-c', command], options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout)
    else reject(new Error(`${error.message}\n${stderr}`))
  })
  return promise
}

test.skipIf(missing.length > 0)(
  `a real Secret Service keeps, replaces and forgets a vault's key${why}`,
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'porthole-keyring-'))
    opened.push({ close: () => rm(home, { recursive: true, force: true, maxRetries: 5 }) })
    const unlock = 'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null'
    const run = `'${process.execPath}' '${program}' "$HERE"`

    const out = await inSession(`${unlock}; ${run}`, home)

    const found = out.trim().split('\n').at(-1) ?? ''
    expect(JSON.parse(found)).toEqual({
      added: 'value-in-a-keyring',
      rotated: 'value-in-a-keyring',
      moved: 'value-in-a-keyring',
    })
  },
)

test('where there is no keyring, it says so in one line with what to do instead', async () => {
  const before = process.env['DBUS_SESSION_BUS_ADDRESS']
  process.env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus'
  try {
    const keyring = await openSystemKeyring()
    // Elsewhere than on Linux there is one, which has no such entry.
    const found = await keyring.read('none').catch((error: unknown) => error)

    if (process.platform !== 'linux') expect(found).toBe(undefined)
    else {
      expect(found).toMatchObject({ code: 'ERR_VAULT_KEY' })
      expect(String(found)).toMatch(/the keyring of this system cannot be used: [^\n]+$/u)
      expect(found).toHaveProperty('hint', expect.stringContaining('--key-from passphrase'))
    }
  } finally {
    if (before === undefined) delete process.env['DBUS_SESSION_BUS_ADDRESS']
    else process.env['DBUS_SESSION_BUS_ADDRESS'] = before
  }
})
