/** What the status line says of the sessions. */
import { formatCount } from './format.ts'
import type { Span } from './line.ts'
import { span } from './line.ts'
import type { ViewerFrame } from './store.ts'

export const sessionHints = 'enter open  S calls  esc back  ? help'

/** `source` is the source's own status, safe and short. */
export function sessionStatus({ ui, sessions, session }: ViewerFrame, source: string): Span[] {
  const shown = session ?? sessions
  const { pick } = ui.screen === 'session' ? ui.session : ui.sessions
  const count = shown?.keys.length ?? 0
  const one = ui.screen === 'session' ? 'line' : 'session'
  const noun = count === 1 ? one : `${one}s`
  const parts = pick.isFollowing
    ? [span('following', 'good'), span(`${formatCount(count)} ${noun}`)]
    : [span(`${formatCount((shown?.index ?? -1) + 1)} of ${formatCount(count)} ${noun}`)]
  const dropped = sessions?.dropped ?? 0
  if (dropped > 0) parts.push(span(`${formatCount(dropped)} older not kept`, 'dim'))
  if (source !== '') parts.push(span(source, 'warn'))
  return parts
}
