/** The list: which rows it shows, and what its keys do. */
import type { Action } from '../keys.ts'
import type { Row } from '../row.ts'
import type { UiContext, UiState } from '../ui.ts'
import { scrollFor } from './detail.ts'
import type { LineEdit } from './line-edit.ts'
import { editLine } from './line-edit.ts'
import { stepOf } from './movement.ts'
import { selectedIndex, selectRow, withList } from './selection.ts'

export interface ListState {
  readonly selectedId: string | undefined
  /** Row of the screen that the selection stands in, from 0. */
  readonly selectedAt: number
  readonly isFollowing: boolean
  readonly showTunnels: boolean
  readonly filter: string
  /** The filter while it is typed. */
  readonly typing: LineEdit | undefined
}

export const initialList: ListState = {
  selectedId: undefined,
  selectedAt: 0,
  isFollowing: true,
  showTunnels: true,
  filter: '',
  typing: undefined,
}

export function reduceList(ui: UiState, action: Action, context: UiContext): UiState {
  const { list, listHeight } = context
  const index = selectedIndex(ui, list)
  const step = stepOf(action, listHeight)
  if (step !== undefined) return selectRow(ui, context, index + step)
  switch (action) {
    case 'first':
      return selectRow(ui, context, 0)
    case 'last':
      return withList(ui, { isFollowing: true })
    case 'toggle-follow':
      return ui.list.isFollowing
        ? selectRow(ui, context, index)
        : withList(ui, { isFollowing: true })
    case 'open':
      return openRow(ui, context, index)
    case 'next-error':
      return selectRow(ui, context, errorAfter(list.rows, index, 1))
    case 'previous-error':
      return selectRow(ui, context, errorAfter(list.rows, index, -1))
    case 'toggle-tunnels':
      return withList(ui, { showTunnels: !ui.list.showTunnels })
    case 'filter':
      return withList(ui, { typing: { text: ui.list.filter, before: ui.list.filter } })
    case 'back':
      return withList(ui, { filter: '' })
    default:
      return ui
  }
}

/** One key while the filter is typed. The list narrows with every key. */
export function typeFilter(ui: UiState, typing: LineEdit, key: string): UiState {
  const next = editLine(typing, key)
  if (next === 'accept') return withList(ui, { typing: undefined })
  if (next === 'cancel') return withList(ui, { typing: undefined, filter: typing.before })
  return withList(ui, { typing: next, filter: next.text })
}

function openRow(ui: UiState, context: UiContext, index: number): UiState {
  const row = context.list.rows[index]
  if (row === undefined) return ui
  const { isFollowing } = ui.list
  const selected = withList(selectRow(ui, context, index), { isFollowing })
  const detail = { ...ui.detail, scroll: scrollFor(row, ui.detail.tab) }
  return { ...selected, screen: 'detail', detail }
}

function errorAfter(rows: readonly Row[], index: number, step: 1 | -1): number {
  for (let at = index + step; at >= 0 && at < rows.length; at += step) {
    if (rows[at]?.phase === 'failed') return at
  }
  return index
}
