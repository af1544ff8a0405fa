/**
 * The key map, as data: the input handler looks keys up in it and the help screen prints it, so the
 * two cannot differ. Keys have names: a printable character is its own name, others are spelled out
 * (`enter`, `ctrl-d`, `pagedown`).
 */

export type Action =
  | 'down'
  | 'up'
  | 'page-down'
  | 'page-up'
  | 'half-down'
  | 'half-up'
  | 'first'
  | 'last'
  | 'open'
  | 'back'
  | 'next-tab'
  | 'previous-tab'
  | 'next-row'
  | 'previous-row'
  | 'next-error'
  | 'previous-error'
  | 'toggle-follow'
  | 'toggle-tunnels'
  | 'search'
  | 'help'
  | 'quit'

export type Screen = 'list' | 'detail' | 'help'

export interface KeyBinding {
  readonly keys: readonly string[]
  readonly action: Action
  readonly screens: readonly Screen[]
  readonly help: string
}

export const keyMap: readonly KeyBinding[] = [
  { keys: ['j', 'down'], action: 'down', screens: ['list', 'detail'], help: 'down' },
  { keys: ['k', 'up'], action: 'up', screens: ['list', 'detail'], help: 'up' },
  {
    keys: ['pagedown', 'space', 'ctrl-f'],
    action: 'page-down',
    screens: ['list', 'detail'],
    help: 'one page down',
  },
  {
    keys: ['pageup', 'b', 'ctrl-b'],
    action: 'page-up',
    screens: ['list', 'detail'],
    help: 'one page up',
  },
  { keys: ['ctrl-d'], action: 'half-down', screens: ['list', 'detail'], help: 'half a page down' },
  { keys: ['ctrl-u'], action: 'half-up', screens: ['list', 'detail'], help: 'half a page up' },
  { keys: ['g', 'home'], action: 'first', screens: ['list', 'detail'], help: 'to the start' },
  { keys: ['G', 'end'], action: 'last', screens: ['list', 'detail'], help: 'to the end, follow' },
  {
    keys: ['f'],
    action: 'toggle-follow',
    screens: ['list', 'detail'],
    help: 'follow, or stay',
  },
  { keys: ['e'], action: 'next-error', screens: ['list'], help: 'next error' },
  { keys: ['E'], action: 'previous-error', screens: ['list'], help: 'previous error' },
  { keys: ['enter'], action: 'open', screens: ['list'], help: 'open the call' },
  {
    keys: ['tab', 'l', 'right'],
    action: 'next-tab',
    screens: ['detail'],
    help: 'next tab',
  },
  {
    keys: ['shift-tab', 'h', 'left'],
    action: 'previous-tab',
    screens: ['detail'],
    help: 'previous tab',
  },
  { keys: ['n'], action: 'next-row', screens: ['detail'], help: 'next call' },
  { keys: ['p'], action: 'previous-row', screens: ['detail'], help: 'previous call' },
  { keys: ['/'], action: 'search', screens: ['list'], help: 'filter by any text' },
  {
    keys: ['t'],
    action: 'toggle-tunnels',
    screens: ['list'],
    help: 'show or hide tunnels',
  },
  {
    keys: ['esc'],
    action: 'back',
    screens: ['list', 'detail', 'help'],
    help: 'back, clear the filter',
  },
  { keys: ['?'], action: 'help', screens: ['list', 'detail', 'help'], help: 'this help' },
  {
    keys: ['q', 'ctrl-c'],
    action: 'quit',
    screens: ['list', 'detail', 'help'],
    help: 'quit',
  },
]

/** What a key means on a screen, or undefined. */
export function actionOf(key: string, screen: Screen): Action | undefined {
  return keyMap.find((binding) => binding.keys.includes(key) && binding.screens.includes(screen))
    ?.action
}

/** The fields of Ink's `Key` that are read here. */
export interface PressedKey {
  readonly upArrow?: boolean
  readonly downArrow?: boolean
  readonly leftArrow?: boolean
  readonly rightArrow?: boolean
  readonly pageUp?: boolean
  readonly pageDown?: boolean
  readonly home?: boolean
  readonly end?: boolean
  readonly return?: boolean
  readonly escape?: boolean
  readonly tab?: boolean
  readonly backspace?: boolean
  readonly delete?: boolean
  readonly ctrl?: boolean
  readonly shift?: boolean
  readonly meta?: boolean
}

const namedKeys = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'esc'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
] as const satisfies ReadonlyArray<readonly [keyof PressedKey, string]>

/**
 * The names of the keys in one input event. A key that repeats quickly, or a paste, arrives as one
 * string of several characters: each is a key of its own.
 */
export function keyNames(input: string, key: PressedKey): readonly string[] {
  if (key.tab === true) return [key.shift === true ? 'shift-tab' : 'tab']
  for (const [field, name] of namedKeys) if (key[field] === true) return [name]
  if (key.ctrl === true) return input === '' ? [] : [`ctrl-${input}`]
  if (key.meta === true) return []
  return Array.from(input, characterName).filter((name) => name !== '')
}

function characterName(character: string): string {
  if (character === ' ') return 'space'
  if (character === '\r' || character === '\n') return 'enter'
  if (character === '\t') return 'tab'
  const code = character.codePointAt(0) ?? 0
  if (code === 0x1b) return 'esc'
  if (code === 0x7f || code === 0x08) return 'backspace'
  if (code > 0 && code <= 0x1a) return `ctrl-${String.fromCodePoint(code + 0x60)}`
  return code < 0x20 ? '' : character
}
