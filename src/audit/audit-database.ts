/**
 * `audit.db`: entries in one chain, whoever appends. Each append is one transaction that begins at
 * the end of the chain as it then is, so that several processes make one order; its head is written
 * in the same transaction. Entries are never changed; the oldest can be removed, which leaves a
 * checkpoint and is an entry itself.
 */
import { randomBytes } from 'node:crypto'

import type { Compilable } from 'kysely'

import { AppError, errorCodeOf } from '../base/errors.ts'
import { createQueryBuilder } from '../base/query-builder.ts'
import type { DatabaseKind, PrivateDatabase, Statement } from '../storage/private-database.ts'
import { openPrivateDatabase } from '../storage/private-database.ts'
import { hashEntry } from './entry.ts'
import type { AuditTables, ChainRow, EntryRow } from './schema.ts'
import { applicationId, migrations } from './schema.ts'

const kind: DatabaseKind = {
  applicationId,
  migrations,
  // Entries that were removed for their age are meant to be gone.
  erases: true,
  synchronous: 'full',
  seed: () => ({
    sql: `insert into chain (one, id, count, hash, pruned, pruned_hash)
      select 1, id, 0, id, 0, id from (select ? as id)`,
    values: [randomBytes(32).toString('hex')],
  }),
  errors: { mode: 'ERR_AUDIT_MODE', unusable: 'ERR_AUDIT_UNUSABLE', newer: 'ERR_AUDIT_NEWER' },
}

/** Builds typed queries; it runs none. */
export const sql = createQueryBuilder<AuditTables>()

/** An entry as it is stored, for queries to go on from. */
export const selectEntries = sql.selectFrom('entries').select(['number', 'body', 'hash'])

/** The end of the chain: the number of its last entry, and its hash. */
export interface AuditHead {
  readonly count: number
  readonly hash: string
}

export interface AuditOpenOptions {
  readonly create?: boolean
  /** How long to wait for another process that appends, in ms. */
  readonly patienceMs?: number
  /** How long to wait for one while the file is opened, in ms, where that is another time. */
  readonly openPatienceMs?: number
  /**
   * `system`: an entry survives the end of the power once `append` has returned; `process`: the end
   * of this process alone. With `process`, syncing is left to a checkpoint that somebody else makes.
   */
  readonly survives: 'process' | 'system'
}

/** Throws `ERR_AUDIT_…`, `ERR_HOME_UNWRITABLE`. */
export function openAuditDatabase(path: string, options: AuditOpenOptions): AuditDatabase {
  // Whoever verifies has the whole file read; a proxy would be held up by it.
  const { patienceMs, openPatienceMs = patienceMs } = options
  const patience = openPatienceMs === undefined ? {} : { patienceMs: openPatienceMs }
  const database = openPrivateDatabase(kind, path, { ...options, ...patience, skipCheck: true })
  if (patienceMs !== undefined && patienceMs !== openPatienceMs) {
    database.pragma(`busy_timeout = ${patienceMs}`)
  }
  if (options.survives === 'process') {
    database.pragma('synchronous = normal')
    database.pragma('wal_autocheckpoint = 0')
    database.pragma(`journal_size_limit = ${keptLogBytes}`)
  }
  return new AuditDatabase(database)
}

/** Of the log, after all of it has gone into the database. */
const keptLogBytes = 16 * 1024 * 1024

export class AuditDatabase {
  readonly #database: PrivateDatabase
  readonly #begin
  readonly #commit
  readonly #rollback
  readonly #head
  readonly #insert
  readonly #setHead

  constructor(database: PrivateDatabase) {
    this.#database = database
    this.#begin = database.prepare<[], unknown>('begin immediate')
    this.#commit = database.prepare<[], unknown>('commit')
    this.#rollback = database.prepare<[], unknown>('rollback')
    // Values stand for parameters, in their order.
    this.#head = this.prepare<[]>()(sql.selectFrom('chain').select(['count', 'hash']))
    this.#insert = this.prepare<[number, string, string]>()(
      sql.insertInto('entries').values({ number: 0, body: '', hash: '' }),
    )
    this.#setHead = this.prepare<[number, string]>()(
      sql.updateTable('chain').set({ count: 0, hash: '' }),
    )
  }

  /** Appends entries in one transaction; the new end of the chain. Throws what SQLite throws. */
  append(bodies: readonly string[]): AuditHead {
    return this.#transaction(() => this.#appendAll(bodies))
  }

  /** As `append`, of an entry that is made once nobody else can append: what it tells is in order. */
  appendNow(bodyOf: () => string): AuditHead {
    return this.#transaction(() => this.#appendAll([bodyOf()]))
  }

  get head(): AuditHead {
    return this.#needHead()
  }

  /** Another number than before, once another connection has appended or removed anything. */
  get dataVersion(): number {
    return this.#database.dataVersion
  }

  /** Compiles a query that is run often; the values in it stand for its parameters. */
  prepare<Parameters extends unknown[]>(): <Row>(
    query: Compilable<Row>,
  ) => Statement<Parameters, Row> {
    return (query) => this.#database.prepare(query.compile().sql)
  }

  /** What is read in `work` is of one moment. */
  read<T>(work: (database: PrivateDatabase) => T): T {
    return this.#database.read(() => work(this.#database))
  }

  /**
   * Removes all entries up to `number` and appends `bodyFor` the last of them, in one transaction.
   * The chain then begins at that entry's hash.
   */
  removeUpTo(number: number, bodyFor: (last: AuditHead) => string): AuditHead {
    const head = this.#transaction(() => {
      const [last] = this.#database.all<EntryRow>(selectEntries.where('number', '=', number))
      if (last === undefined) throw damaged(`there is no entry ${number}`)
      const mark = { count: last.number, hash: last.hash }
      this.#database.run(sql.deleteFrom('entries').where('number', '<=', number))
      this.#database.run(
        sql.updateTable('chain').set({ pruned: mark.count, pruned_hash: mark.hash }),
      )
      return this.#appendAll([bodyFor(mark)])
    })
    this.#database.pragma('wal_checkpoint(truncate)')
    return head
  }

  get chain(): ChainRow {
    const rows = this.#database.all<ChainRow>(sql.selectFrom('chain').selectAll())
    const [row] = rows
    if (row === undefined || rows.length > 1) throw damaged('it has no beginning')
    return row
  }

  close(): void {
    this.#database.close()
  }

  #appendAll(bodies: readonly string[]): AuditHead {
    let { count, hash } = this.#needHead()
    for (const body of bodies) {
      count += 1
      hash = hashEntry(hash, count, body)
      this.#insert.run(count, body, hash)
    }
    this.#setHead.run(count, hash)
    return { count, hash }
  }

  #needHead(): AuditHead {
    const head = this.#head.get()
    if (head === undefined) throw damaged('it has no beginning')
    return head
  }

  /** By hand, for it is run at every request: a wrapped function would be made anew each time. */
  #transaction<T>(work: () => T): T {
    this.#begin.run()
    try {
      const result = work()
      this.#commit.run()
      return result
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  #rollBack(): void {
    try {
      this.#rollback.run()
    } catch {
      // SQLite has rolled back by itself, as after a full disk.
    }
  }
}

/** Whether another process holds the lock, of the file that is open or is being opened; that passes. */
export function isBusy(error: unknown): boolean {
  const thrown = error instanceof AppError ? error.cause : error
  return errorCodeOf(thrown)?.startsWith('SQLITE_BUSY') === true
}

function damaged(problem: string): AppError {
  return new AppError('ERR_AUDIT_UNUSABLE', { path: 'audit.db', problem })
}
