/** The list of rows under its column titles; only the rows on screen are made. */
import type { ReactElement } from 'react'

import type { Layout } from '../columns.ts'
import { headingLine, layoutFor, rowLine } from '../columns.ts'
import { safeLine } from '../format.ts'
import type { Line } from '../line.ts'
import { clipLine, span } from '../line.ts'
import type { Row } from '../row.ts'
import type { ViewerFrame } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface ListProps {
  readonly frame: ViewerFrame
  readonly width: number
  /** Rows for the list, without its titles. */
  readonly height: number
  readonly theme: Theme
}

export function List({ frame, width, height, theme }: ListProps): ReactElement {
  const { rows, top } = frame.list
  const visible = rows.slice(top, top + height)
  const hasAgents = visible.some(({ agent }) => agent !== undefined)
  const layout = layoutFor(width, hasAgents)
  return <Lines lines={listLines(frame, visible, layout, height)} theme={theme} />
}

function listLines(
  frame: ViewerFrame,
  visible: readonly Row[],
  layout: Layout,
  height: number,
): Line[] {
  const { top, selectedIndex } = frame.list
  const lines = visible.map((row, at) =>
    rowLine(row, layout, {
      isSelected: top + at === selectedIndex,
      elapsedMs: Math.max(0, frame.now - row.startedAt),
    }),
  )
  if (lines.length === 0) lines.push(clipLine([span(`  ${emptyText(frame)}`, 'dim')], layout.width))
  while (lines.length < height) lines.push([])
  return [headingLine(layout), ...lines]
}

function emptyText({ state, ui }: ViewerFrame): string {
  if (state.rows.length === 0) return 'waiting for the first call …'
  return ui.list.filter === ''
    ? 'only tunnels so far; t shows them'
    : `nothing matches "${safeLine(ui.list.filter, 64)}"; esc clears the filter`
}
