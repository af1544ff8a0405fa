import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createQueryBuilder } from '../../../src/base/query-builder.ts'
import { openPrivateDatabase } from '../../../src/storage/private-database.ts'
import type { DatabaseKind } from '../../../src/storage/private-database.ts'

const sql = createQueryBuilder<{ readonly notes: { readonly text: string } }>()
const kind: DatabaseKind = {
  applicationId: 0x54455354,
  migrations: ['create table notes (text text not null) strict'],
  synchronous: 'normal',
  erases: false,
  seed: () => ({ sql: 'insert into notes (text) values (?)', values: ['seed'] }),
  errors: { mode: 'ERR_VAULT_MODE', unusable: 'ERR_LEDGER_UNUSABLE', newer: 'ERR_LEDGER_NEWER' },
}

let home = ''
let path = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-kept-'))
  path = join(home, 'kept.db')
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

const notesOf = (of: DatabaseKind = kind): string[] => {
  const database = openPrivateDatabase(of, path, { create: true })
  const rows = database.all(sql.selectFrom('notes').selectAll().orderBy('text'))
  database.close()
  return rows.map(({ text }) => text)
}

describe('a file', () => {
  test('is made whole, private, with its seed, and nothing is left beside it', async () => {
    expect(notesOf()).toEqual(['seed'])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(home)).toEqual(['kept.db'])
    expect(notesOf()).toEqual(['seed'])
  })

  test('is brought up to date, and keeps what is in it', () => {
    notesOf()
    const later = { ...kind, migrations: [...kind.migrations, "insert into notes values ('two')"] }

    expect(notesOf(later)).toEqual(['seed', 'two'])
    expect(notesOf(later)).toEqual(['seed', 'two'])
    expect(() => notesOf()).toThrow(expect.objectContaining({ code: 'ERR_LEDGER_NEWER' }))
  })

  test('of another kind is refused', () => {
    notesOf({ ...kind, applicationId: 1 })

    expect(() => notesOf()).toThrow(/not a database of Porthole/u)
  })

  test('that is empty, or open to others, is refused and left as it is', async () => {
    await writeFile(path, '', { mode: 0o600 })
    expect(() => notesOf()).toThrow(/the file is empty/u)
    await chmod(path, 0o640)

    expect(() => notesOf()).toThrow(expect.objectContaining({ code: 'ERR_VAULT_MODE' }))
    expect((await stat(path)).size).toBe(0)
  })

  test('that is not there is none, unless it may be made', () => {
    expect(() => openPrivateDatabase(kind, path)).toThrow(/there is no such file/u)
  })
})

test('each kind is kept as it asks to be', () => {
  notesOf()
  const raw = new Sqlite(path)
  expect(raw.pragma('journal_mode', { simple: true })).toBe('wal')
  raw.close()
})

test('a change by another connection is seen, and one that another holds is an error', () => {
  const [one, two] = [0, 1].map(() =>
    openPrivateDatabase(kind, path, { create: true, patienceMs: 1 }),
  )
  const before = one?.dataVersion
  two?.write(() => two.run(sql.insertInto('notes').values({ text: 'new' })))
  expect(one?.dataVersion).not.toBe(before)
  const raw = new Sqlite(path)
  raw.exec('begin immediate')

  expect(() => one?.write(() => 1)).toThrow(/another process is writing/u)
  raw.close()
  one?.close()
  two?.close()
})
