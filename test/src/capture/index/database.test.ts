import {
  chmodSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { IndexDatabase } from '../../../../src/capture/index/database.ts'
import { openIndex, tables } from '../../../../src/capture/index/database.ts'
import { migrations } from '../../../../src/capture/index/schema.ts'

let folder = ''
let path = ''
let notices: string[] = []
const opened: IndexDatabase[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-index-'))
  path = join(folder, 'captures', 'index.db')
  notices = []
})
afterEach(() => {
  for (const db of opened.splice(0)) db.close()
  rmSync(folder, { recursive: true })
})

async function openOne(busyTimeoutMs?: number): Promise<IndexDatabase> {
  const db = await openIndex(path, { onNotice: (text) => void notices.push(text), busyTimeoutMs })
  opened.push(db)
  return db
}

function addCapture(db: IndexDatabase, name: string): void {
  db.run(tables.insertInto('captures').values({ name, started_at: 1, last_at: null }))
}

function namesIn(db: IndexDatabase): string[] {
  return db.all(tables.selectFrom('captures').select('name')).map(({ name }) => name)
}

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)

describe('an index', () => {
  test.skipIf(process.platform === 'win32')(
    'is readable by its owner alone, with all its files, whatever the umask',
    async () => {
      const before = process.umask(0)
      try {
        addCapture(await openOne(), 'a')
      } finally {
        process.umask(before)
      }

      expect(modeOf(join(folder, 'captures'))).toBe('700')
      expect([path, `${path}-wal`, `${path}-shm`].map(modeOf)).toEqual(['600', '600', '600'])
    },
  )

  test.skipIf(process.platform === 'win32')(
    'that others could read is closed to them',
    async () => {
      await openOne()
      chmodSync(path, 0o644)

      await openOne()

      expect(modeOf(path)).toBe('600')
    },
  )

  test('keeps what was written when it is opened again', async () => {
    addCapture(await openOne(), 'kept')

    expect(namesIn(await openOne())).toEqual(['kept'])
    expect(notices).toEqual([])
  })

  test('is shared: one process reads what another one writes', async () => {
    const [one, two] = [await openOne(), await openOne()]

    addCapture(one, 'a')
    addCapture(two, 'b')

    expect(namesIn(one)).toEqual(['a', 'b'])
  })

  test('sees nothing of a change that failed half way', async () => {
    const db = await openOne()

    expect(() =>
      db.transaction(() => {
        addCapture(db, 'half')
        addCapture(db, 'half')
      }),
    ).toThrow(/UNIQUE/u)

    expect(namesIn(db)).toEqual([])
  })

  test('that is damaged is moved aside, begun anew, and told of once', async () => {
    await openOne()
    opened.pop()?.close()
    writeFileSync(path, 'not a database '.repeat(1000))

    const db = await openOne()

    expect(namesIn(db)).toEqual([])
    expect(existsSync(`${path}.damaged`)).toBe(true)
    expect(notices).toEqual([expect.stringContaining('damaged')])
  })

  test('of a later version is refused and not touched', async () => {
    await openOne()
    opened.pop()?.close()
    const later = new Database(path)
    later.pragma(`user_version = ${migrations.length + 1}`)
    later.close()

    await expect(openOne()).rejects.toMatchObject({ code: 'ERR_INDEX_NEWER' })

    const after = new Database(path, { readonly: true })
    expect(after.pragma('user_version', { simple: true })).toBe(migrations.length + 1)
    after.close()
    expect(notices).toEqual([])
  })

  test('is not opened through a symbolic link', async () => {
    const elsewhere = join(folder, 'elsewhere.db')
    writeFileSync(elsewhere, '')
    await openOne()
    opened.pop()?.close()
    rmSync(path)
    symlinkSync(elsewhere, path)

    await expect(openOne()).rejects.toMatchObject({ code: 'ERR_INDEX_UNUSABLE' })
    expect(statSync(elsewhere).size).toBe(0)
  })

  test('in a place that cannot be written says so', async () => {
    writeFileSync(join(folder, 'captures'), 'a file in the way')

    await expect(openOne()).rejects.toMatchObject({ code: 'ERR_INDEX_UNUSABLE' })
  })
})
