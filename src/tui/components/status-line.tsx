/** The last line: where the list stands, what is filtered, how the source is, and the main keys. */
import type { ReactElement } from 'react'

import { detailStatus } from '../detail-status.ts'
import { safeLine, truncateEnd } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { span, spreadLine } from '../line.ts'
import { listStatus } from '../list-status.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface StatusLineProps {
  readonly frame: ViewerFrame
  readonly width: number
  readonly height: number
  readonly theme: Theme
}

export function StatusLine({ frame, width, height, theme }: StatusLineProps): ReactElement {
  return <Lines lines={[statusLine(frame, width, height)]} theme={theme} />
}

function statusLine(frame: ViewerFrame, width: number, height: number): Line {
  const { ui } = frame
  if (ui.screen === 'list' && ui.list.typing !== undefined) {
    const input = [
      span('/', 'strong'),
      span(safeLine(ui.list.typing.text, 256)),
      span('▏', 'strong'),
    ]
    return spreadLine(input, [span('enter keep  esc cancel', 'dim')], width)
  }
  // A long status must not push the keys off the line.
  const source = truncateEnd(frame.sourceStatus, Math.floor(width / 3))
  const left =
    ui.screen === 'list'
      ? listStatus(frame, source)
      : detailStatus(frame, source, { width, height })
  return spreadLine(joined(left), [span(hints(frame), 'dim')], width)
}

function hints({ ui }: ViewerFrame): string {
  if (ui.overlay !== undefined) return 'esc back  q quit'
  if (ui.screen === 'detail') return 'esc back  tab next  ? help  q quit'
  return 'enter open  / filter  ? help  q quit'
}

function joined(parts: readonly Span[]): Line {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [span(' · ', 'dim'), part]))
}
