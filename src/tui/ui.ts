/**
 * What the user sees of the model: the screen, what lies over it, and the state of each screen.
 * Pure: an action and what is on screen in, the next state out. Each screen's own state and what its
 * keys do stand in a file of `screens/`.
 */
import type { Action, KeyScreen } from './keys.ts'
import type { Layout } from './layout.ts'
import type { RowList } from './row-list.ts'
import type { Row } from './row.ts'
import type { DetailState } from './screens/detail.ts'
import { initialDetail, reduceDetail } from './screens/detail.ts'
import { typeFilter } from './screens/filter-typing.ts'
import { reduceHelp } from './screens/help.ts'
import type { ListState } from './screens/list.ts'
import { initialList, reduceClear, reduceList } from './screens/list.ts'
import { reducePicker } from './screens/picker.ts'

export type Overlay = 'help' | 'columns' | 'clear'

export interface UiState {
  readonly screen: 'list' | 'detail'
  /** What lies over the screen and takes its keys. */
  readonly overlay: Overlay | undefined
  /** The first line of the help that is shown. */
  readonly helpTop: number
  readonly list: ListState
  readonly detail: DetailState
}

export const initialUi: UiState = {
  screen: 'list',
  overlay: undefined,
  helpTop: 0,
  list: initialList,
  detail: initialDetail,
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
  if (ui.overlay === 'help') return reduceHelp(ui, action, context)
  if (ui.overlay === 'clear') return reduceClear(ui, action)
  if (action === 'help') return { ...ui, overlay: 'help', helpTop: 0 }
  if (ui.overlay === 'columns') return reducePicker(ui, action, context)
  return ui.screen === 'list' ? reduceList(ui, action, context) : reduceDetail(ui, action, context)
}
