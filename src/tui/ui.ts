/**
 * What the user sees of the model: the screen, what lies over it, and the state of each screen.
 * Pure: an action and what is on screen in, the next state out. Each screen's own state and what its
 * keys do stand in a file of `screens/`.
 */
import type { Action, KeyScreen } from './keys.ts'
import type { Layout } from './layout.ts'
import type { RowList } from './row-list.ts'
import type { DetailFrame } from './screens/detail-frame.ts'
import type { DetailState } from './screens/detail.ts'
import { initialDetail, reduceDetail, typeSearch } from './screens/detail.ts'
import { typeFilter } from './screens/filter-typing.ts'
import { reduceHelp } from './screens/help.ts'
import type { ListState } from './screens/list.ts'
import { initialList, reduceClear, reduceList } from './screens/list.ts'
import { reducePicker } from './screens/picker.ts'
import type { SessionState } from './screens/session.ts'
import { initialSession, reduceSession } from './screens/session.ts'
import type { SessionFrame, SessionsFrame } from './screens/sessions-frame.ts'
import type { SessionsState } from './screens/sessions.ts'
import { initialSessions, reduceSessions } from './screens/sessions.ts'

export type Overlay = 'help' | 'columns' | 'clear'

export interface UiState {
  readonly screen: 'list' | 'detail' | 'sessions' | 'session'
  /** What lies over the screen and takes its keys. */
  readonly overlay: Overlay | undefined
  /** The first line of the help that is shown. */
  readonly helpTop: number
  readonly list: ListState
  readonly detail: DetailState
  readonly sessions: SessionsState
  readonly session: SessionState
}

export const initialUi: UiState = {
  screen: 'list',
  overlay: undefined,
  helpTop: 0,
  list: initialList,
  detail: initialDetail,
  sessions: initialSessions,
  session: initialSession,
}

/** What is on screen while a key is pressed. */
export interface UiContext {
  readonly list: RowList
  /** The columns of the list that have room. */
  readonly layout: Layout
  readonly listHeight: number
  readonly detailHeight: number
  readonly helpLines: number
  readonly helpHeight: number
  /** Each of these while it is on screen. */
  readonly detail: DetailFrame | undefined
  readonly sessions: SessionsFrame | undefined
  readonly session: SessionFrame | undefined
}

/** Where the keys go. */
export function keyScreenOf(ui: UiState): KeyScreen {
  if (ui.overlay !== undefined) return ui.overlay
  return ui.screen === 'detail' && ui.detail.isExporting ? 'export' : ui.screen
}

/** The next state where a line of text is being typed, which takes every key; else undefined. */
export function reduceTyping(
  ui: UiState,
  key: string,
  context: () => UiContext,
): UiState | undefined {
  if (ui.overlay !== undefined) return undefined
  if (ui.screen === 'list' && ui.list.typing !== undefined) {
    return typeFilter(ui, ui.list.typing, key)
  }
  if (ui.screen === 'detail' && ui.detail.typing !== undefined) {
    return typeSearch(ui, ui.detail.typing, key, context())
  }
  return undefined
}

export function reduceUi(ui: UiState, action: Action, context: UiContext): UiState {
  if (ui.overlay === 'help') return reduceHelp(ui, action, context)
  if (ui.overlay === 'clear') return reduceClear(ui, action)
  if (action === 'help') return { ...ui, overlay: 'help', helpTop: 0 }
  if (ui.overlay === 'columns') return reducePicker(ui, action, context)
  switch (ui.screen) {
    case 'list':
      return reduceList(ui, action, context)
    case 'detail':
      return reduceDetail(ui, action, context)
    case 'sessions':
      return reduceSessions(ui, action, context)
    case 'session':
      return reduceSession(ui, action, context)
  }
}
