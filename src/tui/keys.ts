/**
 * The key maps, as data: the input handler looks keys up in them and the help screen prints them, so
 * the two cannot differ. Keys have names: a printable character is its own name, others are spelled
 * out (`enter`, `ctrl-d`, `pagedown`). Each screen's own keys stand in a file of `keys/`.
 */
import type { GlobalAction, KeyBinding, MovementAction } from './keys/binding.ts'
import { globalKeys, innerKeys, movementKeys } from './keys/binding.ts'
import type { DetailAction, ExportAction } from './keys/detail.ts'
import { detailKeys, exportKeys, tabDigitKeys } from './keys/detail.ts'
import type { ClearAction, ListAction, PickerAction } from './keys/list.ts'
import { clearKeys, listKeys, pickerKeys } from './keys/list.ts'
import type { SessionAction } from './keys/sessions.ts'
import { sessionKeys, sessionsKeys } from './keys/sessions.ts'

export type Action =
  | MovementAction
  | GlobalAction
  | ListAction
  | PickerAction
  | ClearAction
  | DetailAction
  | ExportAction
  | SessionAction

/** What the keys go to: a screen, or what lies over it. */
export type KeyScreen =
  | 'list'
  | 'detail'
  | 'export'
  | 'sessions'
  | 'session'
  | 'help'
  | 'columns'
  | 'clear'

export const keyMaps: Readonly<Record<KeyScreen, ReadonlyArray<KeyBinding<Action>>>> = {
  list: [...movementKeys, ...listKeys, ...globalKeys],
  detail: [...movementKeys, ...detailKeys, ...tabDigitKeys, ...innerKeys],
  export: exportKeys,
  sessions: [...movementKeys, ...sessionsKeys, ...innerKeys],
  session: [...movementKeys, ...sessionKeys, ...innerKeys],
  help: [...movementKeys, ...globalKeys],
  columns: [...pickerKeys, ...globalKeys],
  clear: clearKeys,
}

/** What a key means on a screen, or undefined. */
export function actionOf(key: string, screen: KeyScreen): Action | undefined {
  return keyMaps[screen].find(({ keys }) => keys.includes(key))?.action
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
