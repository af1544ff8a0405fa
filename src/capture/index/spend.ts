/** What calls have cost, by the index. */
import { sql } from 'kysely'

import { unknownCost } from './capture-totals.ts'
import type { IndexDatabase } from './database.ts'
import { tables } from './database.ts'

export interface Spend {
  readonly usd: number
  /** Calls whose cost is known, and calls that were answered and whose cost is not. */
  readonly known: number
  readonly unknown: number
}

/** Of the calls that began at `since` (epoch milliseconds) or later. */
export function spendOf(db: IndexDatabase, since: number): Spend {
  const found = db.first(
    tables
      .selectFrom('calls')
      .select(({ fn }) => [
        fn.sum<number | null>('cost_usd').as('usd'),
        fn.count<number>('cost_usd').as('known'),
        sql<number>`count(case when ${unknownCost} then 1 end)`.as('unknown'),
      ])
      .where('kind', '=', 'call')
      .where('at', '>=', since),
  )
  return { usd: found?.usd ?? 0, known: found?.known ?? 0, unknown: found?.unknown ?? 0 }
}
