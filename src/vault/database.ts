/**
 * `porthole.db`: opened with care or not at all. The file is made whole under another name and then
 * put in place, so that an empty or half-made one is never a beginning; what is damaged, too open,
 * foreign or newer is refused, and nothing is ever made anew over it. Queries are written with
 * kysely and run at once: nothing can come between the parts of a transaction.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  unlinkSync,
} from 'node:fs'
import type { Stats } from 'node:fs'
import { platform, userInfo } from 'node:os'
import { basename, dirname } from 'node:path'

import Sqlite from 'better-sqlite3'
import type { Compilable } from 'kysely'

import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { createQueryBuilder } from '../base/query-builder.ts'
import { applicationId, migrations } from './schema.ts'
import type { VaultTables } from './schema.ts'
import { mintId } from './sealing.ts'

const isWindows = platform() === 'win32'

/** How long a command waits for another process to finish writing, in ms. */
const writerPatienceMs = 5000
/** A proxy may not stand still for a writer; in WAL mode it hardly ever has to wait. */
export const readerPatienceMs = 100

/** Builds typed queries; it runs none. */
export const sql = createQueryBuilder<VaultTables>()

export class VaultDatabase {
  readonly #sqlite: Sqlite.Database
  readonly #version: Sqlite.Statement<[], number>

  constructor(sqlite: Sqlite.Database) {
    this.#sqlite = sqlite
    this.#version = sqlite.prepare<[], number>('pragma data_version').pluck()
  }

  /** All rows of a query. */
  all<T>(query: Compilable<T>): T[] {
    const { sql, parameters } = query.compile()
    return this.#sqlite.prepare<unknown[], T>(sql).all(...parameters)
  }

  first<T>(query: Compilable<T>): T | undefined {
    return this.all(query)[0]
  }

  /** Runs a statement that gives no rows; how many it has changed. */
  run(query: Compilable): number {
    const { sql, parameters } = query.compile()
    return this.#sqlite.prepare<unknown[]>(sql).run(...parameters).changes
  }

