/** The keys of an open row, beside those that move and leave. */
import type { KeyBinding } from './binding.ts'

export type DetailAction =
  | 'next-tab'
  | 'previous-tab'
  | `tab-${number}`
  | 'previous-row'
  | 'toggle-follow'
  | 'toggle-fold'
  | 'toggle-all-folds'
  | 'search'
  | 'next-match'
  | 'previous-match'
  | 'copy'
  | 'export'

export const detailKeys: ReadonlyArray<KeyBinding<DetailAction>> = [
  { keys: ['tab', 'l', 'right'], action: 'next-tab', help: 'next tab, or 1 to 8' },
  { keys: ['shift-tab', 'h', 'left'], action: 'previous-tab', help: 'previous tab' },
  { keys: ['enter'], action: 'toggle-fold', help: 'open or close a part' },
  { keys: ['z'], action: 'toggle-all-folds', help: 'open or close all' },
  { keys: ['/'], action: 'search', help: 'search in this tab' },
  { keys: ['n'], action: 'next-match', help: 'next match, or call' },
  { keys: ['N'], action: 'previous-match', help: 'match before, or call' },
  { keys: ['p'], action: 'previous-row', help: 'previous call' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['y'], action: 'copy', help: 'copy what is here' },
  { keys: ['x'], action: 'export', help: 'export the call' },
]

/** The digits, which the help names beside `tab`. */
export const tabDigitKeys: ReadonlyArray<KeyBinding<DetailAction>> = Array.from(
  { length: 8 },
  (_, at) => ({ keys: [String(at + 1)], action: `tab-${at + 1}` as const, help: '' }),
)

export type ExportAction = 'export-har' | 'export-curl' | 'export-markdown' | 'export-jsonl'

/** While a format is chosen. */
export const exportKeys: ReadonlyArray<KeyBinding<ExportAction | 'back' | 'quit'>> = [
  { keys: ['h'], action: 'export-har', help: 'HAR' },
  { keys: ['c'], action: 'export-curl', help: 'curl' },
  { keys: ['m'], action: 'export-markdown', help: 'Markdown' },
  { keys: ['j'], action: 'export-jsonl', help: 'JSON lines' },
  { keys: ['esc', 'q', 'x'], action: 'back', help: 'cancel' },
  { keys: ['ctrl-c'], action: 'quit', help: 'quit' },
]
