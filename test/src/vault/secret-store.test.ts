import { execFile } from 'node:child_process'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterEach, describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import type { CredentialSource } from '../../../src/policy/credential.ts'
import { canary } from '../../support/canary.ts'
import { makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const value = `sk-${canary}-0123456789`
const keyText = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString('base64')
const opened: VaultUnderTest[] = []
afterEach(async () => {
  for (const vault of opened.splice(0)) await vault.close()
})

async function vaultWith(env: Record<string, string> = {}): Promise<VaultUnderTest> {
  const vault = await makeVault({ env })
  opened.push(vault)
  return vault
}

const request = { host: 'api.openai.com', port: 443, path: '/', agent: 'porthole' }

async function reveal(source: CredentialSource, over = {}): Promise<string | undefined> {
  return source.select({ ...request, ...over })[0]?.reveal()
}

const seen = (vault: VaultUnderTest, env: Record<string, string> = {}): CredentialSource =>
  vault.read({ env, unrestricted: 'porthole' }).credentials

describe('a secret', () => {
  test('that was added opens for its host, and is listed without its value', async () => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('openai', 'api.openai.com', value))

    expect(await reveal(seen(vault))).toBe(value)
    const list = await vault.writable.secrets.list()
    expect(list).toMatchObject([{ id: 'openai', hint: '…6789', kind: 'value', version: 1 }])
    expect(JSON.stringify(list)).not.toContain(value)
  })

  test('stands in no file as it is, nor does its end', async () => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('openai', 'api.openai.com', value))
    await vault.writable.secrets.rotate('openai', { kind: 'value', text: `${value}-two` })

    const files = await readdir(vault.home)
    expect(files.length).toBeGreaterThan(1)
    for (const name of files) {
      const path = join(vault.home, name)
      expect((await readFile(path)).includes(canary)).toBe(false)
      expect((await stat(path)).mode & 0o777).toBe(0o600)
    }
  })

  test('of less than twelve characters shows none of them', async () => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('short', 'a.example', '12345678901'))

    expect(await vault.writable.secrets.list()).toMatchObject([{ hint: undefined }])
  })

  test('that was rotated or removed is so from the next request on', async () => {
    const vault = await vaultWith()
    const source = seen(vault)
    await vault.writable.secrets.add(secret('openai', 'api.openai.com', value))
    const [before] = source.select(request)
    await vault.writable.secrets.rotate('openai', { kind: 'value', text: 'sk-another-value' })

    // What a request was given stays what it was (S12).
    expect(await before?.reveal()).toBe(value)
    expect(await reveal(source)).toBe('sk-another-value')
    await vault.writable.secrets.remove('openai')
    expect(source.select(request)).toEqual([])
  })

  test.each([
    ['a line break', 'sk-1\r\nX-Evil: 1'],
    ['a newline', 'sk-12345678\n'],
    ['a zero byte', 'sk-12345\u0000678'],
    ['a letter beyond ASCII', 'sk-12345678é'],
    ['a space at its end', 'sk-12345678 '],
    ['nothing in it', ''],
    ['too little in it', 'sk-1'],
  ])('S5 with %s is refused without being repeated, and nothing is stored', async (_what, text) => {
    const vault = await vaultWith()
    const refused = await vault.writable.secrets
      .add(secret('openai', 'api.openai.com', text))
      .catch((error: unknown) => error)

    expect(refused).toMatchObject({ code: 'ERR_SECRET_INVALID' })
    if (text.length > 4) expect(String(refused)).not.toContain(text)
    expect(await vault.writable.secrets.list()).toEqual([])
  })

  test.each([
    ['the same place', secret('b', ['x.example', 'api.openai.com:443'], value)],
    [
      'the same field as a password',
      secret('b', 'api.openai.com', value, {
        location: { type: 'basic', user: 'me', ifPresent: true },
      }),
    ],
  ])('that would fill %s is refused, and the other is named', async (_what, second) => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('first-one', 'api.openai.com', value))

    await expect(vault.writable.secrets.add(second)).rejects.toMatchObject({
      code: 'ERR_SECRET_AMBIGUOUS',
      details: { other: 'first-one' },
    })
  })

  test.each([
    ['another path', secret('b', 'api.openai.com', value, { path: '/v1/*' })],
    ['a wildcard', secret('b', '*.openai.com', value)],
    ['another port', secret('b', 'api.openai.com:8443', value)],
    [
      'another field',
      secret('b', 'api.openai.com', value, {
        location: { type: 'header', name: 'x-key', format: '{}', ifPresent: false },
      }),
    ],
  ])('for %s may stand beside it', async (_what, second) => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('a', 'api.openai.com', value))
    await vault.writable.secrets.add(second)

    expect(await vault.writable.secrets.list()).toHaveLength(2)
  })

  test('of a name that is taken, or of none, is refused', async () => {
    const vault = await vaultWith()
    const { secrets } = vault.writable
    await secrets.add(secret('a', 'a.example', value))

    await expect(secrets.add(secret('a', 'b.example', value))).rejects.toMatchObject({
      code: 'ERR_NAME_TAKEN',
    })
    await expect(secrets.remove('b')).rejects.toMatchObject({ code: 'ERR_SECRET_UNKNOWN' })
    await expect(secrets.rotate('b', { kind: 'value', text: value })).rejects.toMatchObject({
      code: 'ERR_SECRET_UNKNOWN',
    })
  })
})

