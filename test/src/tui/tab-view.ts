/** What tests of tabs have in common: rows from messages, and documents as text. */
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { TabView } from '../../../src/tui/block.ts'
import { createBlockCache } from '../../../src/tui/block.ts'
import type { Document, Folds } from '../../../src/tui/document.ts'
import { lineText, noFolds } from '../../../src/tui/document.ts'
import type { ViewState } from '../../../src/tui/model.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'

export function stateOf(messages: readonly AnalysisMsg[]): ViewState {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  return state
}

export function rowsOf(messages: readonly AnalysisMsg[]): readonly Row[] {
  return stateOf(messages).rows
}

export function rowOf(messages: readonly AnalysisMsg[]): Row {
  const [row] = rowsOf(messages)
  if (row === undefined) throw new Error('no row')
  return row
}

export function viewAt(width = 80, folds: Folds = noFolds): TabView {
  return { width, cache: createBlockCache(), folds }
}

/** Folds in which everything is open. */
export const allOpen: Folds = { all: 'open', toggled: new Set() }
export const allClosed: Folds = { all: 'closed', toggled: new Set() }

export function linesOf({ lines }: Pick<Document, 'lines'>): string[] {
  return lines.slice(0, lines.length).map(lineText)
}

export function textOf(document: Pick<Document, 'lines'>): string {
  return linesOf(document).join('\n')
}
