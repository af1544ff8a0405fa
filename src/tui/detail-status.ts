/** What the status line says of an open row. */
import { formatCount, safeLine } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'

/** `source` is the source's own status, safe and short. */
export function detailStatus({ detail, ui }: ViewerFrame, source: string): Span[] {
  const { note, search } = ui.detail
  const lines = detail?.document.lines.length ?? 0
  const line = lines === 0 ? 0 : (detail?.line ?? 0) + 1
  const parts = [span(`line ${formatCount(line)} of ${formatCount(lines)}`)]
  if (note !== '') parts.unshift(span(safeLine(note, 160), 'strong'))
  if (search !== '') parts.push(span(`/${safeLine(search, 64)}`, 'strong'))
  if (detail?.isFollowing === true) parts.push(span('following', 'good'))
  if (source !== '') parts.push(span(source, 'warn'))
  return parts
}
