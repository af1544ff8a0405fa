/** The first line: what is attached, and the totals of all that was seen. */
import type { ReactElement } from 'react'

import {
  displayWidth,
  formatCount,
  formatSpend,
  formatTokens,
  safeLine,
  truncateEnd,
} from '../format.ts'
import type { Line, Span } from '../line.ts'
import { clipLine, lineWidth, span } from '../line.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface HeaderLineProps {
  readonly frame: ViewerFrame
  readonly title: string
  readonly width: number
  readonly theme: Theme
}

export function HeaderLine({ frame, title, width, theme }: HeaderLineProps): ReactElement {
  return <Lines lines={[headerLine(frame, title, width)]} theme={theme} />
}

function headerLine(frame: ViewerFrame, title: string, width: number): Line {
  const name = span('Porthole', 'bar')
  // What it is about is worth more than the least of the totals.
  const titled = width < 80 ? 0 : Math.min(displayWidth(title) + 1, 20)
  const totals = fittingTotals(frame, width - 'Porthole'.length - 1 - titled)
  const room = width - 'Porthole'.length - lineWidth(totals) - 3
  const { origins } = frame.state
  const count = origins.size > 1 ? ` (${origins.size} proxies)` : ''
  const shown = room >= 6 ? truncateEnd(`${safeLine(title, 256)}${count}`, room) : ''
  const left: Span[] = shown === '' ? [name] : [name, span(` ${shown}`)]
  const gap = Math.max(1, width - lineWidth(left) - lineWidth(totals))
  return clipLine([...left, span(' '.repeat(gap)), ...totals], width)
}

/** As many of the totals as fit; the least telling go first, what was lost goes last. */
function fittingTotals(frame: ViewerFrame, width: number): Line {
  const totals = totalSpans(frame)
  const shown = [...totals]
  for (const least of totals.toSorted((a, b) => a.rank - b.rank)) {
    if (lineWidth(joined(shown)) <= width) break
    shown.splice(shown.indexOf(least), 1)
  }
  return joined(shown)
}

function joined(parts: readonly Total[]): Line {
  return parts.flatMap((part, at) => (at === 0 ? [part.shown] : [divider, part.shown]))
}

interface Total {
  readonly shown: Span
  /** The lowest is left out first where the line is narrow. */
  readonly rank: number
}

function totalSpans({ state, now, spentToday }: ViewerFrame): Total[] {
  const { totals, calls, running, droppedMessages, analyzerFailures } = state
  const parts: Total[] = [
    { shown: span(`${formatCount(calls)} ${calls === 1 ? 'call' : 'calls'}`), rank: 6 },
  ]
  if (running > 0) parts.push({ shown: span(`● ${formatCount(running)}`, 'warn'), rank: 5 })
  const rates = state.rates.perMinute(now)
  if (rates.calls > 0 || rates.tokens > 0) {
    const text = `${formatCount(rates.calls)}/min ${formatTokens(rates.tokens)} tok/min`
    parts.push({ shown: span(text), rank: 1 })
  }
  if (totals.counted) {
    const tokens = `${formatTokens(totals.inputTokens)} in ${formatTokens(totals.outputTokens)} out`
    parts.push({ shown: span(tokens), rank: 2 })
  }
  if (calls > 0) parts.push({ shown: span(formatSpend(totals), 'strong'), rank: 4 })
  // Less than this session has cost: it is behind.
  if (spentToday !== undefined && spentToday.known > 0 && spentToday.usd >= totals.usd) {
    parts.push({ shown: span(`${formatSpend(spentToday)} today`), rank: 3 })
  }
  if (droppedMessages > 0) {
    parts.push({ shown: span(`${formatCount(droppedMessages)} dropped`, 'bad'), rank: 8 })
  }
  if (analyzerFailures > 0) {
    parts.push({ shown: span(`${formatCount(analyzerFailures)} analyzer errors`, 'bad'), rank: 7 })
  }
  return parts
}

const divider = span(' │ ', 'dim')
