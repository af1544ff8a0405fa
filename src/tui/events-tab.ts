/**
 * The Events tab: each event of a stream, each message of a WebSocket, in a line with its arrival
 * and the gap before it. Lines are made when they come on screen: the tab costs what is seen of it
 * and what is open in it, whatever the number of events.
 */
import type { TabView } from './block.ts'
import { textLines } from './block.ts'
import type { Block, BlockList, Document } from './document.ts'
import { foldMark, lastAtOrBefore, linesOf, plainBlock, plainDocument } from './document.ts'
import { formatCount, safePreview } from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span } from './line.ts'
import { cutLine, droppedDocument } from './message-tabs.ts'
import { prettyJson } from './pretty-json.ts'
import type { Row, StreamEvent } from './row.ts'

/** Of more events than this, all are not opened at once: each would have to be laid out. */
const maxAllOpen = 500
const narrow = 60

export function eventsTab(row: Row, view: TabView): Document {
  const { detail } = row
  if (detail === undefined) return droppedDocument(view.width)
  const { events } = detail
  if (events.length === 0) {
    return plainDocument(textLines('no events: this answer was not streamed', view.width, 'dim'))
  }
  const title = plainBlock('title', [titleLine(view.width)])
  const rest = detail.isCut ? [plainBlock('cut', [cutLine(view.width)])] : []
  return eventsDocument(events, { title, rest }, view)
}

function eventsDocument(
  events: readonly StreamEvent[],
  around: { readonly title: Block; readonly rest: readonly Block[] },
  view: TabView,
): Document {
  const { title, rest } = around
  const open = openEvents(events, view)
  /** Lines that open events add before event `index`. */
  const added = (index: number): number => {
    const at = lastAtOrBefore(open.indexes, index - 1)
    return open.indexes.length === 0 || (open.indexes[0] ?? 0) >= index ? 0 : (open.sums[at] ?? 0)
  }
  const startOf = (index: number): number => 1 + index + added(index)
  const blocks: BlockList = {
    count: 1 + events.length + rest.length,
    at(index) {
      if (index === 0) return { block: title, start: 0 }
      const event = events[index - 1]
      if (event !== undefined) {
        return { block: eventBlock(events, index - 1, view), start: startOf(index - 1) }
      }
      const block = rest[index - 1 - events.length]
      return block === undefined ? undefined : { block, start: startOf(events.length) }
    },
    indexAt(line) {
      let low = 0
      let high = events.length + rest.length
      while (low < high) {
        const middle = Math.ceil((low + high) / 2)
        if (startOf(middle - 1) <= line) low = middle
        else high = middle - 1
      }
      return low
    },
    indexOf(id) {
      if (id === title.id) return 0
      const event = /^e(\d+)$/u.exec(id)
      if (event !== null) return Number(event[1]) < events.length ? Number(event[1]) + 1 : -1
      const at = rest.findIndex((block) => block.id === id)
      return at === -1 ? -1 : at + 1 + events.length
    },
  }
  const restHeight = rest.reduce((sum, { height }) => sum + height, 0)
  return { lines: linesOf(blocks, startOf(events.length) + restHeight), blocks, anchor: 0 }
}

interface OpenEvents {
  /** Of the events that are open, rising. */
  readonly indexes: readonly number[]
  /** Lines that these add, up to and with each. */
  readonly sums: readonly number[]
}

function openEvents(events: readonly StreamEvent[], view: TabView): OpenEvents {
  const isAll = allOpen(events, view)
  const indexes = isAll
    ? events.map((_, index) => index).filter((index) => isEventOpen(events, index, view))
    : [...view.folds.toggled]
        .flatMap((id) => (/^e\d+$/u.test(id) ? [Number(id.slice(1))] : []))
        .filter((index) => index < events.length)
        .toSorted((a, b) => a - b)
  let sum = 0
  const sums = indexes.map((index) => (sum += bodyLines(events, index, view).length))
  return { indexes, sums }
}

function allOpen(events: readonly StreamEvent[], { folds }: TabView): boolean {
  return folds.all === 'open' && events.length <= maxAllOpen
}

function isEventOpen(events: readonly StreamEvent[], index: number, view: TabView): boolean {
  return allOpen(events, view) !== view.folds.toggled.has(`e${index}`)
}

function eventBlock(events: readonly StreamEvent[], index: number, view: TabView): Block {
  const open = isEventOpen(events, index, view)
  const body = open ? bodyLines(events, index, view) : []
  const first = (): Line => eventLine(events, index, view.width, open)
  return {
    id: `e${index}`,
    isFoldable: true,
    isOpen: open,
    height: 1 + body.length,
    lines: () => [first(), ...body],
    opened: () => [first(), ...bodyLines(events, index, view)],
    text: () => events[index]?.data ?? '',
  }
}

function titleLine(width: number): Line {
  const columns =
    width < narrow
      ? '  since request'
      : `${'#'.padStart(7)}${'since request'.padStart(15)}${'gap'.padStart(12)}`
  return clipLine([span(`${columns}  event`, 'dim')], width)
}

function eventLine(
  events: readonly StreamEvent[],
  index: number,
  width: number,
  open: boolean,
): Line {
  const event = events[index]
  if (event === undefined) return []
  const { label, data, sinceRequestMs } = event
  const gap = sinceRequestMs - (events[index - 1]?.sinceRequestMs ?? 0)
  const since = `${formatCount(sinceRequestMs)} ms`
  const prefix =
    width < narrow
      ? since.padStart(14)
      : `${formatCount(index).padStart(6)}${since.padStart(15)}${`+${formatGap(gap)}`.padStart(12)}`
  const isNamed = label !== '' && !data.slice(0, 256).includes(`"${label}"`)
  const name = isNamed ? `${safePreview(label, 128)}: ` : ''
  return clipLine(
    [
      span(`${foldMark(open)}${prefix}  `, 'dim'),
      span(name, 'tool'),
      span(open ? '' : safePreview(data, width * 4)),
    ],
    width,
  )
}

function formatGap(ms: number): string {
  return ms < 10 ? `${Math.max(0, ms).toFixed(1)} ms` : `${formatCount(ms)} ms`
}

function bodyLines(events: readonly StreamEvent[], index: number, view: TabView): readonly Line[] {
  const event = events[index]
  if (event === undefined) return []
  const { width, cache } = view
  return cache.lines(event, width, () => textLines(prettyJson(event.data), width))
}
