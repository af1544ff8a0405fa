/** An open session: which of its calls, lanes and turns is picked, and which lanes are folded. */
import type { Action } from '../keys.ts'
import type { SessionItem } from '../session-tree.ts'
import type { UiContext, UiState } from '../ui.ts'
import { openedDetail } from './detail.ts'
import type { Pick } from './pick.ts'
import { firstPick, movePick, pickView } from './pick.ts'

export interface SessionState {
  readonly sessionId: string | undefined
  readonly pick: Pick
  /** Ids of branches whose calls are folded away. */
  readonly folded: ReadonlySet<string>
}

export const initialSession: SessionState = {
  sessionId: undefined,
  pick: firstPick,
  folded: new Set(),
}

/** Names an item for as long as its session lives. */
export function itemKey(item: SessionItem): string {
  switch (item.kind) {
    case 'turn':
      return `turn ${item.first.id}`
    case 'lane':
      return `lane ${item.branch.id}`
    case 'call':
      return `call ${item.row.id}`
  }
}

/** The items that are shown: without what is folded away. */
export function shownItems(
  items: readonly SessionItem[],
  folded: ReadonlySet<string>,
): readonly SessionItem[] {
  if (folded.size === 0) return items
  const shown: SessionItem[] = []
  let hidden = Number.POSITIVE_INFINITY
  for (const item of items) {
    const depth = item.kind === 'turn' ? 0 : item.depth
    const isWithin = depth > hidden || (depth === hidden && item.kind === 'call')
    if (isWithin) continue
    hidden = Number.POSITIVE_INFINITY
    if (item.kind === 'lane' && folded.has(item.branch.id)) hidden = depth
    shown.push(item)
  }
  return shown
}

export function reduceSession(ui: UiState, action: Action, context: UiContext): UiState {
  const { items = [], keys = [], height = 1 } = context.session ?? {}
  const { pick, folded } = ui.session
  const moved = movePick(pick, action, keys, height)
  if (moved !== undefined) return { ...ui, session: { ...ui.session, pick: moved } }
  switch (action) {
    case 'open':
      return openItem(ui, items[pickView(pick, keys, height).index])
    case 'toggle-all-folds': {
      const lanes = items.flatMap((item) => (item.kind === 'lane' ? [item.branch.id] : []))
      const isAnyOpen = lanes.some((id) => !folded.has(id))
      return { ...ui, session: { ...ui.session, folded: new Set(isAnyOpen ? lanes : []) } }
    }
    case 'back':
      return { ...ui, screen: 'sessions' }
    case 'sessions':
      return { ...ui, screen: 'list' }
    default:
      return ui
  }
}

function openItem(ui: UiState, item: SessionItem | undefined): UiState {
  if (item === undefined) return ui
  if (item.kind === 'lane') {
    const folded = new Set(ui.session.folded)
    if (!folded.delete(item.branch.id)) folded.add(item.branch.id)
    return { ...ui, session: { ...ui.session, folded } }
  }
  const row = item.kind === 'turn' ? item.first : item.row
  const { sessionId } = ui.session
  return {
    ...ui,
    screen: 'detail',
    list: { ...ui.list, selectedId: row.id },
    detail: { ...openedDetail(ui.detail, row), sessionId },
  }
}
