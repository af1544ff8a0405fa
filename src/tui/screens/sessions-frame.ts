/** What a frame shows of the sessions: the table, and the one that is open. */
import type { SessionItem } from '../session-tree.ts'
import { sessionItems } from '../session-tree.ts'
import type { Session, Sessions } from '../sessions.ts'
import { pickView } from './pick.ts'
import type { SessionState } from './session.ts'
import { itemKey, shownItems } from './session.ts'
import type { SessionsState } from './sessions.ts'

export interface SessionsFrame {
  readonly sessions: readonly Session[]
  /** Ids, in the same order. */
  readonly keys: readonly string[]
  readonly dropped: number
  readonly index: number
  readonly top: number
  readonly height: number
}

export interface SessionFrame {
  readonly session: Session
  readonly items: readonly SessionItem[]
  readonly keys: readonly string[]
  readonly folded: ReadonlySet<string>
  readonly index: number
  readonly top: number
  readonly height: number
}

export function sessionsFrame(
  sessions: Sessions,
  { pick }: SessionsState,
  height: number,
): SessionsFrame {
  const { list, dropped } = sessions
  const keys = keysOf(list)
  return { sessions: list, keys, dropped, ...pickView(pick, keys, height), height }
}

/** Undefined where no session is open, or the open one had to go. */
export function sessionFrame(
  sessions: Sessions,
  state: SessionState,
  height: number,
): SessionFrame | undefined {
  const session = sessions.get(state.sessionId)
  if (session === undefined) return undefined
  const { folded } = state
  const { items, keys } = shownOf(session, folded)
  return { session, items, keys, folded, ...pickView(state.pick, keys, height), height }
}

interface Shown {
  readonly items: readonly SessionItem[]
  readonly keys: readonly string[]
}

/** Frames follow each other with the same items: they are filtered and named once. */
function shownOf(session: Session, folded: ReadonlySet<string>): Shown {
  const all = sessionItems(session)
  const known = shownBefore.get(all)
  if (known?.folded === folded) return known
  const items = shownItems(all, folded)
  const shown = { folded, items, keys: items.map(itemKey) }
  shownBefore.set(all, shown)
  return shown
}

const shownBefore = new WeakMap<
  readonly SessionItem[],
  Shown & { readonly folded: ReadonlySet<string> }
>()

function keysOf(sessions: readonly Session[]): readonly string[] {
  const known = keysBefore.get(sessions)
  if (known !== undefined) return known
  const keys = sessions.map(({ id }) => id)
  keysBefore.set(sessions, keys)
  return keys
}

const keysBefore = new WeakMap<readonly Session[], readonly string[]>()
