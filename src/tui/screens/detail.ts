/** An open row: which of its tabs is shown, which part of it, what is folded, and what is searched. */
import type { Folds } from '../document.ts'
import { noFolds, toggleFold } from '../document.ts'
import { findText } from '../find-text.ts'
import type { Action } from '../keys.ts'
import type { Row } from '../row.ts'
import type { UiContext, UiState } from '../ui.ts'
import type { DetailFrame } from './detail-frame.ts'
import type { Cursor, Place } from './detail-view.ts'
import { placeAt } from './detail-view.ts'
import type { LineEdit } from './line-edit.ts'
import { editLine } from './line-edit.ts'
import { stepOf } from './movement.ts'
import { selectedIndex, selectRow } from './selection.ts'

export const tabs = [
  'Conversation',
  'Request',
  'Response',
  'Events',
  'Timing',
  'Cost',
  'Diff',
  'Raw',
] as const
export type Tab = (typeof tabs)[number]

export interface DetailState {
  readonly tab: Tab
  readonly place: Place
  readonly folds: Folds
  /** What is searched for; empty while no search is on. */
  readonly search: string
  /** The search while it is typed. */
  readonly typing: LineEdit | undefined
  /** The choice of a format to export to lies over the status line. */
  readonly isExporting: boolean
  /** What the last key did, where that does not show. */
  readonly note: string
  /** The session that the row was opened from. */
  readonly sessionId: string | undefined
}

export const initialDetail: DetailState = {
  tab: 'Conversation',
  place: { cursor: 'start', at: 0 },
  folds: noFolds,
  search: '',
  typing: undefined,
  isExporting: false,
  note: '',
  sessionId: undefined,
}

/** A running answer is read at its end, a finished call from its last message on. */
export function cursorFor(row: Row, tab: Tab): Cursor {
  const isGrowing = tab === 'Conversation' || tab === 'Events' || tab === 'Response'
  return row.phase === 'running' && isGrowing ? 'end' : 'start'
}

/** The state of the detail when `row` is opened. */
export function openedDetail(before: DetailState, row: Row): DetailState {
  return {
    ...initialDetail,
    tab: before.tab,
    search: before.search,
    place: { cursor: cursorFor(row, before.tab), at: 0 },
  }
}

export function reduceDetail(ui: UiState, action: Action, context: UiContext): UiState {
  const quiet = ui.detail.note === '' ? ui : withDetail(ui, { note: '' })
  if (ui.detail.isExporting) return withDetail(quiet, { isExporting: false })
  const { detail: frame } = context
  const moved = frame === undefined ? undefined : movedTo(action, frame, context.detailHeight)
  if (moved !== undefined) return withDetail(quiet, { place: moved })
  return reduceTab(quiet, action, frame) ?? reduceReading(quiet, action, context)
}

/** The keys that choose a tab. */
function reduceTab(
  ui: UiState,
  action: Action,
  frame: DetailFrame | undefined,
): UiState | undefined {
  if (/^tab-\d$/u.test(action)) return withTab(ui, frame, tabs[Number(action.slice(4)) - 1])
  if (action === 'next-tab') return withTab(ui, frame, tabAfter(ui.detail.tab, 1))
  if (action === 'previous-tab') return withTab(ui, frame, tabAfter(ui.detail.tab, -1))
  return undefined
}

function reduceReading(ui: UiState, action: Action, context: UiContext): UiState {
  const { detail: frame } = context
  const { search, folds } = ui.detail
  switch (action) {
    case 'previous-row':
      return moveRow(ui, context, -1)
    case 'next-match':
      return search === '' ? moveRow(ui, context, 1) : toMatch(ui, frame, 1)
    case 'previous-match':
      return search === '' ? moveRow(ui, context, -1) : toMatch(ui, frame, -1)
    case 'toggle-fold':
      return frame === undefined ? ui : withFold(ui, frame)
    case 'toggle-all-folds': {
      const all = folds.all === 'open' ? 'closed' : 'open'
      return withDetail(withPlace(ui, frame), { folds: { all, toggled: new Set() } })
    }
    case 'search':
      return withDetail(ui, { typing: { text: '', before: search } })
    case 'export':
      return withDetail(ui, { isExporting: true })
    case 'back':
      return leave(ui)
    default:
      return ui
  }
}

/** First the search goes, then the row. */
function leave(ui: UiState): UiState {
  if (ui.detail.search !== '') return withDetail(ui, { search: '' })
  return { ...ui, screen: ui.detail.sessionId === undefined ? 'list' : 'session' }
}

