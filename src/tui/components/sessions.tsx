/** The table of sessions, and the calls of the one that is open. */
import type { ReactElement } from 'react'

import { formatCount } from '../format.ts'
import type { Line } from '../line.ts'
import { clipLine, span } from '../line.ts'
import type { SessionFrame, SessionsFrame } from '../screens/sessions-frame.ts'
import { sessionItemLine } from '../session-item-line.ts'
import { sessionHeading, sessionLayout, sessionLine, sessionSummary } from '../session-line.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface SessionsProps {
  readonly frame: SessionsFrame
  readonly width: number
  readonly theme: Theme
}

export function Sessions({ frame, width, theme }: SessionsProps): ReactElement {
  const layout = sessionLayout(width)
  const { sessions, index, top, height, dropped } = frame
  const lines = sessions
    .slice(top, top + height)
    .map((session, at) => sessionLine(session, layout, top + at === index))
  if (sessions.length === 0) lines.push(...nothingLines(dropped, width))
  return <Lines lines={[sessionHeading(layout), ...padded(lines, height)]} theme={theme} />
}

export interface SessionProps {
  readonly frame: SessionFrame
  readonly width: number
  readonly theme: Theme
}

export function SessionCalls({ frame, width, theme }: SessionProps): ReactElement {
  const { session, items, index, top, height, folded } = frame
  const lines = items.slice(top, top + height).map((item, at) =>
    sessionItemLine(item, {
      width,
      isSelected: top + at === index,
      isFolded: item.kind === 'lane' && folded.has(item.branch.id),
    }),
  )
  const gone = session.calls - session.kept.size
  if (items.length === 0) {
    const text = `  ${formatCount(gone)} calls, none of them kept any more; the capture has them`
    lines.push(clipLine([span(text, 'dim')], width))
  }
  return <Lines lines={[...sessionSummary(session, width), ...padded(lines, height)]} theme={theme} />
}

function nothingLines(dropped: number, width: number): Line[] {
  const text =
    dropped > 0
      ? '  no sessions are kept any more'
      : '  no sessions yet: a call belongs to one as soon as its answer has ended'
  return [clipLine([span(text, 'dim')], width)]
}

function padded(lines: readonly Line[], height: number): Line[] {
  const whole = lines.slice(0, height)
  while (whole.length < height) whole.push([])
  return whole
}
