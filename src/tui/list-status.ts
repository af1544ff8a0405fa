/** What the status line says of the list. */
import { formatCount, safeLine } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'

/** `source` is the source's own status, safe and short. */
export function listStatus(frame: ViewerFrame, source: string): Span[] {
  const { ui, list, state } = frame
  const { rows, selectedIndex, hiddenTunnels } = list
  const parts = [
    ui.list.isFollowing
      ? span('following', 'good')
      : span(`${formatCount(selectedIndex + 1)}/${formatCount(rows.length)}`),
  ]
  if (source !== '') parts.push(span(source, 'warn'))
  if (ui.list.filter !== '') parts.push(span(`/${safeLine(ui.list.filter, 64)}`, 'strong'))
  if (hiddenTunnels > 0) parts.push(span(`${formatCount(hiddenTunnels)} tunnels hidden`, 'dim'))
  if (state.droppedRows > 0) {
    parts.push(span(`${formatCount(state.droppedRows)} older not kept`, 'dim'))
  }
  return parts
}
