/**
 * Search with a filter. What the index knows decides at once; where an expression asks for headers
 * or bodies, the records of many hits are read in one pass over each capture.
 */
import { dirname, join } from 'node:path'

import type { ExchangeRecord } from '../../recorded/exchange-record.ts'
import type { CaptureSet } from '../capture-sets.ts'
import { loadRecords } from '../load-record.ts'
import type { Filter } from './call-subject.ts'
import { matchesRecord, matchesRow } from './call-subject.ts'
import type { IndexDatabase } from './database.ts'
import type { CallRow, SearchOptions } from './search.ts'
import { findCalls, readCall } from './search.ts'

export interface FilteredSearchOptions extends SearchOptions {
  readonly filter?: Filter | undefined
  readonly limit: number
}

export interface SearchResult {
  /** The best first. */
  readonly rows: readonly CallRow[]
  /** There are more than `limit`. */
  readonly hasMore: boolean
  /** Captures that could not be read, by name; their exchanges match nothing that needs them. */
  readonly unreadable: ReadonlyArray<{ readonly name: string; readonly error: unknown }>
}

/** Hits that are looked at together; the group grows, so that few hits are found soon. */
const firstGroup = 256
const groupGrowth = 8

export async function searchCalls(
  db: IndexDatabase,
  sets: readonly CaptureSet[],
  options: FilteredSearchOptions,
): Promise<SearchResult> {
  const { filter, limit } = options
  const ids = findCalls(db, options)
  const rows: CallRow[] = []
  const unreadable = new Map<string, unknown>()
  for (let from = 0, size = firstGroup; from < ids.length; from += size, size *= groupGrowth) {
    if (rows.length > limit) break
    const group = ids
      .slice(from, from + size)
      .map((id) => readCall(db, id))
      .filter((row) => row !== undefined)
    rows.push(...(filter === undefined ? group : await select(filter, group, sets, unreadable)))
  }
  return {
    rows: rows.slice(0, limit),
    hasMore: rows.length > limit,
    unreadable: [...unreadable].map(([name, error]) => ({ name, error })),
  }
}

async function select(
  filter: Filter,
  group: readonly CallRow[],
  sets: readonly CaptureSet[],
  unreadable: Map<string, unknown>,
): Promise<CallRow[]> {
  const verdicts = new Map(group.map((row) => [row.id, matchesRow(filter, row)]))
  const open = group.filter(({ id }) => verdicts.get(id) === undefined)
  for (const [capture, rows] of Map.groupBy(open, (row) => row.capture)) {
    const set = sets.find(({ name }) => name === capture)
    const byExchange = Map.groupBy(rows, (row) => row.exchange_id)
    const settle = (exchangeId: string, record: ExchangeRecord | undefined): void => {
      for (const row of byExchange.get(exchangeId) ?? []) {
        verdicts.set(row.id, matchesRecord(filter, row, record))
      }
      byExchange.delete(exchangeId)
    }
    try {
      if (set !== undefined) {
        await loadRecords(
          join(dirname(set.path), oldestFile(set, rows)),
          new Set(byExchange.keys()),
          { from: oldestFile(set, rows) },
          (record) => settle(record.id, record),
        )
      }
    } catch (error) {
      unreadable.set(capture, error)
    }
    for (const exchangeId of byExchange.keys()) settle(exchangeId, undefined)
  }
  return group.filter(({ id }) => verdicts.get(id) === true)
}

/** Where the first of these exchanges begins. */
function oldestFile(set: CaptureSet, rows: readonly CallRow[]): string {
  const names = new Set(rows.map(({ file }) => file))
  const first = set.files.find(({ name }) => names.has(name)) ?? set.files[0]
  return first?.name ?? ''
}
