/**
 * `ledger.db`: what calls took from budgets, shared by all proxies of a data folder. What is charged
 * or held counts at once, and is written at the end of the turn; what others have written counts at
 * the next question. Sums are held in memory and brought up to date by the rows that are new. It is made when
 * it is first asked; one that cannot be read answers with an error, never with nothing.
 */
import { randomBytes } from 'node:crypto'

import { asError } from '../base/errors.ts'
import { createQueryBuilder } from '../base/query-builder.ts'
import { maskValuesIn } from '../policy/value-mask.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import type { DatabaseKind, PrivateDatabase } from '../storage/private-database.ts'
import { openPrivateDatabase, readerPatienceMs } from '../storage/private-database.ts'
import { readLeases, writeHolds } from './hold-rows.ts'
import type { Held, Hold, HoldPlace, HoldQuery, Lease } from './holds.ts'
import { HoldSums, leasedAt, leaseMs, sumOf } from './holds.ts'
import { applicationId, migrations } from './schema.ts'
import type { LedgerTables, SumColumns } from './schema.ts'
import { addSpend, dayOf, SpendSums } from './spend.ts'
import type { Charge, Spend, SpendBook, SpendQuery } from './spend.ts'

const kind: DatabaseKind = {
  applicationId,
  migrations,
  // A crash of the process loses nothing, one of the system the last calls: worth no sync a call.
  synchronous: 'normal',
  erases: false,
  errors: { mode: 'ERR_VAULT_MODE', unusable: 'ERR_LEDGER_UNUSABLE', newer: 'ERR_LEDGER_NEWER' },
}

const sql = createQueryBuilder<LedgerTables>()

const summed = [
  sql.fn.sum<number>('calls').as('calls'),
  sql.fn.sum<number>('tokens').as('tokens'),
  sql.fn.sum<number>('nano_usd').as('nano_usd'),
  sql.fn.sum<number>('unknown_tokens').as('unknown_tokens'),
  sql.fn.sum<number>('unknown_usd').as('unknown_usd'),
] as const

/** How long another process that writes is waited for at the end, in milliseconds. */
const closingPatienceMs = 5000
/** Days that are kept call by call: today, and the one that other clocks may still be in. */
const unfoldedDays = 2
/** Charges that wait for a disk one by one; beyond that, those of one rule, agent and day are one. */
const maxPending = 1000
/** How soon writing is tried again, in ms. */
const retryMs = 1000

export interface LedgerOptions {
  readonly path: string
  /** Wall clock, in epoch milliseconds. */
  readonly now: () => number
  /** Masked in names that come from the network: of hosts and of models. */
  readonly values?: ValueFinder | undefined
  /** Told once, until writing succeeds again: charges count in memory meanwhile. */
  readonly onUnwritable: (error: Error) => void
}

export class Ledger implements SpendBook {
  readonly #options: LedgerOptions
  readonly #writer = randomBytes(8).toString('hex')
  #database: PrivateDatabase | undefined
  #sums = new SpendSums()
  #pending: Charge[] = []
  readonly #holds = new HoldSums()
  /** Of other processes, as they were read last. */
  #leases: readonly Lease[] = []
  /** Where what is held has changed since it was written. */
  readonly #stale = new Map<string, HoldPlace>()
  #version = -1
  #lastId = 0
  #folds = -1
  #foldedOn = -1
  #isUnwritable = false
  #isScheduled = false
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  /** Throws `ERR_LEDGER_…`, `ERR_HOME_UNWRITABLE`. */
  spent(query: SpendQuery): Spend {
    this.#refresh()
    return this.#sums.spent(query)
  }

