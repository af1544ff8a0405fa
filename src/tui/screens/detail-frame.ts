/** What a frame shows of an open row: the lines of its tab, and which of them are on screen. */
import { assertNever } from '../../base/errors.ts'
import type { BlockCache, TabView } from '../block.ts'
import { conversation } from '../conversation.ts'
import { costTab } from '../cost-tab.ts'
import { diffTab } from '../diff-tab.ts'
import type { Document } from '../document.ts'
import { eventsTab } from '../events-tab.ts'
import { requestTab, responseTab } from '../message-tabs.ts'
import { rawTab } from '../raw-tab.ts'
import type { Row } from '../row.ts'
import { timingTab } from '../timing-tab.ts'
import { viewOf } from './detail-view.ts'
import type { DetailState, Tab } from './detail.ts'

/** The row that is open, and what else its tabs look at. */
export interface OpenRow {
  readonly row: Row
  /** The exchange that carried it, where it is one of several calls on a socket. */
  readonly whole: Row
  /** The call before it in its branch, if it is still kept. */
  previous(): Row | undefined
  readonly now: number
}

export interface DetailFrame {
  readonly row: Row
  readonly open: OpenRow
  readonly document: Document
  /** The line of the cursor. */
  readonly line: number
  /** The first line of `document` on screen. */
  readonly top: number
  readonly height: number
  readonly isFollowing: boolean
}

/** The cell before each line, for the mark of the cursor. */
export const gutterWidth = 1

/** `width` and `height` are those of the tab's content. */
export function detailFrame(
  open: OpenRow,
  state: DetailState,
  size: { readonly width: number; readonly height: number },
  cache: BlockCache,
): DetailFrame {
  const width = Math.max(1, size.width - gutterWidth)
  const document = documentFor(open, state.tab, { width, cache, folds: state.folds })
  const { line, top } = viewOf(state.place, document, size.height)
  const isFollowing = state.place.cursor === 'end'
  return { row: open.row, open, document, line, top, height: size.height, isFollowing }
}

function documentFor(open: OpenRow, tab: Tab, view: TabView): Document {
  const { row, whole, now } = open
  switch (tab) {
    case 'Conversation':
      return conversation(row, view)
    case 'Request':
      return requestTab(whole, view)
    case 'Response':
      return responseTab(whole, view)
    case 'Events':
      return eventsTab(whole, view)
    case 'Timing':
      return timingTab(row, view, now)
    case 'Cost':
      return costTab(row, view)
    case 'Diff':
      return diffTab(row, open.previous(), view)
    case 'Raw':
      return rawTab(whole, view)
    default:
      return assertNever(tab)
  }
}
