/**
 * A database that is opened with care or not at all. The file is made whole under another name and
 * then put in place, so that an empty or half-made one is never a beginning; what is damaged, too
 * open, foreign or newer is refused, and nothing is ever made anew over it. Queries are written with
 * kysely and run at once: nothing can come between the parts of a transaction. Which tables there
 * are is told by its users.
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
import type { ErrorCode } from '../base/errors.ts'
import { readableStorageError } from './sqlite-errors.ts'

const isWindows = platform() === 'win32'

/** How long a command waits for another process to finish writing, in ms. */
const writerPatienceMs = 5000
/** A proxy may not stand still for a writer; in WAL mode it hardly ever has to wait. */
export const readerPatienceMs = 100

/** What one kind of file is told from all others by, and how it is kept. */
export interface DatabaseKind {
  /** `PRAGMA application_id`. */
  readonly applicationId: number
  /** Step n takes a file from version n to n + 1; `user_version` counts them. */
  readonly migrations: readonly string[]
  /** `full`: no commit is lost with the power; `normal`: the last ones may be. */
  readonly synchronous: 'full' | 'normal'
  /** Whether what was deleted is overwritten. */
  readonly erases: boolean
  /** Run once in a new file, after the migrations. */
  readonly seed?: () => { readonly sql: string; readonly values: readonly string[] }
  /** Each takes `path`; `mode` also mode and wanted, `unusable` problem, `newer` version and known. */
  readonly errors: {
    readonly mode: ErrorCode
    readonly unusable: ErrorCode
    readonly newer: ErrorCode
  }
}

/** What its users see of it; which library runs the queries is nobody else's business. */
export interface PrivateDatabase {
  /** All rows of a query. */
  all<T>(query: Compilable<T>): T[]
  first<T>(query: Compilable<T>): T | undefined
  /** Runs a statement that gives no rows; how many it has changed. */
  run(query: Compilable): number
  /** A statement that is run often: compiled once. What it throws is SQLite's own. */
  prepare<Parameters extends unknown[], Row>(sql: string): Statement<Parameters, Row>
  /** Sets or asks something of this connection. */
  pragma(text: string): unknown
  /** All or nothing; on the disk when this returns. */
  write<T>(work: () => T): T
  /** As `write`, where the work has to wait for files; nobody else writes meanwhile. */
  writeSlowly<T>(work: () => Promise<T>): Promise<T>
  /** What is read in `work` is of one moment. */
  read<T>(work: () => T): T
  /** Another number than before, once another connection has changed anything. */
  readonly dataVersion: number
  /** After old ciphertexts have gone: their pages, and the log that held them, are overwritten. */
  purge(): void
  close(): void
}

/** A compiled statement; its rows come in their order. */
export interface Statement<Parameters extends unknown[], Row> {
  get(...values: Parameters): Row | undefined
  all(...values: Parameters): Row[]
  iterate(...values: Parameters): Iterable<Row>
  run(...values: Parameters): unknown
}

class OpenDatabase implements PrivateDatabase {
  readonly #sqlite: Sqlite.Database
  readonly #kind: DatabaseKind
  readonly #version: Sqlite.Statement<[], number>

  constructor(sqlite: Sqlite.Database, kind: DatabaseKind) {
    this.#sqlite = sqlite
    this.#kind = kind
    this.#version = sqlite.prepare<[], number>('pragma data_version').pluck()
  }

  all<T>(query: Compilable<T>): T[] {
    const { sql, parameters } = query.compile()
    return this.#sqlite.prepare<unknown[], T>(sql).all(...parameters)
  }

  first<T>(query: Compilable<T>): T | undefined {
    return this.all(query)[0]
  }

  run(query: Compilable): number {
    const { sql, parameters } = query.compile()
    return this.#sqlite.prepare<unknown[]>(sql).run(...parameters).changes
  }

  prepare<Parameters extends unknown[], Row>(sql: string): Statement<Parameters, Row> {
    return this.#sqlite.prepare<Parameters, Row>(sql)
  }

  pragma(text: string): unknown {
    return this.#translated(() => this.#sqlite.pragma(text, { simple: true }))
  }

  write<T>(work: () => T): T {
    return this.#translated(() => this.#sqlite.transaction(work).immediate())
  }

  async writeSlowly<T>(work: () => Promise<T>): Promise<T> {
    this.#translated(() => this.#sqlite.exec('begin immediate'))
    try {
      const result = await work()
      this.#translated(() => this.#sqlite.exec('commit'))
      return result
    } catch (error) {
      if (this.#sqlite.inTransaction) this.#sqlite.exec('rollback')
      throw error
    }
  }

  read<T>(work: () => T): T {
    return this.#translated(() => this.#sqlite.transaction(work).deferred())
  }

  get dataVersion(): number {
    return this.#version.get() ?? 0
  }

  purge(): void {
    this.#translated(() => {
      this.#sqlite.exec('vacuum')
      this.#sqlite.pragma('wal_checkpoint(truncate)')
    })
  }

  close(): void {
    this.#sqlite.close()
  }

  #translated<T>(work: () => T): T {
    return translated(this.#kind, this.#sqlite.name, work)
  }
}

