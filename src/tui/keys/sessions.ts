/** The keys of the table of sessions, and of an open session. */
import type { KeyBinding } from './binding.ts'

export type SessionsAction = 'open' | 'toggle-follow' | 'sessions'
export type SessionAction = SessionsAction | 'toggle-all-folds'

export const sessionsKeys: ReadonlyArray<KeyBinding<SessionsAction>> = [
  { keys: ['enter', 'l', 'right'], action: 'open', help: 'open; fold a lane' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['S', 'tab'], action: 'sessions', help: 'to the list of calls' },
]

export const sessionKeys: ReadonlyArray<KeyBinding<SessionAction>> = [
  { keys: ['enter', 'l', 'right'], action: 'open', help: 'open; fold a lane' },
  { keys: ['z'], action: 'toggle-all-folds', help: 'fold or open all lanes' },
  { keys: ['F'], action: 'toggle-follow', help: 'follow, or stay' },
  { keys: ['S', 'tab'], action: 'sessions', help: 'to the list of calls' },
]
