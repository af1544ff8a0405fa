/**
 * One picked thing of a list that grows: it is known by a key and keeps its place on the screen, so
 * that what comes or goes around it does not move it.
 */
import { stepOf } from './movement.ts'

export interface Pick {
  /** Undefined for the first. */
  readonly key: string | undefined
  /** Row of the screen that it stands in, from 0. */
  readonly at: number
  /** It stays with the last. */
  readonly isFollowing: boolean
}

export interface PickView {
  /** -1 where there is nothing to pick. */
  readonly index: number
  /** The index of the first on screen. */
  readonly top: number
}

export const firstPick: Pick = { key: undefined, at: 0, isFollowing: false }
export const lastPick: Pick = { key: undefined, at: 0, isFollowing: true }

export function pickView(pick: Pick, keys: readonly string[], height: number): PickView {
  const last = keys.length - 1
  const known = pick.key === undefined ? -1 : keys.indexOf(pick.key)
  const index = pick.isFollowing ? last : Math.min(last, Math.max(0, known))
  const at = pick.isFollowing ? height - 1 : Math.max(0, Math.min(pick.at, height - 1))
  return { index, top: Math.max(0, Math.min(index - at, keys.length - height)) }
}

/** The pick after a key that moves; undefined for any other action. */
export function movePick(
  pick: Pick,
  action: string,
  keys: readonly string[],
  height: number,
): Pick | undefined {
  const view = pickView(pick, keys, height)
  const step = stepOf(action, height)
  if (step !== undefined) return pickAt(view.index + step, view, keys, height)
  switch (action) {
    case 'first':
      return pickAt(0, view, keys, height)
    case 'last':
      return lastPick
    case 'toggle-follow':
      return pick.isFollowing ? pickAt(view.index, view, keys, height) : lastPick
    default:
      return undefined
  }
}

function pickAt(index: number, { top }: PickView, keys: readonly string[], height: number): Pick {
  const wanted = Math.max(0, Math.min(index, keys.length - 1))
  const at = Math.max(0, Math.min(wanted - top, height - 1))
  return { key: keys[wanted], at, isFollowing: false }
}
