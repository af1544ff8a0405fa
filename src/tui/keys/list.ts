/** The keys of the list, beside those that move and leave. */
import type { KeyBinding } from './binding.ts'

export type ListAction =
  | 'open'
  | 'filter'
  | 'toggle-follow'
  | 'next-error'
  | 'previous-error'
  | 'toggle-tunnels'

export const listKeys: ReadonlyArray<KeyBinding<ListAction>> = [
  { keys: ['enter'], action: 'open', help: 'open the call' },
  { keys: ['f', '/'], action: 'filter', help: 'filter' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['e'], action: 'next-error', help: 'next error' },
  { keys: ['E'], action: 'previous-error', help: 'previous error' },
  { keys: ['t'], action: 'toggle-tunnels', help: 'show or hide tunnels' },
]
