/** What the status line says of an open row. */
import { formatCount } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'
import { screenParts } from './store.ts'

/** `source` is the source's own status, safe and short. */
export function detailStatus(
  frame: ViewerFrame,
  source: string,
  size: { readonly width: number; readonly height: number },
): Span[] {
  const { detailHeight } = screenParts({ columns: size.width, rows: size.height })
  const { detail, ui } = frame
  const lines = detail?.document.lines.length ?? 0
  const top = detail?.top ?? 0
  const last = Math.min(lines, top + detailHeight)
  const parts = [
    span(`lines ${formatCount(top + 1)}–${formatCount(last)} of ${formatCount(lines)}`),
  ]
  if (ui.detail.scroll === 'end') parts.push(span('following', 'good'))
  if (source !== '') parts.push(span(source, 'warn'))
  return parts
}
