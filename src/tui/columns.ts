/**
 * The columns of the list: which of them a terminal of a given width shows, and what a row says in
 * each. Columns drop out by rank, least useful first, until the preview has room to be read.
 */
import { describeRow } from './describe-row.ts'
import {
  displayWidth,
  fit,
  formatDuration,
  formatSpendShort,
  formatTime,
  formatTokens,
  safeLine,
  safePreview,
  truncateEnd,
  truncateStart,
} from './format.ts'
import type { Line, Span, Tone } from './line.ts'
import { clipLine, fillLine, mergeSpans, span } from './line.ts'
import type { Row, Tally } from './row.ts'
import { addTallies } from './row.ts'

interface Cell {
  readonly text: string
  readonly tone: Tone
}

interface Column {
  readonly title: string
  readonly width: number
  readonly align: 'left' | 'right'
  /** Columns of a higher rank are shown only where all lower ones fit. */
  readonly rank: number
  /** Left out by rows that are not model calls; their preview runs over it. */
  readonly callOnly?: boolean
  readonly cell: (row: Row, look: RowLook) => Cell
}

const plain = (text: string): Cell => ({ text, tone: 'plain' })
const dim = (text: string): Cell => ({ text, tone: 'dim' })

const agentColumn: Column = {
  title: 'agent',
  width: 10,
  align: 'left',
  rank: 9,
  cell: (row) => plain(safeLine(row.agent ?? '', 64)),
}
const modelColumn: Column = {
  title: 'model',
  width: 17,
  align: 'left',
  rank: 1,
  cell: (row) =>
    row.kind === 'call' ? { text: shortModel(row.model ?? '?'), tone: 'strong' } : dim(row.kind),
}
/** Long model names get more room where there is plenty. */
const wideModelColumn: Column = { ...modelColumn, width: 28 }

const columns: readonly Column[] = [
  {
    title: 'time',
    width: 8,
    align: 'left',
    rank: 3,
    cell: (row) => dim(formatTime(row.startedAt)),
  },
  agentColumn,
  {
    title: 'provider',
    width: 9,
    align: 'left',
    rank: 7,
    cell: (row) => plain(safeLine(row.provider ?? '', 64)),
  },
  modelColumn,
  {
    title: 'stat',
    width: 4,
    align: 'right',
    rank: 0,
    cell: (row) => ({ text: statusText(row), tone: statusTone(row) }),
  },
  {
    title: 'ttft',
    width: 6,
    align: 'right',
    rank: 6,
    cell: (row) => plain(durationText(row.ttftMs)),
  },
  {
    title: 'dur',
    width: 6,
    align: 'right',
    rank: 2,
    cell: (row, look) =>
      row.phase === 'running'
        ? { text: formatDuration(look.elapsedMs), tone: 'warn' }
        : plain(durationText(row.durationMs)),
  },
  {
    title: 'in',
    width: 5,
    align: 'right',
    rank: 5,
    callOnly: true,
    cell: (row) => plain(tokensText(row, 'inputTokens')),
  },
  {
    title: 'out',
    width: 5,
    align: 'right',
    rank: 4,
    callOnly: true,
    cell: (row) => plain(tokensText(row, 'outputTokens')),
  },
  {
    title: 'tok/s',
    width: 5,
    align: 'right',
    rank: 8,
    callOnly: true,
    cell: (row) => dim(row.tokensPerSecond?.toFixed(0) ?? ''),
  },
  {
    title: 'cost',
    width: 8,
    align: 'right',
    rank: 4,
    callOnly: true,
    cell: (row) => {
      const tally = tallyOfRow(row)
      return { text: formatSpendShort(tally), tone: tally.unknown > 0 ? 'warn' : 'plain' }
    },
  },
  {
    title: 'stop',
    width: 10,
    align: 'left',
    rank: 10,
    callOnly: true,
    cell: (row) => dim(safeLine(row.finishReason ?? '', 64)),
  },
]

/** Cells before the first column: the selection mark and the state mark. */
const markWidth = 2
const minPreviewWidth = 16
export interface Layout {
  readonly width: number
  readonly hasAgents: boolean
  readonly columns: readonly Column[]
  readonly previewWidth: number
}

/** The columns that `width` cells have room for; `hasAgents` says whether any row names an agent. */
export function layoutFor(width: number, hasAgents: boolean): Layout {
  if (latestLayout?.width === width && latestLayout.hasAgents === hasAgents) return latestLayout
  latestLayout = chooseColumns(width, hasAgents)
  return latestLayout
}

/** Frames follow each other at one width: lines drawn for a layout are found again by its identity. */
let latestLayout: Layout | undefined

function chooseColumns(width: number, hasAgents: boolean): Layout {
  const candidates = columns
    .filter((column) => hasAgents || column !== agentColumn)
    .map((column) => (column === modelColumn && width >= 140 ? wideModelColumn : column))
  const chosen = new Set<Column>()
  let used = markWidth
  for (const column of candidates.toSorted((a, b) => a.rank - b.rank)) {
    // Columns that are only nice to have must leave a preview that grows with the terminal.
    const preview = column.rank >= 6 ? Math.max(minPreviewWidth, width / 3) : minPreviewWidth
    if (used + column.width + 1 + preview > width) break
    chosen.add(column)
    used += column.width + 1
  }
  return {
    width,
    hasAgents,
    columns: candidates.filter((column) => chosen.has(column)),
    previewWidth: Math.max(0, width - used),
  }
}

