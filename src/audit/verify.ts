/**
 * Whether the chain holds, from its beginning to its head: what was edited, removed, put in or
 * reordered breaks it where it happened; what was cut off its end is told by the head. Whoever can
 * write to the file can also make a whole new chain: only a head that was kept elsewhere tells that.
 */
import { selectEntries } from './audit-database.ts'
import type { AuditDatabase, AuditHead } from './audit-database.ts'
import { isEntry, readRow } from './audit-row.ts'
import { hashEntry } from './entry.ts'
import { migrations } from './schema.ts'
import type { ChainRow, EntryRow } from './schema.ts'

export type Verification =
  | {
      readonly ok: true
      readonly head: AuditHead
      /** Entries that are there, and those that were removed for their age. */
      readonly entries: number
      readonly pruned: number
    }
  | {
      readonly ok: false
      /** Number of the first entry that breaks the chain. */
      readonly number: number
      /** One line, without the number. */
      readonly problem: string
    }

/** A head that was kept elsewhere: the hash of an entry, with its number where that is known. */
export interface ExpectedHead {
  readonly number?: number | undefined
  readonly hash: string
}

/** Reads all of it, at one moment. Throws `ERR_AUDIT_…` for what is no database any more. */
export function verifyAudit(audit: AuditDatabase, expected?: ExpectedHead): Verification {
  return audit.read((database) => {
    const check = database.pragma('integrity_check(1)')
    if (check !== 'ok') return broken(0, `the database is damaged: ${String(check)}`)
    // Rows must not hide behind an index, a view or a trigger.
    const schema = database
      .prepare<[], { sql: string }>('select sql from sqlite_schema where sql is not null')
      .all()
      .map(({ sql }) => normalized(sql))
    if (schema.toSorted().join(';') !== ownSchema) {
      return broken(0, 'tables or indexes of the database were changed')
    }
    const rows = audit.prepare<[]>()(selectEntries.orderBy('number'))
    return walk(audit.chain, rows.iterate(), expected)
  })
}

const normalized = (sql: string): string => sql.replaceAll(/\s+/gu, ' ').trim().toLowerCase()

const ownSchema = migrations
  .flatMap((step) => step.split(';').map(normalized))
  .filter((sql) => sql !== '')
  .toSorted()
  .join(';')

function walk(
  chain: ChainRow,
  entries: Iterable<EntryRow>,
  expected: ExpectedHead | undefined,
): Verification {
  let number = chain.pruned
  let hash = chain.pruned_hash
  let isCheckpointed = chain.pruned === 0 && chain.pruned_hash === chain.id
  let isExpectedFound = expected !== undefined && isSame(expected, { count: number, hash })
  for (const entry of entries) {
    if (entry.number !== number + 1) {
      return entry.number <= number
        ? broken(entry.number, 'it stands before the beginning of the chain')
        : broken(number + 1, `it is missing; the next one is entry ${entry.number}`)
    }
    number = entry.number
    if (hashEntry(hash, number, entry.body) !== entry.hash) {
      return broken(number, 'it was changed, or does not follow the one before it')
    }
    if (!isEntry(entry.body)) return broken(number, 'it is no entry that Porthole writes')
    hash = entry.hash
    isCheckpointed ||= isCheckpointFor(entry, chain)
    if (expected !== undefined && isSame(expected, { count: number, hash })) isExpectedFound = true
  }
  const wrongEnd = problemOfEnd({ count: number, hash }, chain)
  if (wrongEnd !== undefined) return wrongEnd
  if (!isCheckpointed) {
    return broken(chain.pruned + 1, 'the entries before it were removed without a record of that')
  }
  if (expected !== undefined && !isExpectedFound) return notExpected(expected, chain)
  return {
    ok: true,
    head: { count: number, hash },
    entries: number - chain.pruned,
    pruned: chain.pruned,
  }
}

function problemOfEnd({ count, hash }: AuditHead, chain: ChainRow): Verification | undefined {
  if (count < chain.count) return broken(count + 1, 'it and all after it were cut off')
  if (count > chain.count) return broken(chain.count + 1, 'it and all after it were put in')
  return hash === chain.hash ? undefined : broken(count, 'it is not the end that the head names')
}

/** An `audit prune` that tells where the chain begins now. */
function isCheckpointFor(entry: EntryRow, chain: ChainRow): boolean {
  const row = chain.pruned > 0 ? readRow(entry) : undefined
  if (row?.kind !== 'act' || row.action !== 'audit prune') return false
  return row.details?.['upTo'] === chain.pruned && row.details['hash'] === chain.pruned_hash
}

function isSame({ number, hash }: ExpectedHead, head: AuditHead): boolean {
  return hash === head.hash && (number === undefined || number === head.count)
}

function notExpected({ number }: ExpectedHead, { pruned, count }: ChainRow): Verification {
  if (number !== undefined && number < pruned) {
    return broken(number, 'it was removed for its age, so that the hash given cannot be compared')
  }
  return broken(
    Math.min(number ?? count, count),
    'no entry has the hash that was expected: this is another chain, or a shorter one',
  )
}

function broken(number: number, problem: string): Verification {
  return { ok: false, number, problem }
}
