/** The last line: where the list stands, what is filtered, how the source is, and the main keys. */
import type { ReactElement } from 'react'

import { formatCount, safeLine, truncateEnd } from '../format.ts'
import type { Line, Span } from '../line.ts'
import { span, spreadLine } from '../line.ts'
import type { ViewerFrame } from '../store.ts'
import { screenParts } from '../store.ts'
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
  if (ui.filterBefore !== undefined) {
    const input = [span('/', 'strong'), span(safeLine(ui.filter, 256)), span('▏', 'strong')]
    return spreadLine(input, [span('enter keep  esc cancel', 'dim')], width)
  }
  // A long status must not push the keys off the line.
  const source = truncateEnd(frame.sourceStatus, Math.floor(width / 3))
  const left =
    ui.screen === 'list' ? listState(frame, source) : detailState(frame, source, { width, height })
  return spreadLine(joined(left), [span(hints(frame), 'dim')], width)
}

function hints({ ui }: ViewerFrame): string {
  if (ui.isHelpShown) return 'esc back  q quit'
  if (ui.screen === 'detail') return 'esc back  tab next  ? help  q quit'
  return 'enter open  / filter  ? help  q quit'
}

function listState(frame: ViewerFrame, source: string): Span[] {
  const { ui, rows, state, hiddenTunnels } = frame
  const parts = [
    ui.isFollowing
      ? span('following', 'good')
      : span(`${formatCount(frame.selectedIndex + 1)}/${formatCount(rows.length)}`),
  ]
  if (source !== '') parts.push(span(source, 'warn'))
  if (ui.filter !== '') parts.push(span(`/${safeLine(ui.filter, 64)}`, 'strong'))
  if (hiddenTunnels > 0) parts.push(span(`${formatCount(hiddenTunnels)} tunnels hidden`, 'dim'))
  if (state.droppedRows > 0) {
    parts.push(span(`${formatCount(state.droppedRows)} older not kept`, 'dim'))
  }
  return parts
}

function detailState(
  frame: ViewerFrame,
  source: string,
  size: { readonly width: number; readonly height: number },
): Span[] {
  const { detailHeight } = screenParts({ columns: size.width, rows: size.height })
  const { document, detailTop, ui } = frame
  const last = Math.min(document.lines.length, detailTop + detailHeight)
  const parts = [
    span(
      `lines ${formatCount(detailTop + 1)}–${formatCount(last)} of ${formatCount(document.lines.length)}`,
    ),
  ]
  if (ui.scroll === 'end') parts.push(span('following', 'good'))
  if (source !== '') parts.push(span(source, 'warn'))
  return parts
}

function joined(parts: readonly Span[]): Line {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [span(' · ', 'dim'), part]))
}
