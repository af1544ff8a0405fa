import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { describe, expect, test } from 'vitest'

import { readableStorageError } from '../../../src/storage/sqlite-errors.ts'

const path = join(tmpdir(), 'porthole.db')
const read = (code: string): unknown =>
  readableStorageError('ERR_VAULT_UNUSABLE', path, new Sqlite.SqliteError('it failed', code))

describe('what SQLite throws', () => {
  test.each([
    ['SQLITE_BUSY', 'ERR_STORAGE_BUSY'],
    ['SQLITE_BUSY_SNAPSHOT', 'ERR_STORAGE_BUSY'],
    ['SQLITE_FULL', 'ERR_STORAGE_FULL'],
    ['SQLITE_IOERR_WRITE', 'ERR_HOME_UNWRITABLE'],
    ['SQLITE_READONLY', 'ERR_HOME_UNWRITABLE'],
    ['SQLITE_CANTOPEN', 'ERR_HOME_UNWRITABLE'],
    ['SQLITE_CORRUPT', 'ERR_VAULT_UNUSABLE'],
    ['SQLITE_NOTADB', 'ERR_VAULT_UNUSABLE'],
  ])('as %s is told as %s', (code, expected) => {
    expect(read(code)).toMatchObject({ code: expected })
  })

  test.each([['SQLITE_FULL'], ['SQLITE_IOERR_SHMSIZE'], ['SQLITE_READONLY'], ['SQLITE_BUSY']])(
    'as %s has nobody restore or move away what is whole',
    (code) => {
      expect(String((read(code) as { hint?: unknown }).hint)).not.toMatch(/move it away|restore/u)
    },
  )

  test('and what others throw stays what it is', () => {
    const error = new Error('ours')

    expect(readableStorageError('ERR_VAULT_UNUSABLE', path, error)).toBe(error)
  })
})
