/** The rows that the list shows, in the order in which it shows them. */
import type { Row } from './row.ts'

export interface RowList {
  readonly rows: readonly Row[]
  /** Where one that follows stands: at the newest row; -1 where there is none. */
  readonly followIndex: number
  /** Where a row stands; -1 where it is not shown. */
  indexOf(id: string | undefined): number
}
