/** Finds calls in the index: by what was said in them, by time, or just the latest. */
import type { Selectable } from 'kysely'
import { sql } from 'kysely'

import type { IndexDatabase } from './database.ts'
import { tables } from './database.ts'
import type { CallsTable } from './schema.ts'

export type CallRow = Selectable<CallsTable> & {
  /** Of the capture, without `.jsonl`. */
  readonly capture: string
  /** The file that the exchange begins in, by the name it had last. */
  readonly file: string
}

export interface SearchOptions {
  /** As `toMatch` makes it; without it every exchange is found, the latest first. */
  readonly match?: string | undefined
  /** Epoch milliseconds. */
  readonly since?: number | undefined
}

/** Begin and end of what was found, in a snippet: characters that escaping would show. */
export const found = { begin: '\u0002', end: '\u0003' } as const

/** Hits that are looked at, the best first; beyond that, a query wants more words. */
const maxHits = 100_000
/** Tokens around what was found. */
const snippetTokens = 24
/** What tools are told counts less than what people and models say. */
const weights = '1.0, 1.0, 0.5'

/** Ids of rows, the best first, and the later of two that are as good. */
export function findCalls(db: IndexDatabase, options: SearchOptions): number[] {
  const { match, since = 0 } = options
  if (match === undefined) {
    const all = tables
      .selectFrom('calls')
      .select('id')
      .where('at', '>=', since)
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .limit(maxHits)
    return db.all(all).map(({ id }) => id)
  }
  const query = tables
    .selectFrom('texts')
    .innerJoin('calls', 'calls.id', 'texts.rowid')
    .select('calls.id')
    .where(sql<boolean>`texts match ${match}`)
    .where('calls.at', '>=', since)
    .orderBy(sql`bm25(texts, ${sql.raw(weights)})`)
    .orderBy('calls.at', 'desc')
    .limit(maxHits)
  return db.all(query).map(({ id }) => id)
}

/** Undefined where it was removed since. */
export function readCall(db: IndexDatabase, id: number): CallRow | undefined {
  const query = tables
    .selectFrom('calls')
    .innerJoin('captures', 'captures.id', 'calls.capture_id')
    .innerJoin('files', 'files.id', 'calls.file_id')
    .selectAll('calls')
    .select(['captures.name as capture', 'files.name as file'])
    .where('calls.id', '=', id)
  return db.first(query)
}

/**
 * A piece of what was said, around what `match` finds, marked with `found`; without `match`, the
 * beginning of the newest thing that was said. Untrusted text as it was.
 */
export function snippetOf(db: IndexDatabase, id: number, match: string | undefined): string {
  if (match === undefined) {
    const texts = db.first(
      tables
        .selectFrom('texts')
        .select([
          sql<string>`substr(prompt, -400)`.as('prompt'),
          sql<string>`substr(answer, 1, 400)`.as('answer'),
          sql<string>`substr(tools, 1, 400)`.as('tools'),
        ])
        .where('rowid', '=', id),
    )
    return [texts?.prompt.split('\n').at(-1), texts?.answer, texts?.tools].find((it) => it) ?? ''
  }
  const { begin, end } = found
  const query = tables
    .selectFrom('texts')
    .select(
      sql<string>`snippet(texts, -1, ${begin}, ${end}, '…', ${sql.lit(snippetTokens)})`.as('text'),
    )
    .where(sql<boolean>`texts match ${match}`)
    .where('rowid', '=', id)
  return db.first(query)?.text ?? ''
}
