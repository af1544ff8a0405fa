/** The keys of an open row, beside those that move and leave. */
import type { KeyBinding } from './binding.ts'

export type DetailAction =
  | 'next-tab'
  | 'previous-tab'
  | `tab-${number}`
  | 'next-row'
  | 'previous-row'
  | 'toggle-follow'
  | 'toggle-fold'
  | 'toggle-all-folds'
  | 'search'
  | 'next-match'
  | 'previous-match'
  | 'copy'
  | 'export'

export const detailKeys: ReadonlyArray<KeyBinding<DetailAction | 'back'>> = [
  { keys: ['tab', 'l', 'right'], action: 'next-tab', help: 'next tab, or 1 to 8' },
  { keys: ['shift-tab', 'h', 'left'], action: 'previous-tab', help: 'previous tab' },
  { keys: ['enter'], action: 'toggle-fold', help: 'open or close what is here' },
  { keys: ['z'], action: 'toggle-all-folds', help: 'open or close all' },
  { keys: ['/'], action: 'search', help: 'search in this tab' },
  { keys: ['n'], action: 'next-match', help: 'next match, else next call' },
  { keys: ['N'], action: 'previous-match', help: 'match before' },
  { keys: ['p'], action: 'previous-row', help: 'previous call' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['y'], action: 'copy', help: 'copy what is here' },
  { keys: ['x'], action: 'export', help: 'export the call' },
  { keys: ['q'], action: 'back', help: 'back' },
]

/** The digits, which the help names beside `tab`. */
export const tabDigitKeys: ReadonlyArray<KeyBinding<DetailAction>> = Array.from(
  { length: 8 },
  (_, at) => ({ keys: [String(at + 1)], action: `tab-${at + 1}` as const, help: '' }),
)
