/** What a key map is made of, and the keys that mean the same on several screens. */

export interface KeyBinding<A extends string = string> {
  /** Names as `keyNames` gives them. */
  readonly keys: readonly string[]
  readonly action: A
  readonly help: string
}

export type MovementAction =
  | 'down'
  | 'up'
  | 'page-down'
  | 'page-up'
  | 'half-down'
  | 'half-up'
  | 'first'
  | 'last'

export const movementKeys: ReadonlyArray<KeyBinding<MovementAction>> = [
  { keys: ['j', 'down'], action: 'down', help: 'down' },
  { keys: ['k', 'up'], action: 'up', help: 'up' },
  { keys: ['pagedown', 'space', 'ctrl-f'], action: 'page-down', help: 'one page down' },
  { keys: ['pageup', 'b', 'ctrl-b'], action: 'page-up', help: 'one page up' },
  { keys: ['ctrl-d'], action: 'half-down', help: 'half a page down' },
  { keys: ['ctrl-u'], action: 'half-up', help: 'half a page up' },
  { keys: ['g', 'home'], action: 'first', help: 'to the start' },
  { keys: ['G', 'end'], action: 'last', help: 'to the end, follow' },
]

export type GlobalAction = 'back' | 'help' | 'quit'

export const globalKeys: ReadonlyArray<KeyBinding<GlobalAction>> = [
  { keys: ['esc'], action: 'back', help: 'back, clear the filter' },
  { keys: ['?'], action: 'help', help: 'this help' },
  { keys: ['q', 'ctrl-c'], action: 'quit', help: 'quit' },
]

/** The same on screens that lie behind another: there `q` leads back, as in mitmproxy. */
export const innerKeys: ReadonlyArray<KeyBinding<GlobalAction>> = [
  { keys: ['esc', 'q'], action: 'back', help: 'back' },
  { keys: ['?'], action: 'help', help: 'this help' },
  { keys: ['ctrl-c'], action: 'quit', help: 'quit' },
]
