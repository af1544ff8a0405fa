/** What the status line says of the list. */
import { displayWidth, formatCount, safeLine, truncateEnd } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'

/** Cells between two parts. */
const divider = 3

/** `source` is the source's own status, safe and short; `room` is what the line has for all of it. */
export function listStatus(frame: ViewerFrame, source: string, room: number): Span[] {
  const { ui, list, state } = frame
  const { rows, selectedIndex, hiddenTunnels } = list
  const { filter, marked, isMarkedOnly, order } = ui.list
  const parts = [
    ui.list.isFollowing
      ? span('following', 'good')
      : span(`${formatCount(selectedIndex + 1)}/${formatCount(rows.length)}`),
  ]
  if (source !== '') parts.push(span(source, 'warn'))
  if (filter !== '') parts.push(span(`/${safeLine(filter, 64)}`, 'strong'))
  if (order.by !== 'time' || order.isReversed) {
    parts.push(span(`by ${order.by}${order.isReversed ? ' down' : ''}`))
  }
  if (isMarkedOnly) parts.push(span('only marked', 'strong'))
  else if (marked.size > 0) parts.push(span(`${formatCount(marked.size)} marked`))
  if (hiddenTunnels > 0) parts.push(span(`${formatCount(hiddenTunnels)} tunnels hidden`, 'dim'))
  if (state.droppedRows > 0) {
    parts.push(span(`${formatCount(state.droppedRows)} older not kept`, 'dim'))
  }
  const { verdict } = frame
  // Rows without a call among them: what stands between the program and a call.
  if (verdict !== undefined && state.rows.length > 0 && verdict.step !== 'streaming') {
    const fix = verdict.fix === '' ? '' : `: ${verdict.fix}`
    const used = parts.reduce((sum, { text }) => sum + displayWidth(text) + divider, 0)
    const text = truncateEnd(`no call yet: ${verdict.text}${fix}`, Math.max(0, room - used))
    if (text !== '') parts.push(span(text, 'warn'))
  }
  return parts
}
