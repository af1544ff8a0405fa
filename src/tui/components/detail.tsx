/** One row in full: a summary line, the tabs, and the part of the tab that is scrolled to. */
import type { ReactElement } from 'react'

import { statusText, statusTone, tallyOfRow } from '../columns.ts'
import { describeRow } from '../describe-row.ts'
import { highlight } from '../find-text.ts'
import { formatDuration, formatSpend, formatTime, formatTokens, safeLine } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { clipLine, lineWidth, span } from '../line.ts'
import type { Row } from '../row.ts'
import type { DetailFrame } from '../screens/detail-frame.ts'
import type { Tab } from '../screens/detail.ts'
import { tabs } from '../screens/detail.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface DetailProps {
  readonly frame: ViewerFrame
  readonly width: number
  /** Rows for the tab's content, without summary and tabs. */
  readonly height: number
  readonly theme: Theme
}

export function Detail({ frame, width, height, theme }: DetailProps): ReactElement {
  const { detail, ui } = frame
  const content = detail === undefined ? [] : contentLines(detail, ui.detail.search, width)
  while (content.length < height) content.push([])
  const summary = detail === undefined ? [] : summaryLine(detail.row, frame.now, width)
  return <Lines lines={[summary, tabLine(ui.detail.tab, width), ...content]} theme={theme} />
}

/** The lines on screen, with the mark of the cursor and the matches of the search. */
function contentLines(
  { document, top, line, height }: DetailFrame,
  search: string,
  width: number,
): Line[] {
  return document.lines.slice(top, top + height).map((content, at) => {
    const found = search === '' ? content : highlight(content, search)
    const mark = top + at === line ? span('›', 'cursor') : span(' ')
    return clipLine([mark, ...found], width)
  })
}

/** What matters most first: what has no room at the end is left out, not cut in the middle. */
function summaryLine(row: Row, now: number, width: number): Line {
  const tally = tallyOfRow(row)
  const tokens = `${formatTokens(tally.inputTokens)} in ${formatTokens(tally.outputTokens)} out`
  const parts = [
    row.kind === 'call'
      ? span(safeLine(row.model ?? '?', 128), 'strong')
      : span(describeRow(row), 'strong'),
    span(statusText(row), statusTone(row)),
    durationSpan(row, now),
    span(tally.counted ? tokens : ''),
    span(tally.known + tally.unknown > 0 ? formatSpend(tally) : '', 'strong'),
    span(row.ttftMs === undefined ? '' : `ttft ${formatDuration(row.ttftMs)}`),
    span(safeLine(`${row.provider ?? ''} ${row.operation ?? ''}`.trim(), 128)),
    span(formatTime(row.startedAt), 'dim'),
  ].filter(({ text }) => text !== '')
  while (parts.length > 1 && lineWidth(joined(parts)) > width) parts.pop()
  return clipLine(joined(parts), width)
}

function joined(parts: readonly Span[]): Line {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [span(' · ', 'dim'), part]))
}

function durationSpan(row: Row, now: number): Span {
  if (row.phase === 'running') {
    return span(`● ${formatDuration(Math.max(0, now - row.startedAt))}`, 'warn')
  }
  return span(row.durationMs === undefined ? '' : formatDuration(row.durationMs))
}

/** Narrow terminals see the tabs around the current one. */
function tabLine(current: Tab, width: number): Line {
  const names = tabs.map((tab, at) => ({ tab, text: ` ${at + 1} ${tab} ` }))
  const whole = names.reduce((sum, { text }) => sum + text.length, 0)
  const shown = whole <= width ? names : names.map(({ tab }) => ({ tab, text: ` ${tab} ` }))
  const spans = shown.map(({ tab, text }) => span(text, tab === current ? 'selected' : 'dim'))
  const from = tabs.indexOf(current)
  // Those before it go, until what is left of the line has room for it.
  for (let first = 0; first < from; first += 1) {
    const upTo = lineWidth(spans.slice(first, from + 1))
    if (upTo <= width) return clipLine(spans.slice(first), width)
  }
  return clipLine(spans.slice(from), width)
}
