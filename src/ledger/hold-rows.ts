/** What is held ready for calls under way, as rows of `ledger.db`: one for each process and place. */
import { createQueryBuilder } from '../base/query-builder.ts'
import type { PrivateDatabase } from '../storage/private-database.ts'
import type { Hold, HoldPlace, Lease } from './holds.ts'
import { leaseMs, nothingHeld } from './holds.ts'
import type { LedgerTables } from './schema.ts'

const sql = createQueryBuilder<LedgerTables>()

/** What all but `writer` hold, whether it still counts or not. */
export function readLeases(database: PrivateDatabase, writer: string): Lease[] {
  const rows = database.all(sql.selectFrom('holds').selectAll().where('writer', '!=', writer))
  return rows.map(({ rule, agent, until, calls, tokens, nano_usd: nanoUsd }) => ({
    rule,
    agent,
    until,
    calls,
    tokens,
    nanoUsd,
  }))
}

/** Brings the rows of `writer` at `places` up to date, and takes away what outlived its process. */
export function writeHolds(
  database: PrivateDatabase,
  { writer, now }: { readonly writer: string; readonly now: number },
  places: Iterable<HoldPlace & Partial<Hold>>,
): void {
  database.run(
    sql
      .deleteFrom('holds')
      .where((is) => is.or([is('until', '<=', now), is('until', '>', now + 2 * leaseMs)])),
  )
  for (const { rule, agent, ...held } of places) {
    const { calls, tokens, nanoUsd } = { ...nothingHeld, ...held }
    if (calls === 0) {
      database.run(
        sql
          .deleteFrom('holds')
          .where('writer', '=', writer)
          .where('rule', '=', rule)
          .where('agent', '=', agent),
      )
      continue
    }
    const sums = { until: now + leaseMs, calls, tokens, nano_usd: nanoUsd }
    database.run(
      sql
        .insertInto('holds')
        .values({ writer, rule, agent, ...sums })
        .onConflict((conflict) => conflict.columns(['writer', 'rule', 'agent']).doUpdateSet(sums)),
    )
  }
}
