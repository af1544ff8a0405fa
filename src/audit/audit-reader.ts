/**
 * Reads the audit as rows, decisions joined with their outcomes, in the order in which they were
 * appended. A page at a time, each of one moment, so that a reader of millions holds some hundreds
 * and nobody waits for it.
 */
import { sql } from 'kysely'

import { selectEntries } from './audit-database.ts'
import type { AuditDatabase } from './audit-database.ts'
import type { AuditRow, StoredEntry } from './audit-row.ts'
import { joinOutcome, outcomeKeyOf, readRow } from './audit-row.ts'

export interface AuditQuery {
  readonly agent?: string | undefined
  /** Whether a decision is about one of the hosts that are asked for; acts are about none. */
  readonly isHost?: ((host: string, port: number) => boolean) | undefined
  /** Epoch milliseconds, both inclusive. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** Refusals alone. */
  readonly isDenied?: boolean | undefined
}

/** Entries that are read at a time. */
const pageEntries = 500
/** Entries of several processes may stand in another order than their times, by this much. */
const clockSlackMs = 60_000
/** Rows without an outcome that one who follows waits for; the oldest is forgotten. */
const mostAwaited = 4096
/** How long an act may take until it is told without its outcome, in ms: most are done at once. */
const actPatienceMs = 2000

export class AuditReader {
  readonly #audit: AuditDatabase
  readonly #after
  readonly #before
  readonly #outcome
  readonly #awaited = new Map<string, AuditRow>()
  /** Acts that were not told yet, and since when. */
  readonly #held = new Map<string, { readonly row: AuditRow; readonly since: number }>()

  constructor(audit: AuditDatabase) {
    this.#audit = audit
    const paged = audit.prepare<[number, number]>()
    this.#after = paged(selectEntries.where('number', '>', 0).orderBy('number').limit(1))
    this.#before = paged(selectEntries.where('number', '<', 0).orderBy('number', 'desc').limit(1))
    // In so many words: the index is of outcomes alone, and is not found by a parameter.
    const isOutcome = sql<boolean>`kind = 'outcome'`
    this.#outcome = audit.prepare<[string]>()(
      selectEntries.where(isOutcome).where('ended', '=', ''),
    )
  }

  /** All rows that fit, the oldest first. */
  *rows(query: AuditQuery): Generator<AuditRow> {
    let from = query.since === undefined ? 0 : this.#lastBefore(query.since)
    for (;;) {
      const page = this.#after.all(from, pageEntries)
      const last = page.at(-1)
      if (last === undefined) return
      yield* this.#fitting(page, query)
      from = last.number
      if (query.until !== undefined && timeOf(last) > query.until + clockSlackMs) return
    }
  }

  /** The last `most` rows that fit, the oldest of them first. */
  newest(query: AuditQuery, most: number): AuditRow[] {
    const found: AuditRow[] = []
    let to = this.#audit.head.count + 1
    while (found.length < most) {
      const page = this.#before.all(to, pageEntries)
      const last = page.at(-1)
      if (last === undefined) break
      for (const row of this.#fitting(page, query)) {
        if (found.length < most) found.push(row)
      }
      to = last.number
      if (query.since !== undefined && timeOf(last) < query.since - clockSlackMs) break
    }
    return found.toReversed()
  }

  /**
   * What has come after entry `after`: new rows, and once more those, of the ones told here before,
   * that have ended since; acts as soon as they have ended, or when they take long. And the number
   * of the last entry that was read. `now`: monotonic, in milliseconds.
   */
  follow(query: AuditQuery, after: number, now: number): { rows: AuditRow[]; last: number } {
    const page = this.#after.all(after, pageEntries)
    const rows: AuditRow[] = []
    for (const entry of page) {
      const row = readRow(entry)
      if (row === undefined) {
        rows.push(...this.#ended(entry, query))
        continue
      }
      const key = outcomeKeyOf(row)
      if (key !== undefined && isWithin(row, query)) this.#await(key, row)
      if (!isWithin(row, query) || !fits(row, query)) continue
      if (row.kind === 'act' && key !== undefined) this.#held.set(key, { row, since: now })
      else rows.push(row)
    }
    for (const [key, { row, since }] of this.#held) {
      if (now - since < actPatienceMs) break
      this.#held.delete(key)
      rows.push(row)
    }
    return { rows, last: page.at(-1)?.number ?? after }
  }

  #await(key: string, row: AuditRow): void {
    this.#awaited.set(key, row)
    const [oldest] = this.#awaited.keys()
    if (this.#awaited.size > mostAwaited && oldest !== undefined) this.#awaited.delete(oldest)
  }

  #ended(entry: StoredEntry, query: AuditQuery): AuditRow[] {
    const key = /"of":"(?<key>[^"]+)"/u.exec(entry.body)?.groups?.['key'] ?? ''
    const row = this.#awaited.get(key)
    if (row === undefined) return []
    this.#awaited.delete(key)
    this.#held.delete(key)
    const joined = joinOutcome(row, entry)
    return fits(joined, query) ? [joined] : []
  }

  #fitting(page: readonly StoredEntry[], query: AuditQuery): AuditRow[] {
    return this.#audit.read(() => {
      const rows: AuditRow[] = []
      for (const entry of page) {
        const row = readRow(entry)
        if (row === undefined || !isWithin(row, query)) continue
        const key = outcomeKeyOf(row)
        const joined = joinOutcome(row, key === undefined ? undefined : this.#outcome.get(key))
        if (fits(joined, query)) rows.push(joined)
      }
      return rows
    })
  }

  /** A number up to which all entries are older than `at`: times rise with numbers, nearly. */
  #lastBefore(at: number): number {
    let [low, high] = [this.#audit.chain.pruned, this.#audit.head.count]
    while (low < high) {
      const middle = Math.floor((low + high + 1) / 2)
      const [entry] = this.#after.all(middle - 1, 1)
      if (entry !== undefined && timeOf(entry) < at - clockSlackMs) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Without parsing all of it; every entry begins so. */
export function timeOf({ body }: Pick<StoredEntry, 'body'>): number {
  return Number(/^\{"v":\d+,"kind":"\w+","at":(?<at>\d+)/u.exec(body)?.groups?.['at'] ?? 0)
}

/** What can be told without the outcome. */
function isWithin(row: AuditRow, { agent, isHost, since, until }: AuditQuery): boolean {
  if (row.at < (since ?? 0) || row.at > (until ?? Infinity)) return false
  if (agent !== undefined && (row.kind === 'act' || row.agent !== agent)) return false
  if (isHost === undefined) return true
  if (row.kind === 'act' || row.host === undefined) return false
  return isHost(row.host, row.port ?? 0)
}

function fits(row: AuditRow, { isDenied }: AuditQuery): boolean {
  return isDenied !== true || (row.kind === 'decision' && row.decision === 'deny')
}
