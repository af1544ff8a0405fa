/** What the status line says of an open row. */
import { formatCount, safeLine, truncateStart } from './format.ts'
import { exportKeys } from './keys/detail.ts'
import type { Line, Span } from './line.ts'
import { clipLine, span, spreadLine } from './line.ts'
import type { ViewerFrame } from './store.ts'
import type { UiState } from './ui.ts'

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

export const detailHints = 'esc back  tab next  / search  x export  ? help'

/** What stands in place of the status while something is asked; undefined where nothing is. */
export function detailPrompt({ detail }: UiState, width: number): Line | undefined {
  const { typing, isExporting } = detail
  if (typing !== undefined) {
    const shown = truncateStart(safeLine(typing.text), Math.max(1, width - 2))
    const keys = typing.before === '' ? '' : `  was ${safeLine(typing.before, 32)}`
    return spreadLine(
      [span('/', 'strong'), span(shown), span('▏', 'strong')],
      [span(`enter search  esc cancel${keys}`, 'dim')],
      width,
    )
  }
  if (!isExporting) return undefined
  const choices = exportKeys.flatMap(({ keys, action, help }) =>
    action === 'quit' ? [] : [span(` ${keys[0] ?? ''} `, 'strong'), span(`${help} `)],
  )
  return clipLine([span('export:', 'heading'), ...choices], width)
}
