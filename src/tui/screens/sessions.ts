/** The table of sessions: which of them is picked, and what its keys do. */
import type { Action } from '../keys.ts'
import type { UiContext, UiState } from '../ui.ts'
import type { Pick } from './pick.ts'
import { firstPick, lastPick, movePick, pickView } from './pick.ts'
import { initialSession } from './session.ts'

export interface SessionsState {
  readonly pick: Pick
}

export const initialSessions: SessionsState = { pick: lastPick }

export function reduceSessions(ui: UiState, action: Action, context: UiContext): UiState {
  const { keys = [], height = 1 } = context.sessions ?? {}
  const { pick } = ui.sessions
  const moved = movePick(pick, action, keys, height)
  if (moved !== undefined) return { ...ui, sessions: { pick: moved } }
  switch (action) {
    case 'open': {
      const sessionId = keys[pickView(pick, keys, height).index]
      if (sessionId === undefined) return ui
      const isSame = sessionId === ui.session.sessionId
      const session = isSame ? ui.session : { ...initialSession, sessionId, pick: firstPick }
      return { ...ui, screen: 'session', session }
    }
    case 'back':
    case 'sessions':
      return { ...ui, screen: 'list' }
    default:
      return ui
  }
}
