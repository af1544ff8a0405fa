/** The last line: where the list stands, what is filtered, how the source is, and the main keys. */
import type { ReactElement } from 'react'

import { detailHints, detailPrompt, detailStatus } from '../detail-status.ts'
import { formatCount, truncateEnd } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { span, spreadLine } from '../line.ts'
import { listStatus } from '../list-status.ts'
import { sessionHints, sessionStatus } from '../session-status.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { typingLine } from '../typing-line.ts'
import { Lines } from './lines.tsx'

export interface StatusLineProps {
  readonly frame: ViewerFrame
  readonly width: number
  readonly theme: Theme
}

export function StatusLine({ frame, width, theme }: StatusLineProps): ReactElement {
  return <Lines lines={[statusLine(frame, width)]} theme={theme} />
}

function statusLine(frame: ViewerFrame, width: number): Line {
  const { ui } = frame
  if (ui.overlay === 'clear') {
    const count = formatCount(frame.list.rows.length)
    return spreadLine(
      [span(`clear the list? ${count} rows`, 'warn')],
      [span('y clear  n keep')],
      width,
    )
  }
  if (ui.overlay === undefined && ui.screen === 'list' && ui.list.typing !== undefined) {
    return typingLine(ui.list.typing, width)
  }
  const asked =
    ui.overlay === undefined && ui.screen === 'detail' ? detailPrompt(ui, width) : undefined
  if (asked !== undefined) return asked
  if (frame.notice !== '') {
    return spreadLine([span(frame.notice, 'warn')], [span(hints(frame), 'dim')], width)
  }
  // A long status must not push the keys off the line.
  const source = truncateEnd(frame.sourceStatus, Math.floor(width / 3))
  const left =
    ui.screen === 'list'
      ? listStatus(frame, source, width - hints(frame).length - 2)
      : ui.screen === 'detail'
        ? detailStatus(frame, source)
        : sessionStatus(frame, source)
  return spreadLine(joined(left), [span(hints(frame), 'dim')], width)
}

function hints({ ui }: ViewerFrame): string {
  if (ui.overlay === 'columns') return 'space show/hide  J K move  D defaults  esc back'
  if (ui.overlay !== undefined) return 'j k scroll  esc back  q quit'
  if (ui.screen === 'detail') return detailHints
  if (ui.screen !== 'list') return sessionHints
  return 'enter open  / filter  ? help  q quit'
}

function joined(parts: readonly Span[]): Line {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [span(' · ', 'dim'), part]))
}