describe('the key', () => {
  test('from the environment opens the vault, and no other does', async () => {
    const vault = await vaultWith({ SECRET_ENCRYPTION_KEY: keyText })
    await vault.writable.secrets.add(secret('a', request.host, value))
    const other = Buffer.from(keyText, 'base64').toString('hex').replace(/^../u, 'ff')

    expect(await reveal(seen(vault, { SECRET_ENCRYPTION_KEY: keyText }))).toBe(value)
    await expect(reveal(seen(vault, { SECRET_ENCRYPTION_KEY: other }))).rejects.toMatchObject({
      code: 'ERR_VAULT_KEY',
    })
    await expect(reveal(seen(vault))).rejects.toThrow('SECRET_ENCRYPTION_KEY is not set')
    expect(await readdir(vault.home)).not.toContain('vault.key')
  })

  test.each([
    ['a placeholder', 'change-me-to-secure-key'],
    ['too short', 'AAAA'],
    ['of zeros', '0'.repeat(64)],
    ['half hexadecimal', `${'ab'.repeat(31)}zz`],
  ])('from the environment that is %s is refused', async (_what, text) => {
    const vault = await vaultWith({ SECRET_ENCRYPTION_KEY: text })

    await expect(
      vault.writable.secrets.add(secret('a', request.host, value)),
    ).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
  })

  test('from a passphrase opens the vault, and another passphrase does not', async () => {
    const passphrases = ['right horse battery', 'right horse battery']
    const vault = await makeVault({ ask: () => Promise.resolve(passphrases.shift() ?? '') })
    opened.push(vault)
    await vault.writable.secrets.add(secret('a', request.host, value), 'passphrase')
    const asked = (passphrase: string) =>
      vault.read({ unrestricted: 'porthole', ask: () => Promise.resolve(passphrase) }).credentials

    expect(await reveal(asked('right horse battery'))).toBe(value)
    await expect(reveal(asked('wrong horse battery'))).rejects.toThrow('the passphrase is wrong')
    await expect(reveal(seen(vault))).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
  })

  test('from a file is made at the first secret, and missed when it is gone', async () => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('a', request.host, value))
    const path = join(vault.home, 'vault.key')

    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await rm(path)
    await expect(reveal(seen(vault))).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
  })

  test('in a file that others can read is refused', async () => {
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('a', request.host, value))
    await promisify(execFile)('chmod', ['644', join(vault.home, 'vault.key')])

    await expect(reveal(seen(vault))).rejects.toMatchObject({ code: 'ERR_VAULT_MODE' })
  })
})

describe('a new data key', () => {
  test('seals every secret anew, under a new key in the file, noticed by who reads', async () => {
    const vault = await vaultWith()
    const { secrets } = vault.writable
    const source = seen(vault)
    await secrets.add(secret('a', request.host, value))
    await secrets.add(secret('b', 'b.example', `${value}-b`))
    expect(await reveal(source)).toBe(value)
    const before = await secrets.list()
    const file = await readFile(join(vault.home, 'vault.key'), 'utf8')

    expect(await secrets.rotateKey()).toBe(2)

    const after = await secrets.list()
    expect(after.map(({ keyId }) => keyId)).not.toEqual(before.map(({ keyId }) => keyId))
    expect(new Set(after.map(({ keyId }) => keyId)).size).toBe(1)
    expect(await readFile(join(vault.home, 'vault.key'), 'utf8')).not.toBe(file)
    expect(await reveal(source)).toBe(value)
    expect(await reveal(source, { host: 'b.example' })).toBe(`${value}-b`)
  })

  test('may come with a key from elsewhere', async () => {
    const env = { SECRET_ENCRYPTION_KEY: keyText }
    const vault = await vaultWith()
    await vault.writable.secrets.add(secret('a', request.host, value))
    vault.writable.close()
    const again = await makeVault({ home: vault.home, env })
    opened.push(again)

    await again.writable.secrets.rotateKey('environment')

    expect(await reveal(seen(vault, env))).toBe(value)
    await expect(reveal(seen(vault))).rejects.toBeInstanceOf(AppError)
  })
})

test('a key file with a line that is none is refused', async () => {
  const vault = await vaultWith()
  await vault.writable.secrets.add(secret('a', request.host, value))
  await writeFile(join(vault.home, 'vault.key'), 'porthole-key x AAAA\n')

  await expect(reveal(seen(vault))).rejects.toMatchObject({ code: 'ERR_VAULT_KEY' })
})
