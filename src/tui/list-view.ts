/**
 * The rows that the list shows, filtered and in order, kept up to date with what changed: a frame
 * costs what came since the last one, and not what there is. Rows are found by binary search.
 */
import type { ViewState } from './model.ts'
import type { RowList } from './row-list.ts'
import type { Row } from './row.ts'
import type { SortOrder, SortValue } from './sort.ts'
import { sortValue } from './sort.ts'

export interface ListQuery {
  /** Another function means another filter: every row is asked again. */
  readonly passes: (row: Row) => boolean
  /** Whether tunnels, refusals and failed handshakes are shown. */
  readonly showTunnels: boolean
  /** Only these, where not undefined. */
  readonly only: ReadonlySet<string> | undefined
  readonly order: SortOrder
}

/** Changed rows in one frame from which on it is cheaper to begin anew. */
const manyChanges = 2048

export class ListView implements RowList {
  readonly #state: ViewState
  #query: ListQuery | undefined
  #epoch = -1
  #rows: Row[] = []
  /** What each row that is shown counted for when it was put in its place. */
  readonly #placed = new Map<Row, SortValue>()
  readonly #hidden = new Set<Row>()

  constructor(state: ViewState) {
    this.#state = state
  }

  get rows(): readonly Row[] {
    return this.#rows
  }

  /** Tunnels, refusals and failed handshakes that are not shown. */
  get hiddenTunnels(): number {
    return this.#hidden.size
  }

  /** Where the newest row stands, or the largest: at the start where the order is reversed. */
  get followIndex(): number {
    return this.#query?.order.isReversed === true
      ? Math.min(0, this.#rows.length - 1)
      : this.#rows.length - 1
  }

  indexOf(id: string | undefined): number {
    const row = id === undefined ? undefined : this.#state.byId.get(id)
    const value = row === undefined ? undefined : this.#placed.get(row)
    return row === undefined || value === undefined ? -1 : this.#placeOf(row, value)
  }

  /** Takes in what changed in the model and in what is asked for. */
  update(query: ListQuery): void {
    const { changes, epoch } = this.#state
    const isAnew = this.#epoch !== epoch || !isSameQuery(this.#query, query)
    this.#query = query
    this.#epoch = epoch
    if (isAnew || changes.size > manyChanges) this.#rebuild(query)
    else {
      this.#forgetGone()
      for (const row of changes) if (!row.isGone) this.#refresh(row, query)
    }
    changes.clear()
  }

  /** All at once: rows are dropped by the thousand. */
  #forgetGone(): void {
    let gone = 0
    for (const row of this.#state.changes) {
      if (!row.isGone) continue
      this.#hidden.delete(row)
      if (this.#placed.delete(row)) gone += 1
    }
    if (gone > 0) this.#rows = this.#rows.filter(({ isGone }) => !isGone)
  }

  #rebuild(query: ListQuery): void {
    this.#placed.clear()
    this.#hidden.clear()
    const { order } = query
    const shown = this.#state.rows
      .filter((row) => this.#isShown(row, query))
      .map((row) => ({ row, value: sortValue(row, order.by) }))
    for (const { row, value } of shown) this.#placed.set(row, value)
    if (order.by !== 'time') shown.sort((a, b) => this.#compare(a.row, a.value, b.row, b.value))
    else if (order.isReversed) shown.reverse()
    this.#rows = shown.map(({ row }) => row)
  }

  #refresh(row: Row, query: ListQuery): void {
    const before = this.#placed.get(row)
    const value = this.#isShown(row, query) ? sortValue(row, query.order.by) : undefined
    if (value === before) return
    if (before !== undefined) {
      this.#rows.splice(this.#placeOf(row, before), 1)
      this.#placed.delete(row)
    }
    if (value === undefined) return
    this.#rows.splice(this.#placeOf(row, value), 0, row)
    this.#placed.set(row, value)
  }

  #isShown(row: Row, query: ListQuery): boolean {
    if (!query.showTunnels && isConnection(row)) {
      this.#hidden.add(row)
      return false
    }
    this.#hidden.delete(row)
    return (query.only === undefined || query.only.has(row.id)) && query.passes(row)
  }

  #valueOf(row: Row): SortValue {
    return this.#placed.get(row) ?? 0
  }

  /** The index of the first row that does not come before this one. */
  #placeOf(row: Row, value: SortValue): number {
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#rows[middle]
      if (other !== undefined && this.#compare(other, this.#valueOf(other), row, value) < 0) {
        low = middle + 1
      } else high = middle
    }
    return low
  }

  #compare(a: Row, aValue: SortValue, b: Row, bValue: SortValue): number {
    const byValue = aValue < bValue ? -1 : aValue > bValue ? 1 : a.ordinal - b.ordinal
    return this.#query?.order.isReversed === true ? -byValue : byValue
  }
}

/** What carries no exchange of its own that could be read. */
function isConnection({ kind }: Row): boolean {
  return kind === 'tunnel' || kind === 'refused' || kind === 'tls'
}

function isSameQuery(a: ListQuery | undefined, b: ListQuery): boolean {
  return (
    a?.passes === b.passes &&
    a.showTunnels === b.showTunnels &&
    a.only === b.only &&
    a.order.by === b.order.by &&
    a.order.isReversed === b.order.isReversed
  )
}
