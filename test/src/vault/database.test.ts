import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { openVaultDatabase, sql } from '../../../src/vault/database.ts'
import { migrations } from '../../../src/vault/schema.ts'
import { makeVault, secret } from '../../support/vault.ts'

let home = ''
let path = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-db-'))
  path = join(home, 'porthole.db')
})
afterEach(async () => {
  await chmod(home, 0o700)
  await rm(home, { recursive: true, force: true })
})

function make(): void {
  openVaultDatabase(path, { create: true }).close()
}

const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777

describe('a new database', () => {
  test('is private, with its log and its index, whatever the umask', async () => {
    const script = `process.umask(0)
      const { openVaultDatabase, sql } = await import('./src/vault/database.ts')
      const { statSync } = await import('node:fs')
      const database = openVaultDatabase(${JSON.stringify(path)}, { create: true })
      database.run(sql.updateTable('vault').set({ id: 'vault_x' }))
      const modes = ['', '-wal', '-shm'].map((end) => statSync(${JSON.stringify(path)} + end).mode & 0o777)
      process.stdout.write(JSON.stringify(modes))`

    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      script,
    ])

    expect(JSON.parse(stdout)).toEqual([0o600, 0o600, 0o600])
  })

  test('leaves nothing beside it, and is found by the next', async () => {
    make()
    const database = openVaultDatabase(path, { create: true })

    expect(database.first(sql.selectFrom('vault').select('id'))?.id).toMatch(/^vault_/u)
    database.close()
    expect(await readdir(home)).toEqual(['porthole.db'])
  })

  test('keeps every commit: its log is synced, in WAL mode', () => {
    make()
    const database = openVaultDatabase(path)
    const raw = new Sqlite(path)

    expect(raw.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(raw.pragma('user_version', { simple: true })).toBe(migrations.length)
    raw.close()
    database.close()
  })
})

describe('a database', () => {
  test('that others can read is refused', async () => {
    make()
    await chmod(path, 0o640)

    expect(() => openVaultDatabase(path)).toThrow(
      expect.objectContaining({ code: 'ERR_VAULT_MODE' }),
    )
    expect(await modeOf(path)).toBe(0o640)
  })

  test('in a folder that others can write to is refused', async () => {
    make()
    await chmod(home, 0o777)

    expect(() => openVaultDatabase(path)).toThrow(
      expect.objectContaining({ code: 'ERR_VAULT_MODE' }),
    )
  })

  test.each(['', '-wal', '-shm'])('that is a link (%s) is refused', async (ending) => {
    make()
    const target = join(home, 'elsewhere')
    if (ending === '') await rename(path, target)
    else await writeFile(target, '', { mode: 0o600 })
    await symlink(target, `${path}${ending}`)

    expect(() => openVaultDatabase(path)).toThrow(/symbolic link/u)
  })

  test.each([
    ['empty', ''],
    ['something else', 'not a database at all, but long enough to look like one'.repeat(100)],
  ])('that is %s is refused, and not made anew', async (_what, text) => {
    await writeFile(path, text, { mode: 0o600 })

    expect(() => openVaultDatabase(path, { create: true })).toThrow(
      expect.objectContaining({ code: 'ERR_VAULT_UNUSABLE' }),
    )
    expect((await stat(path)).size).toBe(text.length)
  })

  test('of another program is refused', async () => {
    const other = new Sqlite(path)
    other.exec('create table t (x)')
    other.close()
    await chmod(path, 0o600)

    expect(() => openVaultDatabase(path)).toThrow(/not a database of Porthole/u)
  })

  test('of a newer Porthole is refused', () => {
    make()
    const raw = new Sqlite(path)
    raw.pragma(`user_version = ${migrations.length + 1}`)
    raw.close()

    expect(() => openVaultDatabase(path)).toThrow(
      expect.objectContaining({ code: 'ERR_VAULT_NEWER' }),
    )
  })

  test('that is damaged in the middle is refused', async () => {
    const vault = await makeVault({ home })
    for (let index = 0; index < 50; index += 1) {
      await vault.writable.secrets.add(secret(`s${index}`, `h${index}.example`, 'some-value-here'))
    }
    vault.writable.close()
    const { open } = await import('node:fs/promises')
    const handle = await open(path, 'r+')
    await handle.write(Buffer.alloc(8192, 0xff), 0, 8192, 8192)
    await handle.close()

    expect(() => openVaultDatabase(path)).toThrow(
      expect.objectContaining({ code: 'ERR_VAULT_UNUSABLE' }),
    )
  })
})

test('a transaction that fails leaves nothing', async () => {
  make()
  const database = openVaultDatabase(path)
  const fill = (): void => {
    const row = {
      id: 'a',
      name: 'a',
      token_hash: Buffer.alloc(32),
      hosts: null,
      sees_all: 0,
      expires_at: null,
      created_at: 1,
      rotated_at: 1,
    } as const
    database.run(sql.insertInto('agents').values(row))
    throw new Error('no')
  }

  expect(() => database.write(fill)).toThrow('no')
  await expect(database.writeSlowly(() => Promise.resolve(fill()))).rejects.toThrow('no')
  expect(database.all(sql.selectFrom('agents').selectAll())).toEqual([])
  database.close()
})
