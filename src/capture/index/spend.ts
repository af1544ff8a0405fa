/** What calls have cost, by the index. */
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
        fn.count<number>('cost_confidence').as('priced'),
      ])
      .where('kind', '=', 'call')
      .where('at', '>=', since),
  )
  const known = found?.known ?? 0
  return { usd: found?.usd ?? 0, known, unknown: (found?.priced ?? 0) - known }
}