export interface OpenOptions {
  /** Makes the file where there is none. */
  readonly create?: boolean
  /** How long to wait for another process that writes, in ms. */
  readonly patienceMs?: number
  /** Leaves out reading the whole file for damage, which takes the longer the larger it is. */
  readonly skipCheck?: boolean
}

/** Throws the kind's own errors, and `ERR_HOME_UNWRITABLE`. */
export function openPrivateDatabase(
  kind: DatabaseKind,
  path: string,
  options: OpenOptions = {},
): PrivateDatabase {
  if (options.create === true && !existsSync(path)) createDatabase(kind, path)
  checkFiles(kind, path)
  return translated(kind, path, () => {
    const sqlite = new Sqlite(path, {
      fileMustExist: true,
      timeout: options.patienceMs ?? writerPatienceMs,
    })
    try {
      prepare(kind, sqlite, path, options.skipCheck === true)
      // Its log and index are made with the mode of the file; checked all the same.
      checkFiles(kind, path)
      return new OpenDatabase(sqlite, kind)
    } catch (error) {
      sqlite.close()
      throw error
    }
  })
}

function prepare(
  kind: DatabaseKind,
  sqlite: Sqlite.Database,
  path: string,
  skipsCheck: boolean,
): void {
  const { migrations } = kind
  harden(kind, sqlite)
  const found = sqlite.pragma('application_id', { simple: true })
  if (found !== kind.applicationId) {
    throw unusable(kind, path, 'it is not a database of Porthole')
  }
  const version = Number(sqlite.pragma('user_version', { simple: true }))
  if (version > migrations.length) {
    throw new AppError(kind.errors.newer, { path, version, known: migrations.length })
  }
  if (!skipsCheck && sqlite.pragma('quick_check(1)', { simple: true }) !== 'ok') {
    throw unusable(kind, path, 'the database is damaged')
  }
  sqlite.pragma('journal_mode = wal')
  if (version < migrations.length) migrate(kind, sqlite)
}

/** What holds for every connection. The default of a database in WAL mode may lose commits. */
function harden({ synchronous, erases }: DatabaseKind, sqlite: Sqlite.Database): void {
  sqlite.pragma('trusted_schema = off')
  sqlite.pragma(`synchronous = ${synchronous}`)
  sqlite.pragma(`secure_delete = ${erases ? 'on' : 'off'}`)
  sqlite.pragma('foreign_keys = on')
}

function migrate({ migrations }: DatabaseKind, sqlite: Sqlite.Database): void {
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
function createDatabase(kind: DatabaseKind, path: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    closeSync(openSync(temporary, flags, 0o600))
    // The umask may have taken the owner's bits away.
    if (!isWindows) chmodSync(temporary, 0o600)
    const sqlite = new Sqlite(temporary)
    try {
      harden(kind, sqlite)
      sqlite.pragma(`application_id = ${kind.applicationId}`)
      migrate(kind, sqlite)
      const seed = kind.seed?.()
      if (seed !== undefined) sqlite.prepare<unknown[]>(seed.sql).run(...seed.values)
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
function checkFiles(kind: DatabaseKind, path: string): void {
  if (isWindows) return
  const folder = lstatSync(dirname(path), { throwIfNoEntry: false })
  if (folder !== undefined && (folder.mode & 0o022) !== 0 && (folder.mode & 0o1000) === 0) {
    throw tooOpen(kind, dirname(path), folder, 'go-w')
  }
  for (const ending of ['', '-wal', '-shm', '-journal']) {
    checkFile(kind, `${path}${ending}`, ending === '')
  }
}

function checkFile(kind: DatabaseKind, path: string, isNeeded: boolean): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (isNeeded) throw unusable(kind, path, 'there is no such file')
    return
  }
  if (stats.isSymbolicLink()) throw unusable(kind, path, 'the file is a symbolic link')
  if (!stats.isFile()) throw unusable(kind, path, 'it is not a regular file')
  const own = ownUserId()
  if (own !== undefined && stats.uid !== own) {
    throw unusable(kind, path, `it belongs to another user (id ${stats.uid})`)
  }
  if ((stats.mode & 0o077) !== 0) throw tooOpen(kind, path, stats, '600')
  if (isNeeded && stats.size === 0) throw unusable(kind, path, 'the file is empty')
}

/** Undefined for a user id without an account, as in some containers; SQLite then fails by itself. */
function ownUserId(): number | undefined {
  try {
    return userInfo().uid
  } catch {
    return undefined
  }
}

function tooOpen(
  { errors }: DatabaseKind,
  path: string,
  { mode }: Stats,
  wanted: string,
): AppError {
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  return new AppError(errors.mode, { path, mode: shown, wanted })
}

function unusable({ errors }: DatabaseKind, path: string, problem: string): AppError {
  return new AppError(errors.unusable, { path: basename(path), problem })
}

/** What SQLite throws, as errors that a user can read. */
function translated<T>(kind: DatabaseKind, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw readableStorageError(kind.errors.unusable, path, error)
  }
}
