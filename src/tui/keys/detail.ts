/** The keys of an open row, beside those that move and leave. */
import type { KeyBinding } from './binding.ts'

export type DetailAction =
  | 'next-tab'
  | 'previous-tab'
  | 'next-row'
  | 'previous-row'
  | 'toggle-follow'

export const detailKeys: ReadonlyArray<KeyBinding<DetailAction>> = [
  { keys: ['tab', 'l', 'right'], action: 'next-tab', help: 'next tab' },
  { keys: ['shift-tab', 'h', 'left'], action: 'previous-tab', help: 'previous tab' },
  { keys: ['n'], action: 'next-row', help: 'next call' },
  { keys: ['p'], action: 'previous-row', help: 'previous call' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
]