  charge(charge: Charge): void {
    this.#sums.charge(charge)
    this.#pending.push(charge)
    if (this.#pending.length > maxPending) this.#pending = joined(this.#pending)
    this.#schedule()
  }

  held(query: HoldQuery): Held {
    return sumOf([this.#holds.held(query), leasedAt(this.#leases, query, this.#options.now())])
  }

  hold(hold: Hold): void {
    this.#holds.hold(hold)
    this.#changed(hold)
    this.#renewal ??= setTimeout(() => this.#renew(), leaseMs / 3).unref()
  }

  release(hold: Hold): void {
    this.#holds.release(hold)
    this.#changed(hold)
  }

  /** Charges that are not on the disk yet. */
  get waiting(): number {
    return this.#pending.length
  }

  /** Writes what was charged, if it can be written. */
  flush(): void {
    if (this.#pending.length === 0 && this.#stale.size === 0) return
    try {
      const database = this.#open()
      database.write(() => this.#write(database))
      this.#pending = []
      this.#stale.clear()
      this.#isUnwritable = false
    } catch (error) {
      if (!this.#isUnwritable) this.#options.onUnwritable(asError(error))
      this.#isUnwritable = true
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.flush()
      }, retryMs).unref()
    }
  }

  /** What is still held is free for other processes. */
  close(): void {
    for (const hold of this.#holds.all()) this.release(hold)
    // Nothing comes after it: what another process keeps from being written now is lost.
    this.#database?.pragma(`busy_timeout = ${closingPatienceMs}`)
    this.flush()
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    this.#database?.close()
    this.#database = undefined
    this.#version = -1
    this.#folds = -1
  }

  #changed({ rule, agent }: HoldPlace): void {
    this.#stale.set(JSON.stringify([rule, agent]), { rule, agent })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#timer !== undefined) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  #renew(): void {
    this.#renewal = undefined
    const held = this.#holds.all()
    for (const hold of held) this.#changed(hold)
    if (held.length > 0) {
      this.#renewal = setTimeout(() => this.#renew(), leaseMs / 3).unref()
    }
  }

  #open(): PrivateDatabase {
    this.#database ??= openPrivateDatabase(kind, this.#options.path, {
      create: true,
      patienceMs: readerPatienceMs,
    })
    return this.#database
  }

  /** Takes in what other processes have written since; nothing where they have not. */
  #refresh(): void {
    const database = this.#open()
    const version = database.dataVersion
    if (version === this.#version) return
    const today = dayOf(this.#options.now())
    if (this.#foldedOn !== today) this.#fold(database, today)
    database.read(() => {
      const folds = readFolds(database)
      if (folds === this.#folds) this.#readNew(database)
      else this.#readAll(database)
      this.#folds = folds
      this.#leases = readLeases(database, this.#writer)
    })
    this.#version = version
  }

  #readNew(database: PrivateDatabase): void {
    const rows = database.all(
      sql.selectFrom('charges').selectAll().where('id', '>', this.#lastId).orderBy('id'),
    )
    for (const row of rows) {
      this.#lastId = row.id
      if (row.writer !== this.#writer) this.#sums.add(row.rule, row.agent, row.day, spendOf(row))
    }
  }

  #readAll(database: PrivateDatabase): void {
    const sums = new SpendSums()
    const rows = [
      ...database.all(sql.selectFrom('totals').selectAll()),
      ...database.all(
        sql
          .selectFrom('charges')
          .select(['rule', 'agent', 'day', ...summed])
          .groupBy(['rule', 'agent', 'day']),
      ),
    ]
    for (const row of rows) sums.add(row.rule, row.agent, row.day, spendOf(row))
    // What is not written yet is in no table.
    for (const charge of this.#pending) sums.charge(charge)
    this.#sums = sums
    const last = sql.selectFrom('charges').select('id').orderBy('id', 'desc').limit(1)
    this.#lastId = database.first(last)?.id ?? 0
  }

  /** Charges of days that no budget asks for by themselves become one row a day. */
  #fold(database: PrivateDatabase, today: number): void {
    const firstKept = today - unfoldedDays + 1
    try {
      database.write(() => {
        const old = sql
          .selectFrom('charges')
          .where('day', '<', firstKept)
          .select(['rule', 'agent', 'day', ...summed])
          .groupBy(['rule', 'agent', 'day'])
        const rows = database.all(old)
        for (const row of rows) addTotal(database, row)
        if (rows.length === 0) return
        database.run(sql.deleteFrom('charges').where('day', '<', firstKept))
        database.run(sql.updateTable('state').set((is) => ({ folds: is('folds', '+', 1) })))
      })
      this.#foldedOn = today
    } catch {
      // Another process is writing, or nobody can: there is time until the next question.
    }
  }

  #write(database: PrivateDatabase): void {
    const { values } = this.#options
    const mask = (text: string): string =>
      values === undefined ? text : maskValuesIn(text, values)
    if (this.#stale.size > 0) {
      const places = Array.from(this.#stale.values(), (place) => ({
        ...place,
        ...this.#holds.held(place),
      }))
      writeHolds(database, { writer: this.#writer, now: this.#options.now() }, places)
    }
    for (const charge of this.#pending) {
      const { at, rule, agent, host, model, exchange } = charge
      database.run(
        sql.insertInto('charges').values({
          at,
          writer: this.#writer,
          host: mask(host),
          model: model === undefined ? null : mask(model),
          exchange,
          rule,
          agent,
          day: dayOf(at),
          ...columnsOf(charge),
        }),
      )
    }
  }
}

function readFolds(database: PrivateDatabase): number {
  return database.first(sql.selectFrom('state').select('folds'))?.folds ?? 0
}

function addTotal(database: PrivateDatabase, row: SumColumns): void {
  database.run(
    sql
      .insertInto('totals')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['rule', 'agent', 'day']).doUpdateSet((is) => ({
          calls: is('totals.calls', '+', is.ref('excluded.calls')),
          tokens: is('totals.tokens', '+', is.ref('excluded.tokens')),
          nano_usd: is('totals.nano_usd', '+', is.ref('excluded.nano_usd')),
          unknown_tokens: is('totals.unknown_tokens', '+', is.ref('excluded.unknown_tokens')),
          unknown_usd: is('totals.unknown_usd', '+', is.ref('excluded.unknown_usd')),
        })),
      ),
  )
}

type SpendColumns = Omit<SumColumns, 'rule' | 'agent' | 'day'>

function spendOf(row: SpendColumns): Spend {
  return {
    calls: row.calls,
    tokens: row.tokens,
    nanoUsd: row.nano_usd,
    unknownTokens: row.unknown_tokens,
    unknownUsd: row.unknown_usd,
  }
}

function columnsOf(spend: Spend): SpendColumns {
  return {
    calls: spend.calls,
    tokens: spend.tokens,
    nano_usd: spend.nanoUsd,
    unknown_tokens: spend.unknownTokens,
    unknown_usd: spend.unknownUsd,
  }
}

/** One charge for each rule, agent and day: sums stay what they are. */
function joined(charges: readonly Charge[]): Charge[] {
  const byPlace = new Map<string, Charge>()
  for (const charge of charges) {
    const place = JSON.stringify([charge.rule, charge.agent, dayOf(charge.at)])
    const known = byPlace.get(place)
    byPlace.set(place, known === undefined ? charge : { ...charge, ...addSpend(known, charge) })
  }
  return [...byPlace.values()]
}
