/** What the status line says of the list. */
import { displayWidth, formatCount, safeLine, truncateEnd } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'

/** Cells between two parts. */
const divider = 3

/** `source` is the source's own status, safe and short; `room` is what the line has for all of it. */
export function listStatus(frame: ViewerFrame, source: string, room: number): Span[] {
  const { ui, list } = frame
  const place = ui.list.isFollowing
    ? span('following', 'good')
    : span(`${formatCount(list.selectedIndex + 1)}/${formatCount(list.rows.length)}`)
  const parts = [place, ...(source === '' ? [] : [span(source, 'warn')]), ...shownParts(frame)]
  const used = parts.reduce((sum, { text }) => sum + displayWidth(text) + divider, 0)
  const why = truncateEnd(noCallYet(frame), Math.max(0, room - used))
  return why === '' ? parts : [...parts, span(why, 'warn')]
}

/** What is shown, and what is not. */
function shownParts({ ui, list, state }: ViewerFrame): Span[] {
  const { filter, marked, isMarkedOnly, order } = ui.list
  const { skippedTexts, hiddenTunnels } = list
  const { droppedRows } = state
  const isSorted = order.by !== 'time' || order.isReversed
  const marks = isMarkedOnly ? 'only marked' : `${formatCount(marked.size)} marked`
  return [
    span(filter === '' ? '' : `/${safeLine(filter, 64)}`, 'strong'),
    span(skippedTexts === 0 ? '' : `gave up on ${formatCount(skippedTexts)} texts`, 'warn'),
    span(isSorted ? `by ${order.by}${order.isReversed ? ' down' : ''}` : ''),
    span(marked.size === 0 ? '' : marks),
    span(hiddenTunnels === 0 ? '' : `${formatCount(hiddenTunnels)} tunnels hidden`, 'dim'),
    span(droppedRows === 0 ? '' : `${formatCount(droppedRows)} older not kept`, 'dim'),
  ].filter(({ text }) => text !== '')
}

/** Where there are rows without a call among them: what stands between the program and a call. */
function noCallYet({ verdict, state }: ViewerFrame): string {
  if (verdict === undefined || state.rows.length === 0 || verdict.step === 'streaming') return ''
  return `no call yet: ${verdict.text}${verdict.fix === '' ? '' : `: ${verdict.fix}`}`
}
