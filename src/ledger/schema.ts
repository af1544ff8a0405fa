/**
 * The tables of `ledger.db`, as SQL and as types for the queries. Steps are only ever added;
 * `user_version` says how many a file has been through.
 */

import type { Generated } from 'kysely'

/** `PRAGMA application_id`: "PRTL". */
export const applicationId = 0x5052544c

export interface LedgerTables {
  readonly state: StateRow
  readonly charges: ChargeRow
  readonly totals: TotalRow
  readonly holds: HoldRow
}

/** One row. */
interface StateRow {
  readonly one: 1
  /** How often charges were folded into totals: who has read them one by one has to begin anew. */
  readonly folds: number
}

export interface SumColumns {
  /** Id of the rule that is charged. */
  readonly rule: string
  /** Name; empty for who has none. */
  readonly agent: string
  /** Days since the epoch, UTC. */
  readonly day: number
  readonly calls: number
  readonly tokens: number
  /** Billionths of a dollar: whole numbers add up without a remainder. */
  readonly nano_usd: number
  /** Calls that are not in `tokens`, and not in `nano_usd`, for nobody knows what they took. */
  readonly unknown_tokens: number
  readonly unknown_usd: number
}

/** What one call took from one rule. */
interface ChargeRow extends SumColumns {
  readonly id: Generated<number>
  /** Epoch milliseconds. */
  readonly at: number
  /** The process that wrote it. */
  readonly writer: string
  readonly host: string
  readonly model: string | null
  readonly exchange: string
}

/** Charges of a day that is over. */
type TotalRow = SumColumns

/** What a process holds ready for calls of one rule and agent that are under way. */
interface HoldRow {
  readonly writer: string
  readonly rule: string
  readonly agent: string
  /** Epoch milliseconds until which it counts, unless it is renewed. */
  readonly until: number
  readonly calls: number
  readonly tokens: number
  readonly nano_usd: number
}

const sums = `
    rule text not null,
    agent text not null,
    day integer not null,
    calls integer not null,
    tokens integer not null,
    nano_usd integer not null,
    unknown_tokens integer not null,
    unknown_usd integer not null`

/** Step n takes a database from version n to n + 1. */
export const migrations: readonly string[] = [
  `
  create table state (one integer primary key check (one = 1), folds integer not null) strict;
  create table charges (
    id integer primary key autoincrement,
    at integer not null,
    writer text not null,
    host text not null,
    model text,
    exchange text not null,${sums}
  ) strict;
  create index charges_by_day on charges (day);
  create table totals (${sums},
    primary key (rule, agent, day)
  ) strict, without rowid;
  insert into state (one, folds) values (1, 0);
  `,
  `
  create table holds (
    writer text not null,
    rule text not null,
    agent text not null,
    until integer not null,
    calls integer not null,
    tokens integer not null,
    nano_usd integer not null,
    primary key (writer, rule, agent)
  ) strict, without rowid;
  `,
]