export function withDetail(ui: UiState, changes: Partial<DetailState>): UiState {
  return { ...ui, detail: { ...ui.detail, ...changes } }
}

function movedTo(action: Action, frame: DetailFrame, height: number): Place | undefined {
  const { document, top, line } = frame
  const step = stepOf(action, height)
  if (step !== undefined) {
    const isLine = Math.abs(step) === 1
    const target = Math.max(0, Math.min(line + step, document.lines.length - 1))
    // A line moves within the screen first, a page takes the screen with it.
    return placeAt(document, target, { top: isLine ? top : top + target - line, height })
  }
  switch (action) {
    case 'first':
      return placeAt(document, 0, { top: 0, height })
    case 'last':
      return { cursor: 'end', at: height - 1 }
    case 'toggle-follow':
      return frame.isFollowing
        ? placeAt(document, line, { top, height })
        : { cursor: 'end', at: height - 1 }
    default:
      return undefined
  }
}

function tabAfter(tab: Tab, step: number): Tab {
  return tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length] ?? tab
}

function withTab(ui: UiState, frame: DetailFrame | undefined, tab: Tab | undefined): UiState {
  if (tab === undefined || tab === ui.detail.tab) return ui
  const cursor = frame === undefined ? 'start' : cursorFor(frame.row, tab)
  return withDetail(ui, { tab, folds: noFolds, place: { cursor, at: 0 } })
}

/** The place as a line, where it was the start or the end: what changes above must not move it. */
function withPlace(ui: UiState, frame: DetailFrame | undefined): UiState {
  if (frame === undefined) return ui
  const { document, line, top, height } = frame
  return withDetail(ui, { place: placeAt(document, line, { top, height }) })
}

/** Opens or closes the block of the cursor, or the message that it is a part of. */
function withFold(ui: UiState, frame: DetailFrame): UiState {
  const { document, line, top, height } = frame
  const here = document.blocks.at(document.blocks.indexAt(line))
  if (here === undefined) return ui
  const whole = here.block.id.split('-')[0] ?? ''
  const placed = here.block.isFoldable ? here : document.blocks.at(document.blocks.indexOf(whole))
  if (placed?.block.isFoldable !== true) return ui
  return withDetail(ui, {
    folds: toggleFold(ui.detail.folds, placed.block.id),
    place: placeAt(document, placed.start, { top: Math.min(top, placed.start), height }),
  })
}

function toMatch(ui: UiState, frame: DetailFrame | undefined, step: 1 | -1): UiState {
  if (frame === undefined) return ui
  const { document, line, top, height } = frame
  const match = findText(document, ui.detail.search, { line, step })
  if (match === undefined) return withDetail(ui, { note: 'not found' })
  const { id, offset, isFolded, isAround } = match
  const start = document.blocks.at(document.blocks.indexOf(id))?.start ?? 0
  const target = start + offset
  const isOnScreen = target >= top && target < top + height
  // A match that comes from elsewhere is read with what stands around it.
  const at = isOnScreen ? target - top : Math.floor(height / 3)
  const around = step === 1 ? 'from the start again' : 'from the end again'
  return withDetail(ui, {
    place: { cursor: { id, offset }, at },
    folds: isFolded ? toggleFold(ui.detail.folds, id) : ui.detail.folds,
    note: isAround ? around : '',
  })
}

/** One key while the search is typed. */
export function typeSearch(
  ui: UiState,
  typing: LineEdit,
  key: string,
  context: UiContext,
): UiState {
  const next = editLine(typing, key)
  if (next === 'cancel') return withDetail(ui, { typing: undefined })
  if (next !== 'accept') return withDetail(ui, { typing: next })
  // Nothing typed: the search before it goes on.
  const search = typing.text === '' ? typing.before : typing.text
  return toMatch(withDetail(ui, { typing: undefined, search }), context.detail, 1)
}

function moveRow(ui: UiState, context: UiContext, step: number): UiState {
  const { list } = context
  const moved = selectRow(ui, context, selectedIndex(ui, list) + step)
  const row = list.rows[list.indexOf(moved.list.selectedId)]
  if (row === undefined || moved.list.selectedId === ui.list.selectedId) return ui
  const { sessionId } = ui.detail
  return { ...moved, detail: { ...openedDetail(ui.detail, row), sessionId } }
}
