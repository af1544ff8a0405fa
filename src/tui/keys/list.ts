/** The keys of the list and of what lies over it, beside those that move and leave. */
import type { KeyBinding } from './binding.ts'

export type ListAction =
  | 'open'
  | 'sessions'
  | 'filter'
  | 'toggle-follow'
  | 'next-error'
  | 'previous-error'
  | 'sort'
  | 'reverse'
  | 'pick-columns'
  | 'mark'
  | 'marked-only'
  | 'unmark-all'
  | 'toggle-tunnels'
  | 'allow'
  | 'clear'

/** As in mitmproxy where it has them: its users' hands know them. */
export const listKeys: ReadonlyArray<KeyBinding<ListAction>> = [
  { keys: ['enter'], action: 'open', help: 'open the call' },
  { keys: ['S', 'tab'], action: 'sessions', help: 'sessions' },
  { keys: ['f', '/'], action: 'filter', help: 'filter' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['e'], action: 'next-error', help: 'next error' },
  { keys: ['E'], action: 'previous-error', help: 'previous error' },
  { keys: ['o'], action: 'sort', help: 'sort by another column' },
  { keys: ['v'], action: 'reverse', help: 'reverse the order' },
  { keys: ['C'], action: 'pick-columns', help: 'choose columns' },
  { keys: ['m'], action: 'mark', help: 'mark, or unmark' },
  { keys: ['M'], action: 'marked-only', help: 'only marked, or all' },
  { keys: ['U'], action: 'unmark-all', help: 'unmark all' },
  { keys: ['t'], action: 'toggle-tunnels', help: 'show or hide tunnels' },
  { keys: ['a'], action: 'allow', help: 'allow a tunnelled host' },
  { keys: ['z'], action: 'clear', help: 'clear the list' },
]

export type PickerAction =
  | 'down'
  | 'up'
  | 'toggle-column'
  | 'column-left'
  | 'column-right'
  | 'reset'

export const pickerKeys: ReadonlyArray<KeyBinding<PickerAction>> = [
  { keys: ['j', 'down'], action: 'down', help: 'down' },
  { keys: ['k', 'up'], action: 'up', help: 'up' },
  { keys: ['space', 'enter', 'x'], action: 'toggle-column', help: 'show or hide' },
  { keys: ['K', 'h', 'left'], action: 'column-left', help: 'further left' },
  { keys: ['J', 'l', 'right'], action: 'column-right', help: 'further right' },
  { keys: ['D'], action: 'reset', help: 'as they were at first' },
]

export type ClearAction = 'confirm'

export const clearKeys: ReadonlyArray<KeyBinding<ClearAction | 'back' | 'quit'>> = [
  { keys: ['y'], action: 'confirm', help: 'clear' },
  { keys: ['n', 'esc', 'q', 'z'], action: 'back', help: 'keep' },
  { keys: ['ctrl-c'], action: 'quit', help: 'quit' },
]
