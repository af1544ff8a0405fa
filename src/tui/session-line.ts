/** A session as a line of a table, and as the summary over its calls. */
import {
  fit,
  formatCount,
  formatPlural,
  formatSpend,
  formatSpendShort,
  formatTime,
  formatTokens,
  safeLine,
  truncateEnd,
} from './format.ts'
import type { Line, Span, Tone } from './line.ts'
import { clipLine, fillLine, mergeSpans, span } from './line.ts'
import type { NameCounts, Session } from './sessions.ts'
import { cacheRate, topNames } from './sessions.ts'

interface Column {
  readonly title: string
  readonly width: number
  readonly align: 'left' | 'right'
  /** Columns of a higher rank are shown only where all lower ones fit. */
  readonly rank: number
  readonly cell: (session: Session) => { readonly text: string; readonly tone: Tone }
}

const plain = (text: string): { text: string; tone: Tone } => ({ text, tone: 'plain' })

const columns: readonly Column[] = [
  {
    title: 'began',
    width: 8,
    align: 'left',
    rank: 3,
    cell: ({ firstAt }) => ({ text: formatTime(firstAt), tone: 'dim' }),
  },
  {
    title: 'last',
    width: 8,
    align: 'left',
    rank: 7,
    cell: ({ lastAt }) => ({ text: formatTime(lastAt), tone: 'dim' }),
  },
  {
    title: 'agent',
    width: 14,
    align: 'left',
    rank: 6,
    cell: ({ agents }) => plain(namesText(agents, 1)),
  },
  {
    title: 'model',
    width: 17,
    align: 'left',
    rank: 1,
    cell: ({ models }) => ({ text: namesText(models, 1), tone: 'strong' }),
  },
  {
    title: 'calls',
    width: 5,
    align: 'right',
    rank: 0,
    cell: ({ calls }) => plain(formatTokens(calls)),
  },
  {
    title: 'turns',
    width: 5,
    align: 'right',
    rank: 4,
    cell: ({ turns }) => plain(formatTokens(turns)),
  },
  {
    title: 'in',
    width: 5,
    align: 'right',
    rank: 4,
    cell: ({ tally }) => plain(tally.counted ? formatTokens(tally.inputTokens) : ''),
  },
  {
    title: 'cached',
    width: 6,
    align: 'right',
    rank: 5,
    cell: ({ tally }) => plain(percent(cacheRate(tally))),
  },
  {
    title: 'out',
    width: 5,
    align: 'right',
    rank: 4,
    cell: ({ tally }) => plain(tally.counted ? formatTokens(tally.outputTokens) : ''),
  },
  {
    title: 'cost',
    width: 9,
    align: 'right',
    rank: 2,
    cell: ({ tally }) => ({
      text: formatSpendShort(tally),
      tone: tally.unknown > 0 ? 'warn' : 'plain',
    }),
  },
  {
    title: 'err',
    width: 4,
    align: 'right',
    rank: 5,
    cell: ({ errors }) => ({ text: errors === 0 ? '' : formatTokens(errors), tone: 'bad' }),
  },
]

const markWidth = 2
/** Cells that the names of tools need to say anything. */
const minTools = 14

export interface SessionLayout {
  readonly width: number
  readonly columns: readonly Column[]
  readonly toolsWidth: number
}

export function sessionLayout(width: number): SessionLayout {
  const chosen = new Set<Column>()
  let used = markWidth
  for (const column of columns.toSorted((a, b) => a.rank - b.rank)) {
    const reserved = column.rank >= 7 ? minTools : 0
    if (used + column.width + 1 + reserved > width) continue
    chosen.add(column)
    used += column.width + 1
  }
  const toolsWidth = width - used
  return {
    width,
    columns: columns.filter((column) => chosen.has(column)),
    toolsWidth: toolsWidth < minTools ? 0 : toolsWidth,
  }
}

export function sessionHeading(layout: SessionLayout): Line {
  const cells = layout.columns.map(({ title, width, align }) => fit(title, width, align))
  const tools = layout.toolsWidth === 0 ? [] : ['tools']
  return clipLine([span('  ' + [...cells, ...tools].join(' '), 'dim')], layout.width)
}

export function sessionLine(session: Session, layout: SessionLayout, isSelected: boolean): Line {
  const spans: Span[] = [
    span(isSelected ? '›' : ' ', 'strong'),
    span(session.errors > 0 ? '✗' : ' ', 'bad'),
  ]
  for (const { cell, width, align } of layout.columns) {
    const { text, tone } = cell(session)
    spans.push(span(`${fit(text, width, align)} `, tone))
  }
  if (layout.toolsWidth > 0) {
    spans.push(span(truncateEnd(namesText(session.tools, 12), layout.toolsWidth), 'tool'))
  }
  if (!isSelected) return clipLine(mergeSpans(spans), layout.width)
  const whole = spans.map(({ text }) => text).join('')
  return fillLine([span(whole, 'selected')], layout.width, 'selected')
}

/** Lines of `sessionSummary`. */
export const summaryHeight = 3

/** What the session adds up to. */
export function sessionSummary(session: Session, width: number): Line[] {
  const { tally, errors, tools } = session
  const rate = cacheRate(tally)
  const spent = tally.known + tally.unknown > 0 ? formatSpend(tally) : ''
  const counts = [
    formatPlural(session.calls, 'call'),
    formatPlural(session.turns, 'turn'),
    tally.counted ? `${formatTokens(tally.inputTokens - tally.cachedTokens)} fresh` : '',
    tally.counted ? `${formatTokens(tally.cachedTokens)} cached` : '',
    tally.counted ? `${formatTokens(tally.outputTokens)} out` : '',
    rate === undefined ? '' : `cache rate ${percent(rate)}`,
    spent,
    errors === 0 ? '' : `✗ ${formatCount(errors)} failed`,
  ]
  const lanes = [...session.branches.values()].filter(({ kind }) => kind === 'sub-agent').length
  const used = tools.size === 0 ? 'no tools called' : `tools ${namesText(tools, 24)}`
  const below = lanes === 0 ? '' : formatPlural(lanes, 'sub-agent')
  return [
    clipLine(
      joined(
        [namesText(session.agents, 4), namesText(session.models, 6), nameOf(session)],
        'strong',
      ),
      width,
    ),
    clipLine(
      joined([`${formatTime(session.firstAt)}–${formatTime(session.lastAt)}`, ...counts]),
      width,
    ),
    clipLine(joined([below, used], 'dim'), width),
  ]
}

function joined(words: readonly string[], tone: Tone = 'plain'): Line {
  return [span(words.filter((word) => word !== '').join(' · '), tone)]
}

/** The client's own name of it, else ours. */
function nameOf({ id, clientId }: Session): string {
  return `session ${safeLine(clientId ?? id, 64)}`
}

/** `Bash ×12 Read ×3 Write`. */
function namesText(counts: NameCounts, most: number): string {
  const rest = counts.size - most
  const names = topNames(counts, most).map(([name, count]) =>
    most === 1 || count === 1 ? safeLine(name, 64) : `${safeLine(name, 64)} ×${formatCount(count)}`,
  )
  return `${names.join(' ')}${rest > 0 ? ` +${formatCount(rest)}` : ''}`
}

function percent(share: number | undefined): string {
  return share === undefined ? '' : `${Math.round(share * 100)}%`
}
