/**
 * What the user sees of the model: screen, selection, scroll, filter. Pure: an action and what is on
 * screen in, the next state out. The selection is a row's id and its place on the screen, so rows
 * that come, go or are filtered never move what is being read.
 */
import type { Action } from './keys.ts'
import type { Row } from './row.ts'

export const tabs = ['Conversation', 'Headers', 'Events', 'Raw'] as const
export type Tab = (typeof tabs)[number]

/** `start` is where the reading begins, `end` sticks to the last line. */
export type Scroll = number | 'start' | 'end'

export interface UiState {
  readonly screen: 'list' | 'detail'
  readonly isHelpShown: boolean
  readonly selectedId: string | undefined
  /** Row of the screen that the selection stands in, from 0. */
  readonly selectedAt: number
  readonly isFollowing: boolean
  readonly showTunnels: boolean
  readonly filter: string
  /** The filter before it was edited, while it is. */
  readonly filterBefore: string | undefined
  readonly tab: Tab
  readonly scroll: Scroll
}

export const initialUi: UiState = {
  screen: 'list',
  isHelpShown: false,
  selectedId: undefined,
  selectedAt: 0,
  isFollowing: true,
  showTunnels: true,
  filter: '',
  filterBefore: undefined,
  tab: 'Conversation',
  scroll: 'start',
}

/** What is on screen while a key is pressed. */
export interface UiContext {
  /** Rows that pass the filter, oldest first. */
  readonly rows: readonly Row[]
  readonly listHeight: number
  readonly detailHeight: number
  readonly detailLines: number
  /** The first line of the detail that is shown now. */
  readonly detailTop: number
}

/** The index of the selected row; the newest while following, -1 when there is none. */
export function selectedIndex(ui: UiState, rows: readonly Row[]): number {
  if (ui.isFollowing && ui.screen === 'list') return rows.length - 1
  const index = rows.findIndex(({ id }) => id === ui.selectedId)
  // Its row was dropped or filtered away: the oldest that is left stands for it.
  return index === -1 && rows.length > 0 ? (ui.isFollowing ? rows.length - 1 : 0) : index
}

/** The index of the first row on screen. */
export function listTop(ui: UiState, rows: readonly Row[], height: number): number {
  const index = selectedIndex(ui, rows)
  const at = ui.isFollowing ? height - 1 : Math.min(ui.selectedAt, height - 1)
  return Math.max(0, Math.min(index - at, rows.length - height))
}

/** The first line of the detail to show; `anchor` is the line where the reading begins. */
export function detailTop(
  scroll: Scroll,
  view: { readonly lines: number; readonly height: number; readonly anchor: number },
): number {
  const last = Math.max(0, view.lines - view.height)
  if (scroll === 'end') return last
  return Math.min(scroll === 'start' ? view.anchor : scroll, last)
}

export function reduceUi(ui: UiState, action: Action, context: UiContext): UiState {
  if (ui.isHelpShown) return action === 'help' || action === 'back' ? withHelp(ui, false) : ui
  if (action === 'help') return withHelp(ui, true)
  return ui.screen === 'list' ? reduceList(ui, action, context) : reduceDetail(ui, action, context)
}

function withHelp(ui: UiState, isHelpShown: boolean): UiState {
  return { ...ui, isHelpShown }
}

function reduceList(ui: UiState, action: Action, context: UiContext): UiState {
  const { rows, listHeight } = context
  const index = selectedIndex(ui, rows)
  const step = stepOf(action, listHeight)
  if (step !== undefined) return select(ui, context, index + step)
  switch (action) {
    case 'first':
      return select(ui, context, 0)
    case 'last':
      return { ...ui, isFollowing: true }
    case 'toggle-follow':
      return ui.isFollowing ? select(ui, context, index) : { ...ui, isFollowing: true }
    case 'open':
      return openRow(ui, context, index)
    case 'next-error':
      return select(ui, context, errorAfter(rows, index, 1))
    case 'previous-error':
      return select(ui, context, errorAfter(rows, index, -1))
    case 'toggle-tunnels':
      return { ...ui, showTunnels: !ui.showTunnels }
    case 'search':
      return { ...ui, filterBefore: ui.filter }
    case 'back':
      return { ...ui, filter: '' }
    default:
      return ui
  }
}

