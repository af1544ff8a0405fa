/** One row in full: a summary line, the tabs, and the part of the tab that is scrolled to. */
import type { ReactElement } from 'react'

import { describeRow, statusText, statusTone, tallyOfRow } from '../columns.ts'
import { formatDuration, formatSpend, formatTime, formatTokens, safeLine } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { clipLine, span } from '../line.ts'
import type { Row } from '../row.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import type { Tab } from '../ui.ts'
import { tabs } from '../ui.ts'
import { Lines } from './lines.tsx'

export interface DetailProps {
  readonly frame: ViewerFrame
  readonly width: number
  /** Rows for the tab's content, without summary and tabs. */
  readonly height: number
  readonly theme: Theme
}

export function Detail({ frame, width, height, theme }: DetailProps): ReactElement {
  const { selected, document, detailTop, ui } = frame
  const content = document.lines
    .slice(detailTop, detailTop + height)
    .map((line) => clipLine(line, width))
  while (content.length < height) content.push([])
  const summary = selected === undefined ? [] : summaryLine(selected, frame.now, width)
  return <Lines lines={[summary, tabLine(ui.tab, width), ...content]} theme={theme} />
}

function summaryLine(row: Row, now: number, width: number): Line {
  const parts: Span[] = [span(formatTime(row.startedAt), 'dim'), ...nameSpans(row)]
  parts.push(span(statusText(row), statusTone(row)))
  if (row.phase === 'running') {
    parts.push(span(`● ${formatDuration(Math.max(0, now - row.startedAt))}`, 'warn'))
  } else if (row.durationMs !== undefined) parts.push(span(formatDuration(row.durationMs)))
  if (row.ttftMs !== undefined) parts.push(span(`ttft ${formatDuration(row.ttftMs)}`))
  const tally = tallyOfRow(row)
  if (tally.counted) {
    parts.push(
      span(`${formatTokens(tally.inputTokens)} in ${formatTokens(tally.outputTokens)} out`),
    )
  }
  if (tally.known + tally.unknown > 0) parts.push(span(formatSpend(tally), 'strong'))
  const shown = parts.filter(({ text }) => text !== '')
  return clipLine(
    shown.flatMap((part, at) => (at === 0 ? [part] : [span(' · ', 'dim'), part])),
    width,
  )
}

function nameSpans(row: Row): Span[] {
  if (row.kind !== 'call') return [span(describeRow(row), 'strong')]
  return [
    span(safeLine(row.model ?? '?', 128), 'strong'),
    span(`${safeLine(row.provider ?? '', 64)} ${safeLine(row.operation ?? '', 64)}`.trim()),
  ]
}

function tabLine(current: Tab, width: number): Line {
  return clipLine(
    tabs.flatMap((tab) => [
      tab === current ? span(` ${tab} `, 'selected') : span(` ${tab} `, 'dim'),
      span(' '),
    ]),
    width,
  )
}