  /** All or nothing; on the disk when this returns. */
  write<T>(work: () => T): T {
    return translated(this.#sqlite.name, () => this.#sqlite.transaction(work).immediate())
  }

  /** As `write`, where the work has to wait for files; nobody else writes meanwhile. */
  async writeSlowly<T>(work: () => Promise<T>): Promise<T> {
    translated(this.#sqlite.name, () => this.#sqlite.exec('begin immediate'))
    try {
      const result = await work()
      translated(this.#sqlite.name, () => this.#sqlite.exec('commit'))
      return result
    } catch (error) {
      if (this.#sqlite.inTransaction) this.#sqlite.exec('rollback')
      throw error
    }
  }

  /** What is read in `work` is of one moment. */
  read<T>(work: () => T): T {
    return translated(this.#sqlite.name, () => this.#sqlite.transaction(work).deferred())
  }

  /** Another number than before, once another connection has changed anything. */
  get dataVersion(): number {
    return this.#version.get() ?? 0
  }

  /** After old ciphertexts have gone: their pages, and the log that held them, are overwritten. */
  purge(): void {
    translated(this.#sqlite.name, () => {
      this.#sqlite.exec('vacuum')
      this.#sqlite.pragma('wal_checkpoint(truncate)')
    })
  }

  close(): void {
    this.#sqlite.close()
  }
}

/**
 * Opens the database; `create` makes it where there is none. Throws `ERR_VAULT_MODE`,
 * `ERR_VAULT_UNUSABLE`, `ERR_VAULT_NEWER`, `ERR_HOME_UNWRITABLE`.
 */
export function openVaultDatabase(
  path: string,
  options: { readonly create?: boolean; readonly patienceMs?: number } = {},
): VaultDatabase {
  if (options.create === true && !existsSync(path)) createDatabase(path)
  checkFiles(path)
  return translated(path, () => {
    const sqlite = new Sqlite(path, {
      fileMustExist: true,
      timeout: options.patienceMs ?? writerPatienceMs,
    })
    try {
      prepare(sqlite, path)
      // Its log and index are made with the mode of the file; checked all the same.
      checkFiles(path)
      return new VaultDatabase(sqlite)
    } catch (error) {
      sqlite.close()
      throw error
    }
  })
}

function prepare(sqlite: Sqlite.Database, path: string): void {
  harden(sqlite)
  const found = sqlite.pragma('application_id', { simple: true })
  if (found !== applicationId) throw unusable(path, 'it is not a database of Porthole')
  const version = Number(sqlite.pragma('user_version', { simple: true }))
  if (version > migrations.length) {
    throw new AppError('ERR_VAULT_NEWER', { path, version, known: migrations.length })
  }
  const [check] = sqlite.pragma('quick_check(1)') as Array<Record<string, unknown>>
  if (check?.['quick_check'] !== 'ok') throw unusable(path, 'the database is damaged')
  sqlite.pragma('journal_mode = wal')
  if (version < migrations.length) migrate(sqlite)
}

/** What holds for every connection. The default of a database in WAL mode may lose commits. */
function harden(sqlite: Sqlite.Database): void {
  sqlite.pragma('trusted_schema = off')
  sqlite.pragma('synchronous = full')
  sqlite.pragma('secure_delete = on')
  sqlite.pragma('foreign_keys = on')
}

function migrate(sqlite: Sqlite.Database): void {
  sqlite
    .transaction(() => {
      // Another process may have been first.
      const version = Number(sqlite.pragma('user_version', { simple: true }))
      for (const step of migrations.slice(version)) sqlite.exec(step)
      sqlite.pragma(`user_version = ${migrations.length}`)
    })
    .immediate()
}

/** Of several processes that create it at once, one wins, and the others find it made. */
function createDatabase(path: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    closeSync(openSync(temporary, flags, 0o600))
    // The umask may have taken the owner's bits away.
    if (!isWindows) chmodSync(temporary, 0o600)
    const sqlite = new Sqlite(temporary)
    try {
      harden(sqlite)
      sqlite.pragma(`application_id = ${applicationId}`)
      migrate(sqlite)
      sqlite.prepare('insert into vault (one, id) values (1, ?)').run(mintId('vault'))
    } finally {
      sqlite.close()
    }
    placeExclusively(temporary, path)
    syncDirectory(dirname(path))
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return
    const details = { path, problem: errorCodeOf(error) ?? describeError(error) }
    throw new AppError('ERR_HOME_UNWRITABLE', details, error)
  } finally {
    for (const ending of ['', '-journal']) removeQuietly(`${temporary}${ending}`)
  }
}

function placeExclusively(temporary: string, path: string): void {
  try {
    linkSync(temporary, path)
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') throw error
    // File systems without hard links.
    copyFileSync(temporary, path, constants.COPYFILE_EXCL)
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was never made, or the file is in place under its own name.
  }
}

function syncDirectory(dir: string): void {
  if (isWindows) return
  const descriptor = openSync(dir, constants.O_RDONLY)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** The folder, the database and what SQLite keeps beside it. */
function checkFiles(path: string): void {
  if (isWindows) return
  const folder = lstatSync(dirname(path), { throwIfNoEntry: false })
  if (folder !== undefined && (folder.mode & 0o022) !== 0 && (folder.mode & 0o1000) === 0) {
    throw tooOpen(dirname(path), folder, 'go-w')
  }
  for (const ending of ['', '-wal', '-shm', '-journal'])
    checkFile(`${path}${ending}`, ending === '')
}

function checkFile(path: string, isNeeded: boolean): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (isNeeded) throw unusable(path, 'there is no such file')
    return
  }
  if (stats.isSymbolicLink()) throw unusable(path, 'the file is a symbolic link')
  if (!stats.isFile()) throw unusable(path, 'it is not a regular file')
  const own = ownUserId()
  if (own !== undefined && stats.uid !== own) {
    throw unusable(path, `it belongs to another user (id ${stats.uid})`)
  }
  if ((stats.mode & 0o077) !== 0) throw tooOpen(path, stats, '600')
  if (isNeeded && stats.size === 0) throw unusable(path, 'the file is empty')
}

/** Undefined for a user id without an account, as in some containers; SQLite then fails by itself. */
function ownUserId(): number | undefined {
  try {
    return userInfo().uid
  } catch {
    return undefined
  }
}

function tooOpen(path: string, { mode }: Stats, wanted: string): AppError {
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  return new AppError('ERR_VAULT_MODE', { path, mode: shown, wanted })
}

function unusable(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('ERR_VAULT_UNUSABLE', { path: basename(path), problem }, cause)
}

/** What SQLite throws, as errors that a user can read. */
function translated<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Sqlite.SqliteError)) throw error
    if (error.code.startsWith('SQLITE_BUSY')) {
      throw unusable(path, 'another process is writing to it', error)
    }
    throw unusable(path, describeError(error), error)
  }
}
