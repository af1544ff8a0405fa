/** What is in each capture, by the index: calls, tokens, cost, models. */
import { sql } from 'kysely'

import type { IndexDatabase } from './database.ts'
import { tables } from './database.ts'

export interface CaptureTotals {
  readonly name: string
  readonly startedAt: number | undefined
  /** Of model calls. */
  readonly calls: number
  readonly failedCalls: number
  /** Input, cached or not, and output. */
  readonly tokens: number
  readonly usd: number
  /** Calls that were answered, in part too, and whose cost is not known. */
  readonly unknownCosts: number
  readonly models: readonly string[]
  /** Lines that could not be read. */
  readonly problems: number
}

/** A refused request has no response; what the proxy refused is no call. */
const refusedCall = sql<boolean>`(calls.has_response = 0 and calls.error like 'refused: %')`

/**
 * Of a call whose cost nobody has told. One that was accepted and broke off is among them; one that
 * was turned down, or never got there, cost nothing.
 */
export const unknownCost = sql<boolean>`(calls.cost_usd is null and (
  calls.cost_confidence is not null
  or (calls.has_ended = 1 and calls.has_response = 1 and calls.status < 400)))`

/** By name. */
export function totalsOfCaptures(db: IndexDatabase): Map<string, CaptureTotals> {
  const query = tables
    .selectFrom('captures')
    .leftJoin('calls', (join) =>
      join
        .onRef('calls.capture_id', '=', 'captures.id')
        .on('calls.kind', '=', 'call')
        .on(sql<boolean>`coalesce(${refusedCall}, 0) = 0`),
    )
    .select([
      'captures.id',
      'captures.name',
      'captures.started_at',
      sql<number>`count(calls.id)`.as('calls'),
      sql<number>`count(case when calls.error is not null or calls.status >= 400 then 1 end)`.as(
        'failed',
      ),
      sql<number>`coalesce(sum(coalesce(input_tokens, 0) + coalesce(cache_read_tokens, 0)
        + coalesce(cache_write_tokens, 0) + coalesce(output_tokens, 0)), 0)`.as('tokens'),
      sql<number>`coalesce(sum(cost_usd), 0)`.as('usd'),
      sql<number>`count(case when ${unknownCost} then 1 end)`.as('unknown'),
      sql<string>`json_group_array(distinct model) filter (where model is not null)`.as('models'),
    ])
    .groupBy('captures.id')
  const problems = new Map(
    db
      .all(
        tables
          .selectFrom('files')
          .select(['capture_id', ({ fn }) => fn.sum<number>('problems').as('problems')])
          .groupBy('capture_id'),
      )
      .map((row) => [row.capture_id, row.problems]),
  )
  return new Map(
    db.all(query).map((row) => [
      row.name,
      {
        name: row.name,
        startedAt: row.started_at ?? undefined,
        calls: row.calls,
        failedCalls: row.failed,
        tokens: row.tokens,
        usd: row.usd,
        unknownCosts: row.unknown,
        models: JSON.parse(row.models) as string[],
        problems: problems.get(row.id) ?? 0,
      },
    ]),
  )
}
