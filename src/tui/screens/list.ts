/** The list: which rows it shows, and what its keys do. */
import type { Action } from '../keys.ts'
import type { ColumnChoice } from '../layout.ts'
import { defaultChoice } from '../layout.ts'
import type { Row } from '../row.ts'
import type { SortOrder } from '../sort.ts'
import { arrivalOrder, sortings } from '../sort.ts'
import type { UiContext, UiState } from '../ui.ts'
import { openedDetail } from './detail.ts'
import type { FilterTyping } from './filter-typing.ts'
import { startTyping } from './filter-typing.ts'
import { stepOf } from './movement.ts'
import { selectedIndex, selectRow, withList } from './selection.ts'

export interface ListState {
  readonly selectedId: string | undefined
  /** Row of the screen that the selection stands in, from 0. */
  readonly selectedAt: number
  readonly isFollowing: boolean
  readonly showTunnels: boolean
  /** In force; always without a mistake. */
  readonly filter: string
  readonly typing: FilterTyping | undefined
  /** Filters that were used, the newest first. */
  readonly history: readonly string[]
  readonly order: SortOrder
  readonly choice: ColumnChoice
  /** Which column the picker points at. */
  readonly pickedAt: number
  /** Ids of rows. */
  readonly marked: ReadonlySet<string>
  readonly isMarkedOnly: boolean
}

export const initialList: ListState = {
  selectedId: undefined,
  selectedAt: 0,
  isFollowing: true,
  showTunnels: true,
  filter: '',
  typing: undefined,
  history: [],
  order: arrivalOrder,
  choice: defaultChoice,
  pickedAt: 0,
  marked: new Set(),
  isMarkedOnly: false,
}

export function reduceList(ui: UiState, action: Action, context: UiContext): UiState {
  const { list, listHeight } = context
  const index = selectedIndex(ui, list)
  const step = stepOf(action, listHeight)
  if (step !== undefined) return selectRow(ui, context, index + step)
  const moved = reduceMoves(ui, action, context, index)
  return moved ?? reduceShown(ui, action, context, index)
}

function reduceMoves(
  ui: UiState,
  action: Action,
  context: UiContext,
  index: number,
): UiState | undefined {
  const { list } = context
  const last = list.rows.length - 1
  switch (action) {
    case 'first':
      return goTo(ui, context, 0, ui.list.order.isReversed)
    case 'last':
      return goTo(ui, context, last, !ui.list.order.isReversed)
    case 'toggle-follow':
      return ui.list.isFollowing
        ? selectRow(ui, context, index)
        : withList(ui, { isFollowing: true })
    case 'open':
      return openRow(ui, context, index)
    case 'sessions':
      return { ...ui, screen: 'sessions' }
    case 'next-error':
      return selectRow(ui, context, errorAfter(list.rows, index, 1))
    case 'previous-error':
      return selectRow(ui, context, errorAfter(list.rows, index, -1))
    default:
      return undefined
  }
}

function reduceShown(ui: UiState, action: Action, context: UiContext, index: number): UiState {
  const { order, isMarkedOnly, marked, showTunnels } = ui.list
  switch (action) {
    case 'toggle-tunnels':
      return withList(ui, { showTunnels: !showTunnels })
    case 'filter':
      return startTyping(ui)
    case 'sort':
      return withList(ui, { order: nextOrder(order) })
    case 'reverse':
      return withList(ui, { order: { ...order, isReversed: !order.isReversed } })
    case 'pick-columns':
      return { ...ui, overlay: 'columns' }
    case 'mark':
      return markRow(ui, context.list.rows[index])
    case 'marked-only':
      return withList(ui, { isMarkedOnly: !isMarkedOnly && marked.size > 0 })
    case 'unmark-all':
      return withList(ui, { marked: new Set(), isMarkedOnly: false })
    case 'clear':
      return context.list.rows.length > 0 ? { ...ui, overlay: 'clear' } : ui
    case 'back':
      return withList(ui, { filter: '', isMarkedOnly: false })
    default:
      return ui
  }
}

/** The question whether to clear the list: `confirm` is answered by whoever holds the model. */
export function reduceClear(ui: UiState, action: Action): UiState {
  if (action !== 'confirm') return { ...ui, overlay: undefined }
  const cleared = withList(ui, { marked: new Set(), isMarkedOnly: false, isFollowing: true })
  return { ...cleared, overlay: undefined }
}

/** To one end of the list; where it is the one at which new rows come, that is to follow them. */
function goTo(ui: UiState, context: UiContext, index: number, isFollowed: boolean): UiState {
  return isFollowed ? withList(ui, { isFollowing: true }) : selectRow(ui, context, index)
}

/** The next column to sort by, the largest first; after the last, the order of arrival. */
function nextOrder({ by }: SortOrder): SortOrder {
  const next = sortings[(sortings.indexOf(by) + 1) % sortings.length] ?? 'time'
  return { by: next, isReversed: next !== 'time' }
}

const maxMarked = 10_000

function markRow(ui: UiState, row: Row | undefined): UiState {
  if (row === undefined) return ui
  const marked = new Set(ui.list.marked)
  if (!marked.delete(row.id) && marked.size < maxMarked) marked.add(row.id)
  return withList(ui, { marked, isMarkedOnly: ui.list.isMarkedOnly && marked.size > 0 })
}

function openRow(ui: UiState, context: UiContext, index: number): UiState {
  const row = context.list.rows[index]
  if (row === undefined) return ui
  const { isFollowing } = ui.list
  const selected = withList(selectRow(ui, context, index), { isFollowing })
  return { ...selected, screen: 'detail', detail: openedDetail(ui.detail, row) }
}

function errorAfter(rows: readonly Row[], index: number, step: 1 | -1): number {
  for (let at = index + step; at >= 0 && at < rows.length; at += step) {
    if (rows[at]?.phase === 'failed') return at
  }
  return index
}
