/**
 * Which columns a terminal of a given width shows, by what the user chose and by rank: the least
 * useful drop out first, until the preview has room to be read.
 */
import type { Column, ColumnId } from './columns.ts'
import { columnIds, columns, wideFrom } from './columns.ts'
import { fit, truncateEnd } from './format.ts'
import type { Line } from './line.ts'
import { clipLine, span, spreadLine } from './line.ts'
import type { SortOrder } from './sort.ts'

/** What the user chose. A column of neither list is shown where there is room for it. */
export interface ColumnChoice {
  /** Every column once, in the order in which they stand. */
  readonly order: readonly ColumnId[]
  readonly off: readonly ColumnId[]
  /** Shown before all others. */
  readonly pinned: readonly ColumnId[]
}

export const defaultChoice: ColumnChoice = { order: columnIds, off: [], pinned: [] }

export interface Layout {
  readonly width: number
  readonly columns: readonly Column[]
  readonly previewWidth: number
  /** Wanted, but without room. */
  readonly squeezed: readonly Column[]
}

/** Cells before the first column: the selection mark and the state mark. */
export const markWidth = 2
const minPreviewWidth = 16
/** Columns from this rank on are only nice to have: they leave a preview that grows. */
const niceRank = 6

/** `hasAgents` says whether any row names an agent or a program. */
export function layoutFor(
  width: number,
  hasAgents: boolean,
  choice: ColumnChoice = defaultChoice,
): Layout {
  const known = latest
  if (known?.layout.width === width && known.hasAgents === hasAgents && known.choice === choice) {
    return known.layout
  }
  const layout = chooseColumns(width, hasAgents, choice)
  latest = { layout, hasAgents, choice }
  return layout
}

/** Frames follow each other at one width: lines drawn for a layout are found again by its identity. */
let latest:
  | { readonly layout: Layout; readonly hasAgents: boolean; readonly choice: ColumnChoice }
  | undefined

function chooseColumns(width: number, hasAgents: boolean, choice: ColumnChoice): Layout {
  const wanted = choice.order
    .filter((id) => !choice.off.includes(id))
    .filter((id) => hasAgents || id !== 'agent' || choice.pinned.includes(id))
    .map((id) => sizedFor(columns[id], width))
  const rankOf = ({ id, rank }: Column): number => (choice.pinned.includes(id) ? -1 : rank)
  const nicePreview = Math.max(minPreviewWidth, width / (width < 160 ? 3 : 5))
  const chosen = new Set<Column>()
  let used = markWidth
  for (const column of wanted.toSorted((a, b) => rankOf(a) - rankOf(b))) {
    const preview = rankOf(column) >= niceRank ? nicePreview : minPreviewWidth
    if (used + column.width + 1 + preview > width) continue
    chosen.add(column)
    used += column.width + 1
  }
  return {
    width,
    columns: wanted.filter((column) => chosen.has(column)),
    previewWidth: Math.max(0, width - used),
    squeezed: wanted.filter((column) => !chosen.has(column)),
  }
}

function sizedFor(column: Column, width: number): Column {
  return column.wide !== undefined && width >= wideFrom ? { ...column, width: column.wide } : column
}

/** The titles, and what has no room: `→ 3 hidden: ttft, cached, stop`. */
export function headingLine(layout: Layout, order?: SortOrder): Line {
  const { width, squeezed } = layout
  const cells = layout.columns.map((column) =>
    fit(titleOf(column, order), column.width, column.align),
  )
  const columnTitles = `${' '.repeat(markWidth)}${cells.map((cell) => `${cell} `).join('')}`
  for (const title of squeezed.length === 0 ? [] : ['prompt → answer', 'prompt']) {
    const left = `${columnTitles}${title}`
    const hint = hiddenHint(squeezed, width - left.length - 1)
    if (hint !== '') return spreadLine([span(left, 'dim')], [span(hint, 'dim')], width)
  }
  return clipLine([span(`${columnTitles}prompt → answer`, 'dim')], width)
}

/** As long as there is room for; the names go before the number does. */
function hiddenHint(squeezed: readonly Column[], room: number): string {
  const short = `→ ${squeezed.length} hidden`
  if (room < short.length) return room < short.length - 1 ? '' : `→${squeezed.length} hidden`
  const long = `${short}: ${squeezed.map(nameOf).join(', ')}`
  return room < short.length + 8 ? short : truncateEnd(long, room)
}

/** What a column is called where a title may be empty. */
export function nameOf({ id, title }: Column): string {
  return title === '' ? id : title
}

/** `+` and `-` at the title by which the list is sorted, where that is not the order of arrival. */
function titleOf(column: Column, order: SortOrder | undefined): string {
  if (order === undefined || column.sorting !== order.by) return column.title
  if (order.by === 'time' && !order.isReversed) return column.title
  const mark = order.isReversed ? '-' : '+'
  return column.align === 'left' ? `${column.title}${mark}` : `${mark}${column.title}`
}
