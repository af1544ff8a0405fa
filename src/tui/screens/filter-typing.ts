/**
 * The filter while it is typed: the list narrows with every key that leaves it whole, a mistake
 * leaves the last good one in force. Filters that were used before are a key away.
 */
import { parseFilter } from '../../query/filter.ts'
import type { UiState } from '../ui.ts'
import type { LineEdit } from './line-edit.ts'
import { editLine } from './line-edit.ts'
import { withList } from './selection.ts'

export interface FilterTyping extends LineEdit {
  /** What is wrong with it, and where: a UTF-16 index. */
  readonly problem: { readonly text: string; readonly at: number } | undefined
  /** Place in the history, from the newest; -1 for what is being typed. */
  readonly historyAt: number
}

const maxHistory = 50

export function startTyping(ui: UiState): UiState {
  const { filter } = ui.list
  const typing = { text: filter, before: filter, problem: undefined, historyAt: -1 }
  return withList(ui, { typing })
}

export function typeFilter(ui: UiState, typing: FilterTyping, key: string): UiState {
  if (key === 'up') return recall(ui, typing, typing.historyAt + 1)
  if (key === 'down') return recall(ui, typing, typing.historyAt - 1)
  const next = editLine(typing, key)
  if (next === 'cancel') return withList(ui, { typing: undefined, filter: typing.before })
  if (next !== 'accept') return withText(ui, { ...typing, ...next })
  // A mistake is not taken for what the user wants.
  if (typing.problem !== undefined) return ui
  return withList(ui, {
    typing: undefined,
    history: remembered(ui.list.history, typing.text.trim()),
  })
}

function recall(ui: UiState, typing: FilterTyping, historyAt: number): UiState {
  const { history } = ui.list
  if (historyAt < -1 || historyAt >= history.length) return ui
  const text = historyAt === -1 ? typing.before : (history[historyAt] ?? '')
  return withText(ui, { ...typing, text, historyAt })
}

function withText(ui: UiState, typing: FilterTyping): UiState {
  const parsed = parseFilter(typing.text)
  if (parsed.ok) {
    return withList(ui, { typing: { ...typing, problem: undefined }, filter: typing.text })
  }
  const problem = { text: parsed.problem, at: parsed.at }
  return withList(ui, { typing: { ...typing, problem } })
}

/** The newest first, each once. */
function remembered(history: readonly string[], text: string): readonly string[] {
  if (text === '') return history
  return [text, ...history.filter((other) => other !== text)].slice(0, maxHistory)
}
