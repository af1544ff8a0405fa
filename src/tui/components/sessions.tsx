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
  readonly frame: SessionsFrame | undefined
  readonly width: number
  /** Rows under the titles of the columns. */
  readonly height: number
  readonly theme: Theme
}

export function Sessions({ frame, width, height, theme }: SessionsProps): ReactElement {
  const layout = sessionLayout(width)
  const { sessions = [], index = 0, top = 0, dropped = 0 } = frame ?? {}
  const lines = sessions
    .slice(top, top + height)
    .map((session, at) => sessionLine(session, layout, top + at === index))
  if (sessions.length === 0) lines.push(...nothingLines(dropped, width))
  return <Lines lines={[sessionHeading(layout), ...padded(lines, height)]} theme={theme} />
}

export interface SessionProps {
  readonly frame: SessionFrame | undefined
  readonly width: number
  /** Rows of the summary and the calls, less one. */
  readonly height: number
  readonly theme: Theme
}

export function SessionCalls({ frame, width, height, theme }: SessionProps): ReactElement {
  if (frame === undefined) {
    const text = '  this session is not kept any more; the capture has it'
    return <Lines lines={padded([[span(text, 'dim')]], height + 1)} theme={theme} />
  }
  const { session, items, index, top, folded } = frame
  const lines = items.slice(top, top + frame.height).map((item, at) =>
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
  return (
    <Lines
      lines={[...sessionSummary(session, width), ...padded(lines, frame.height)]}
      theme={theme}
    />
  )
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
