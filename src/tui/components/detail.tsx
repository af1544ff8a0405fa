/** One row in full: a summary line, the tabs, and the part of the tab that is scrolled to. */
import type { ReactElement } from 'react'

import { statusText, statusTone, tallyOfRow } from '../columns.ts'
import { describeRow } from '../describe-row.ts'
import { formatDuration, formatSpend, formatTime, formatTokens, safeLine } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { clipLine, lineWidth, span } from '../line.ts'
import type { Row } from '../row.ts'
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
  const shown = detail?.document.lines.slice(detail.top, detail.top + height) ?? []
  const content = shown.map((line) => clipLine(line, width))
  while (content.length < height) content.push([])
  const summary = detail === undefined ? [] : summaryLine(detail.row, frame.now, width)
  return <Lines lines={[summary, tabLine(ui.detail.tab, width), ...content]} theme={theme} />
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

function tabLine(current: Tab, width: number): Line {
  return clipLine(
    tabs.flatMap((tab) => [
      tab === current ? span(` ${tab} `, 'selected') : span(` ${tab} `, 'dim'),
      span(' '),
    ]),
    width,
  )
}
