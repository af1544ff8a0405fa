/** The help screen: the part of it that is scrolled to. */
import type { ReactElement } from 'react'

import { helpLines } from '../help-lines.ts'
import type { Line } from '../line.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface HelpProps {
  readonly width: number
  readonly height: number
  /** The first line that is shown. */
  readonly top: number
  readonly theme: Theme
}

export function Help({ width, height, top, theme }: HelpProps): ReactElement {
  const lines: Line[] = helpLines(width).slice(top, top + height)
  while (lines.length < height) lines.push([])
  return <Lines lines={lines} theme={theme} />
}
