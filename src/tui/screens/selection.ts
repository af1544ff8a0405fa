/**
 * Which row is selected, and where it stands. The selection is a row's id and its place on the
 * screen, so rows that come, go or are filtered never move what is being read.
 */
import type { RowList } from '../row-list.ts'
import type { UiContext, UiState } from '../ui.ts'
import type { ListState } from './list.ts'

/** The index of the selected row; the newest while following, -1 when there is none. */
export function selectedIndex(ui: UiState, list: RowList): number {
  const { isFollowing, selectedId } = ui.list
  const { rows } = list
  if (isFollowing && ui.screen === 'list') return list.followIndex
  const index = list.indexOf(selectedId)
  // Its row was dropped or filtered away: the oldest that is left stands for it.
  return index === -1 && rows.length > 0 ? (isFollowing ? list.followIndex : 0) : index
}

/** The index of the first row on screen. */
export function listTop(ui: UiState, list: RowList, height: number): number {
  const index = selectedIndex(ui, list)
  const at = ui.list.isFollowing ? height - 1 : Math.min(ui.list.selectedAt, height - 1)
  if (ui.list.isFollowing && index === 0) return 0
  return Math.max(0, Math.min(index - at, list.rows.length - height))
}

/** Selects the row at `index`, or the nearest that there is, and stops following. */
export function selectRow(ui: UiState, context: UiContext, index: number): UiState {
  const { list, listHeight } = context
  const next = Math.max(0, Math.min(index, list.rows.length - 1))
  const row = list.rows[next]
  if (row === undefined) return ui
  const top = listTop(ui, list, listHeight)
  const selectedAt = Math.max(0, Math.min(next - top, listHeight - 1))
  return withList(ui, { isFollowing: false, selectedId: row.id, selectedAt })
}

export function withList(ui: UiState, changes: Partial<ListState>): UiState {
  return { ...ui, list: { ...ui.list, ...changes } }
}
