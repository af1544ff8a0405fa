/**
 * What the user sees of the model: the screen, what lies over it, and the state of each screen.
 * Pure: an action and what is on screen in, the next state out. Each screen's own state and what its
 * keys do stand in a file of `screens/`.
 */
import type { Action, KeyScreen } from './keys.ts'
import type { RowList } from './row-list.ts'
import type { Row } from './row.ts'
import type { DetailState } from './screens/detail.ts'
import { initialDetail, reduceDetail } from './screens/detail.ts'
import type { ListState } from './screens/list.ts'
import { initialList, reduceList, typeFilter } from './screens/list.ts'

export interface UiState {
  readonly screen: 'list' | 'detail'
  /** What lies over the screen and takes its keys. */
  readonly overlay: 'help' | undefined
  readonly list: ListState
  readonly detail: DetailState
}

export const initialUi: UiState = {
  screen: 'list',
  overlay: undefined,
  list: initialList,
  detail: initialDetail,
}

/** What is on screen while a key is pressed. */
export interface UiContext {
  readonly list: RowList
  readonly listHeight: number
  readonly detailHeight: number
  readonly detail: {
    /** The row that is open. */
    readonly row: Row | undefined
    readonly lines: number
    /** The first line that is shown now. */
    readonly top: number
  }
}

/** Where the keys go. */
export function keyScreenOf(ui: UiState): KeyScreen {
  return ui.overlay ?? ui.screen
}

/** The next state where a line of text is being typed, which takes every key; else undefined. */
export function reduceTyping(ui: UiState, key: string): UiState | undefined {
  if (ui.overlay !== undefined) return undefined
  if (ui.screen === 'list' && ui.list.typing !== undefined) {
    return typeFilter(ui, ui.list.typing, key)
  }
  return undefined
}

export function reduceUi(ui: UiState, action: Action, context: UiContext): UiState {
  if (ui.overlay === 'help') {
    return action === 'help' || action === 'back' ? { ...ui, overlay: undefined } : ui
  }
  if (action === 'help') return { ...ui, overlay: 'help' }
  return ui.screen === 'list' ? reduceList(ui, action, context) : reduceDetail(ui, action, context)
}
