/** By what the list can be sorted, and what a row counts for then. */
import type { Row } from './row.ts'
import { addTallies } from './row.ts'

/** Column names; `time` is the order of arrival. */
export const sortings = [
  'time',
  'duration',
  'cost',
  'in',
  'out',
  'ttft',
  'rate',
  'status',
  'model',
] as const
export type Sorting = (typeof sortings)[number]

export interface SortOrder {
  readonly by: Sorting
  /** The largest or the newest first. */
  readonly isReversed: boolean
}

export const arrivalOrder: SortOrder = { by: 'time', isReversed: false }

export type SortValue = number | string

/** What is unknown comes before everything. */
export function sortValue(row: Row, by: Sorting): SortValue {
  switch (by) {
    case 'time':
      return row.ordinal
    case 'duration':
      return row.durationMs ?? -1
    case 'cost': {
      const { known, usd } = addTallies(row.settled, row.current)
      return known > 0 ? usd : -1
    }
    case 'in':
      return row.settled.inputTokens + row.current.inputTokens
    case 'out':
      return row.settled.outputTokens + row.current.outputTokens
    case 'ttft':
      return row.ttftMs ?? -1
    case 'rate':
      return row.tokensPerSecond ?? -1
    case 'status':
      return row.status ?? -1
    case 'model':
      return row.model ?? ''
  }
}
