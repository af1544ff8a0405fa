/**
 * The index file: private to its owner, shared by several processes (WAL), brought to this
 * version's tables when it is opened. It can be made anew from the captures, so one that is damaged
 * is moved aside and begun again; one of a later version is refused and not touched.
 */
import { chmod, lstat, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

import Database from 'better-sqlite3'
import type { CompiledQuery, Compilable } from 'kysely'

import { AppError, describeError, errorCodeOf } from '../../base/errors.ts'
import { createQueryBuilder } from '../../base/query-builder.ts'
import { makeFolders } from '../../config/folders.ts'
import type { IndexTables } from './schema.ts'
import { migrations } from './schema.ts'

/** How long one process waits for another one's transaction, in milliseconds. */
const busyTimeoutMs = 5000

/** Queries are written with this and run by `IndexDatabase`: it has no connection of its own. */
export const tables = createQueryBuilder<IndexTables>()

export interface OpenIndexOptions {
  /** Told once where the index is begun anew. */
  readonly onNotice: (text: string) => void
  /** Milliseconds to wait for other processes; 5000 unless told otherwise. */
  readonly busyTimeoutMs?: number | undefined
}

/**
 * Runs queries at once, on one connection: what is written together is written in one turn of the
 * event loop, so that no transaction is held open across others.
 */
export class IndexDatabase {
  readonly path: string
  readonly #db: Database.Database
  readonly #statements = new Map<string, Database.Statement<unknown[]>>()

  constructor(path: string, db: Database.Database) {
    this.path = path
    this.#db = db
  }

  all<T>(query: Compilable<T>): T[] {
    const compiled = query.compile()
    return this.#prepare(compiled.sql).all(...compiled.parameters) as T[]
  }

  first<T>(query: Compilable<T>): T | undefined {
    const compiled = query.compile()
    return this.#prepare(compiled.sql).get(...compiled.parameters) as T | undefined
  }

  /** Returns how many rows it changed. */
  run(query: Compilable<unknown>): number {
    const compiled: CompiledQuery<unknown> = query.compile()
    return this.#prepare(compiled.sql).run(...compiled.parameters).changes
  }

  /** One whole change, made by nobody else at the same time. */
  transaction<T>(change: () => T): T {
    return this.#db.transaction(change).immediate()
  }

  /** Sees one state of the tables, whatever others write meanwhile. */
  snapshot<T>(read: () => T): T {
    return this.#db.transaction(read).deferred()
  }

  /** Takes what was deleted out of the files too, as far as other processes let it. */
  tidy(): void {
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #prepare(sql: string): Database.Statement<unknown[]> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare<unknown[]>(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

/** Rejects with ERR_INDEX_NEWER or ERR_INDEX_UNUSABLE. */
export async function openIndex(path: string, options: OpenIndexOptions): Promise<IndexDatabase> {
  try {
    return await openOnce(path, options)
  } catch (error) {
    if (!isDamage(error)) throw asIndexError(path, error)
    try {
      await setAside(path, options)
      return await openOnce(path, options)
    } catch (again) {
      throw asIndexError(path, again)
    }
  }
}

/** Whether SQLite found the file not to be what it wrote. */
export function isDamage(error: unknown): boolean {
  const code = errorCodeOf(error) ?? ''
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB'
}

/** Whether it comes from SQLite, and not from a capture that is read. */
export function isSqliteError(error: unknown): boolean {
  return error instanceof Error && (errorCodeOf(error) ?? '').startsWith('SQLITE_')
}

/** Moves the index out of the way; an earlier one that lies there is replaced. */
export async function setAside(path: string, options: OpenIndexOptions): Promise<void> {
  await rename(path, `${path}.damaged`)
  await removeFiles([`${path}-wal`, `${path}-shm`])
  options.onNotice(`the index ${path} is damaged: moved to ${path}.damaged, and made anew`)
}

/** Removes the index: the next opening begins it anew. */
export async function removeIndex(path: string): Promise<void> {
  await removeFiles([path, `${path}-wal`, `${path}-shm`, `${path}.damaged`])
}

export function asIndexError(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('ERR_INDEX_UNUSABLE', { path, problem: describeError(error) }, error)
}

async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
}

async function openOnce(path: string, options: OpenIndexOptions): Promise<IndexDatabase> {
  await makePrivate(path)
  const timeout = options.busyTimeoutMs ?? busyTimeoutMs
  const db = new Database(path, { timeout, fileMustExist: true })
  try {
    const version = versionOf(db)
    if (version > migrations.length) {
      throw new AppError('ERR_INDEX_NEWER', { path, version, known: migrations.length })
    }
    db.pragma('journal_mode = WAL')
    // A crash may cost what came last; it is indexed again.
    db.pragma('synchronous = NORMAL')
    db.pragma('foreign_keys = ON')
    // A capture that was removed must not be readable in free pages.
    db.pragma('secure_delete = ON')
    if (version < migrations.length) migrate(db)
    return new IndexDatabase(path, db)
  } catch (error) {
    db.close()
    throw error
  }
}

function versionOf(db: Database.Database): number {
  return Number(db.pragma('user_version', { simple: true }))
}

function migrate(db: Database.Database): void {
  const change = db.transaction(() => {
    // Another process may have been first.
    for (const step of migrations.slice(versionOf(db))) db.exec(step)
    db.pragma(`user_version = ${migrations.length}`)
  })
  change.immediate()
}

/**
 * SQLite gives its side files the mode of the main one, so that is made first, with its final mode;
 * through a link it would write to somebody else's file. An existing file is looked at by its name:
 * closing any handle on it would drop the locks that SQLite holds in this process (POSIX).
 */
async function makePrivate(path: string): Promise<void> {
  await makeFolders(dirname(path))
  try {
    await (await open(path, 'wx', 0o600)).close()
    return
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error
  }
  const stats = await lstat(path)
  if (stats.isSymbolicLink()) throw new Error('it is a symbolic link')
  if (!stats.isFile()) throw new Error('it is not a regular file')
  if ((stats.mode & 0o077) !== 0) await chmod(path, 0o600)
}