function openRow(ui: UiState, context: UiContext, index: number): UiState {
  const row = context.rows[index]
  if (row === undefined) return ui
  const selected = select(ui, context, index)
  return {
    ...selected,
    isFollowing: ui.isFollowing,
    screen: 'detail',
    scroll: scrollFor(row, ui.tab),
  }
}

/** A running answer is read at its end, a finished call from its last message on. */
function scrollFor(row: Row, tab: Tab): Scroll {
  return row.phase === 'running' && tab !== 'Headers' ? 'end' : 'start'
}

function select(ui: UiState, context: UiContext, index: number): UiState {
  const { rows, listHeight } = context
  const next = Math.max(0, Math.min(index, rows.length - 1))
  const row = rows[next]
  if (row === undefined) return ui
  const top = listTop(ui, rows, listHeight)
  const selectedAt = Math.max(0, Math.min(next - top, listHeight - 1))
  return { ...ui, isFollowing: false, selectedId: row.id, selectedAt }
}

function reduceDetail(ui: UiState, action: Action, context: UiContext): UiState {
  const last = Math.max(0, context.detailLines - context.detailHeight)
  const step = stepOf(action, context.detailHeight)
  if (step !== undefined) {
    return { ...ui, scroll: Math.max(0, Math.min(context.detailTop + step, last)) }
  }
  switch (action) {
    case 'first':
      return { ...ui, scroll: 0 }
    case 'last':
      return { ...ui, scroll: 'end' }
    case 'toggle-follow':
      return { ...ui, scroll: ui.scroll === 'end' ? context.detailTop : 'end' }
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

function withTab(ui: UiState, context: UiContext, step: number): UiState {
  const tab = tabs[(tabs.indexOf(ui.tab) + step + tabs.length) % tabs.length] ?? ui.tab
  const row = context.rows.find(({ id }) => id === ui.selectedId)
  return { ...ui, tab, scroll: row === undefined ? 'start' : scrollFor(row, tab) }
}

function moveRow(ui: UiState, context: UiContext, step: number): UiState {
  const moved = select(ui, context, selectedIndex(ui, context.rows) + step)
  const row = context.rows.find(({ id }) => id === moved.selectedId)
  return row === undefined || moved.selectedId === ui.selectedId
    ? ui
    : { ...moved, scroll: scrollFor(row, ui.tab) }
}

function stepOf(action: Action, height: number): number | undefined {
  const page = Math.max(1, height - 1)
  const half = Math.max(1, Math.floor(height / 2))
  switch (action) {
    case 'down':
      return 1
    case 'up':
      return -1
    case 'page-down':
      return page
    case 'page-up':
      return -page
    case 'half-down':
      return half
    case 'half-up':
      return -half
    default:
      return undefined
  }
}

function errorAfter(rows: readonly Row[], index: number, step: 1 | -1): number {
  for (let at = index + step; at >= 0 && at < rows.length; at += step) {
    if (rows[at]?.phase === 'failed') return at
  }
  return index
}

/** One key while the filter is being edited. The list narrows with every key. */
export function editFilter(ui: UiState, key: string): UiState {
  switch (key) {
    case 'enter':
      return { ...ui, filterBefore: undefined }
    case 'esc':
    case 'ctrl-c':
      return { ...ui, filter: ui.filterBefore ?? '', filterBefore: undefined }
    case 'backspace':
      return { ...ui, filter: Array.from(ui.filter).slice(0, -1).join('') }
    case 'ctrl-u':
      return { ...ui, filter: '' }
    case 'space':
      return { ...ui, filter: `${ui.filter} ` }
    default:
      return Array.from(key).length === 1 ? { ...ui, filter: ui.filter + key } : ui
  }
}
