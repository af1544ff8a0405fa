/** What the tabs of an open row look at besides the row itself. */
import type { ViewState } from './model.ts'
import type { Row } from './row.ts'
import type { OpenRow } from './screens/detail-frame.ts'

export function openRowOf(state: ViewState, row: Row, now: number): OpenRow {
  return {
    row,
    whole: row.isPart ? (state.byId.get(exchangeOf(row)) ?? row) : row,
    previous: () => previousOf(state, row),
    now,
  }
}

/** The id of the exchange that a row is, or is one of several calls of. */
export function exchangeOf({ id, isPart }: Row): string {
  return isPart ? (id.split('\u0000')[0] ?? id) : id
}

/** The call before it in its branch, if it is still kept. */
function previousOf(state: ViewState, row: Row): Row | undefined {
  const link = row.detail?.link
  if (link?.previousExchangeId === undefined) return undefined
  const { previousExchangeId, branchId } = link
  const known = state.byId.get(previousExchangeId)
  if (known?.detail?.call !== undefined && known !== row) return known
  // On a socket, several calls are of one exchange: it is the last of them before this one.
  let found: Row | undefined
  for (const call of state.sessions.ofRow(row.id)?.kept.values() ?? []) {
    const { row: other } = call
    if (call.branchId !== branchId || other.ordinal >= row.ordinal) continue
    if (exchangeOf(other) !== previousExchangeId) continue
    if (found === undefined || other.ordinal > found.ordinal) found = other
  }
  return found
}
