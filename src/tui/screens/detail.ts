/** An open row: which of its tabs is shown, and which part of it. */
import type { Action } from '../keys.ts'
import type { Row } from '../row.ts'
import type { UiContext, UiState } from '../ui.ts'
import { stepOf } from './movement.ts'
import { selectedIndex, selectRow } from './selection.ts'

export const tabs = ['Conversation', 'Headers', 'Events', 'Raw'] as const
export type Tab = (typeof tabs)[number]

/** `start` is where the reading begins, `end` sticks to the last line. */
export type Scroll = number | 'start' | 'end'

export interface DetailState {
  readonly tab: Tab
  readonly scroll: Scroll
}

export const initialDetail: DetailState = { tab: 'Conversation', scroll: 'start' }

/** The first line of the detail to show; `anchor` is the line where the reading begins. */
export function detailTop(
  scroll: Scroll,
  view: { readonly lines: number; readonly height: number; readonly anchor: number },
): number {
  const last = Math.max(0, view.lines - view.height)
  if (scroll === 'end') return last
  return Math.min(scroll === 'start' ? view.anchor : scroll, last)
}

/** A running answer is read at its end, a finished call from its last message on. */
export function scrollFor(row: Row, tab: Tab): Scroll {
  return row.phase === 'running' && tab !== 'Headers' ? 'end' : 'start'
}

export function reduceDetail(ui: UiState, action: Action, context: UiContext): UiState {
  const { lines, top } = context.detail
  const last = Math.max(0, lines - context.detailHeight)
  const step = stepOf(action, context.detailHeight)
  if (step !== undefined) return withDetail(ui, { scroll: Math.max(0, Math.min(top + step, last)) })
  switch (action) {
    case 'first':
      return withDetail(ui, { scroll: 0 })
    case 'last':
      return withDetail(ui, { scroll: 'end' })
    case 'toggle-follow':
      return withDetail(ui, { scroll: ui.detail.scroll === 'end' ? top : 'end' })
    case 'next-tab':
      return withTab(ui, context, 1)
    case 'previous-tab':
      return withTab(ui, context, -1)
    case 'next-row':
      return moveRow(ui, context, 1)
    case 'previous-row':
      return moveRow(ui, context, -1)
    case 'back':
      return { ...ui, screen: 'list' }
    default:
      return ui
  }
}

function withDetail(ui: UiState, changes: Partial<DetailState>): UiState {
  return { ...ui, detail: { ...ui.detail, ...changes } }
}

function withTab(ui: UiState, { detail }: UiContext, step: number): UiState {
  const current = ui.detail.tab
  const tab = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length] ?? current
  const { row } = detail
  return withDetail(ui, { tab, scroll: row === undefined ? 'start' : scrollFor(row, tab) })
}

function moveRow(ui: UiState, context: UiContext, step: number): UiState {
  const { list } = context
  const moved = selectRow(ui, context, selectedIndex(ui, list) + step)
  const row = list.rows[list.indexOf(moved.list.selectedId)]
  return row === undefined || moved.list.selectedId === ui.list.selectedId
    ? ui
    : withDetail(moved, { scroll: scrollFor(row, ui.detail.tab) })
}
