/** The list of rows under its column titles; only the rows on screen are made. */
import type { ReactElement } from 'react'

import { safeLine } from '../format.ts'
import { headingLine } from '../layout.ts'
import type { Line } from '../line.ts'
import { clipLine, span } from '../line.ts'
import { rowLine } from '../row-line.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { wrapText } from '../wrap.ts'
import { Lines } from './lines.tsx'

export interface ListProps {
  readonly frame: ViewerFrame
  readonly width: number
  /** Rows for the list, without its titles. */
  readonly height: number
  readonly theme: Theme
}

export function List({ frame, width, height, theme }: ListProps): ReactElement {
  return <Lines lines={listLines(frame, width, height)} theme={theme} />
}

function listLines(frame: ViewerFrame, width: number, height: number): Line[] {
  const { top, selectedIndex, layout, rows } = frame.list
  const { marked, order } = frame.ui.list
  const lines = rows.slice(top, top + height).map((row, at) =>
    rowLine(row, layout, {
      isSelected: top + at === selectedIndex,
      isMarked: marked.has(row.id),
      elapsedMs: Math.max(0, frame.now - row.startedAt),
    }),
  )
  if (lines.length === 0) lines.push(...emptyLines(frame, width).slice(0, height))
  while (lines.length < height) lines.push([])
  return [headingLine(layout, order), ...lines]
}

/** Why there is nothing, and what to do about it. */
function emptyLines(frame: ViewerFrame, width: number): Line[] {
  const { state, ui, verdict } = frame
  const { filter, isMarkedOnly } = ui.list
  const says = (text: string): Line[] => [clipLine([span(`  ${text}`, 'dim')], width)]
  if (state.rows.length > 0) {
    if (filter !== '') {
      return says(`nothing matches "${safeLine(filter, 64)}"; esc clears the filter`)
    }
    return says(
      isMarkedOnly ? 'no row is marked; M shows all' : 'only tunnels so far; t shows them',
    )
  }
  const waiting = says('waiting for the first call …')
  if (verdict === undefined) return says('cleared; waiting for the next call …')
  const why = [verdict.text, verdict.fix].filter((text) => text !== '')
  const told = why.flatMap((text) => wrapText(text, Math.max(1, width - 4)))
  return [...waiting, [], ...told.map((text) => clipLine([span(`  ${text}`)], width))]
}