export function headingLine(layout: Layout): Line {
  const cells = layout.columns.map(({ title, width, align }) => fit(title, width, align))
  return clipLine(
    [span(`${' '.repeat(markWidth)}${[...cells, 'prompt → answer'].join(' ')}`, 'dim')],
    layout.width,
  )
}

export interface RowLook {
  readonly isSelected: boolean
  /** Milliseconds since the row started, shown while it runs. */
  readonly elapsedMs: number
}

/** The line of a row. The same line object as before, unless something on it changed. */
export function rowLine(row: Row, layout: Layout, look: RowLook): Line {
  const elapsed = row.phase === 'running' ? formatDuration(look.elapsedMs) : ''
  const key = `${row.version} ${look.isSelected ? 'selected' : ''} ${elapsed}`
  const known = drawn.get(row)
  if (known?.key === key && known.layout === layout) return known.line
  const line = drawRow(row, layout, look)
  drawn.set(row, { key, layout, line })
  return line
}

/** A frame redraws few of its rows: most of its cost would be lines that did not change. */
const drawn = new WeakMap<
  Row,
  { readonly key: string; readonly layout: Layout; readonly line: Line }
>()

function drawRow(row: Row, layout: Layout, look: RowLook): Line {
  const spans: Span[] = [
    span(look.isSelected ? '›' : ' ', 'strong'),
    span(stateMark(row), toneOf(row)),
  ]
  const isCall = row.kind === 'call'
  let freed = 0
  for (const column of layout.columns) {
    if (column.callOnly === true && !isCall) {
      freed += column.width + 1
      continue
    }
    const cell = column.cell(row, look)
    spans.push(span(`${fit(cell.text, column.width, column.align)} `, cell.tone))
  }
  spans.push(...previewSpans(row, layout.previewWidth + freed))
  if (!look.isSelected) return clipLine(mergeSpans(spans), layout.width)
  const whole = spans.map(({ text }) => text).join('')
  return fillLine([span(whole, 'selected')], layout.width, 'selected')
}

function stateMark(row: Row): string {
  if (row.phase === 'running') return '●'
  return row.phase === 'failed' ? '✗' : ' '
}

function toneOf(row: Row): Tone {
  if (row.phase === 'failed') return 'bad'
  return row.phase === 'running' ? 'warn' : 'plain'
}

export function tallyOfRow(row: Row): Tally {
  return addTallies(row.settled, row.current)
}

/** `…` before there is an answer, `ERR` where there will be none. */
export function statusText(row: Row): string {
  if (row.kind === 'tunnel') return row.phase === 'running' ? 'open' : ''
  if (row.status !== undefined) return String(row.status)
  if (row.phase === 'failed') return 'ERR'
  return row.phase === 'running' ? '…' : '?'
}

export function statusTone(row: Row): Tone {
  if (row.phase === 'failed' || (row.status ?? 0) >= 400) return 'bad'
  if (row.status === undefined) return 'dim'
  return row.status < 300 ? 'good' : 'warn'
}

function durationText(ms: number | undefined): string {
  return ms === undefined ? '' : formatDuration(ms)
}

function tokensText(row: Row, bucket: 'inputTokens' | 'outputTokens'): string {
  const tally = tallyOfRow(row)
  return tally.counted ? formatTokens(tally[bucket]) : ''
}

/** Without the date that some providers append: the call's own page shows it all. */
function shortModel(model: string): string {
  return safeLine(model.replace(/-(?:20\d{6}|20\d\d-\d\d-\d\d)$/u, ''), 128)
}

function previewSpans(row: Row, width: number): Span[] {
  if (width <= 0) return []
  if (row.kind !== 'call') {
    return [span(truncateEnd(describeRow(row), width), row.phase === 'failed' ? 'bad' : 'dim')]
  }
  if (row.phase === 'failed' && row.problem !== undefined) {
    return [span(truncateEnd(safePreview(row.problem), width), 'bad')]
  }
  const mark = branchMark(row)
  return [span(mark, 'dim'), ...promptAndAnswer(row, width - mark.length)]
}

/** Calls beside the main line of a conversation, once that is known. */
function branchMark({ branch }: Row): string {
  if (branch === 'sub-agent') return '↳ '
  return branch === 'side' ? '· ' : ''
}

const arrow = ' → '

function promptAndAnswer(row: Row, width: number): Span[] {
  const prompt = safePreview(row.prompt)
  // Only the end of a running answer moves.
  const isLive = row.phase === 'running'
  const answer = safePreview(isLive ? liveTail(row) : row.answer)
  if (answer === '') return [span(truncateEnd(prompt, width))]
  const cut = isLive ? truncateStart : truncateEnd
  const tone: Tone = isLive ? 'warn' : 'assistant'
  if (width < 28 || prompt === '') return [span(cut(answer, width), tone)]
  const room = width - arrow.length
  const answerWidth = displayWidth(answer)
  const shownPrompt = truncateEnd(prompt, Math.max(Math.floor(room * 0.45), room - answerWidth))
  return [
    span(shownPrompt),
    span(arrow, 'dim'),
    span(cut(answer, room - displayWidth(shownPrompt)), tone),
  ]
}

/** The newest words of a running answer, or the tool whose arguments are being written. */
function liveTail(row: Row): string {
  const last = row.detail?.live.at(-1)
  if (last === undefined) return row.answer.slice(-1024)
  return last.name === undefined ? last.text.slice(-1024) : `⚙ ${last.name}`
}
