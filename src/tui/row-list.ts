/** The rows that the list shows, in the order in which it shows them. */
import type { Row } from './row.ts'

export interface RowList {
  readonly rows: readonly Row[]
  /** Where a row stands; -1 where it is not shown. */
  indexOf(id: string | undefined): number
}

/** For rows of any order. */
export function rowListOf(rows: readonly Row[]): RowList {
  return { rows, indexOf: (id) => rows.findIndex((row) => row.id === id) }
}
