/** What a frame shows of an open row: the lines of its tab, and which of them is on top. */
import { assertNever } from '../../base/errors.ts'
import type { BlockCache } from '../block.ts'
import type { Document } from '../conversation.ts'
import { conversation } from '../conversation.ts'
import type { Row } from '../row.ts'
import { eventsTab, headersTab, rawTab } from '../wire-tabs.ts'
import type { DetailState, Tab } from './detail.ts'
import { detailTop } from './detail.ts'

export interface DetailFrame {
  readonly row: Row
  readonly document: Document
  /** The first line of `document` on screen. */
  readonly top: number
}

/** `width` and `height` are those of the tab's content. */
export function detailFrame(
  row: Row,
  state: DetailState,
  size: { readonly width: number; readonly height: number },
  cache: BlockCache,
): DetailFrame {
  const document = documentOf(row, state.tab, size.width, cache)
  const { lines, anchor } = document
  const top = detailTop(state.scroll, { lines: lines.length, height: size.height, anchor })
  return { row, document, top }
}

function documentOf(row: Row, tab: Tab, width: number, cache: BlockCache): Document {
  switch (tab) {
    case 'Conversation':
      return conversation(row, width, cache)
    case 'Headers':
      return { lines: headersTab(row, width, cache), anchor: 0 }
    case 'Events':
      return { lines: eventsTab(row, width, cache), anchor: 0 }
    case 'Raw':
      return { lines: rawTab(row, width, cache), anchor: 0 }
    default:
      return assertNever(tab)
  }
}
