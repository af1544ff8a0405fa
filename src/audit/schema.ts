/**
 * The tables of `audit.db`, as SQL and as types of their rows. Steps are only ever added;
 * `user_version` says how many a file has been through.
 */

import type { GeneratedAlways } from 'kysely'

/** `PRAGMA application_id`: "PRTA". */
export const applicationId = 0x50525441

export interface AuditTables {
  readonly chain: ChainRow
  readonly entries: EntryTable
}

/** One row: where the chain begins and ends. */
export interface ChainRow {
  readonly one: 1
  /** Random, 64 hexadecimal digits: what the first entry is chained to. */
  readonly id: string
  /** Number of the last entry, and its hash. */
  readonly count: number
  readonly hash: string
  /** Number of the last entry that was removed for its age, and its hash; 0 and `id` for none. */
  readonly pruned: number
  readonly pruned_hash: string
}

export interface EntryRow {
  /** From 1, without gaps. */
  readonly number: number
  /** What is hashed: the JSON of an entry, as `entry.ts` writes it. */
  readonly body: string
  readonly hash: string
}

interface EntryTable extends EntryRow {
  /** Both read from the body; `ended` is what an outcome is of. */
  readonly kind: GeneratedAlways<string>
  readonly ended: GeneratedAlways<string | null>
}

/** Step n takes a database from version n to n + 1. */
export const migrations: readonly string[] = [
  `
  create table chain (
    one integer primary key check (one = 1),
    id text not null,
    count integer not null,
    hash text not null,
    pruned integer not null,
    pruned_hash text not null
  ) strict;
  create table entries (
    number integer primary key,
    body text not null,
    hash text not null,
    kind text generated always as (body ->> '$.kind') virtual,
    ended text generated always as (body ->> '$.of') virtual
  ) strict;
  create index outcomes on entries (ended) where kind = 'outcome';
  `,
]
