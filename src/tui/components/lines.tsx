/** Draws lines of spans. Each line is cut to its width before, so nothing here can wrap. */
import { Text } from 'ink'
import type { ReactElement } from 'react'
import { createElement, Fragment, memo } from 'react'

import { asciiLine } from '../ascii.ts'
import type { Line } from '../line.ts'
import type { Theme } from '../theme.ts'

export interface LinesProps {
  readonly lines: readonly Line[]
  readonly theme: Theme
}

/** One terminal row for each line. Rows and spans have no identity but their place: no keys. */
export function Lines({ lines, theme }: LinesProps): ReactElement {
  return createElement(
    Fragment,
    null,
    ...lines.map((line) => createElement(LineText, { line, theme })),
  )
}

interface LineTextProps {
  readonly line: Line
  readonly theme: Theme
}

const LineText = memo(function LineText({ line, theme }: LineTextProps): ReactElement {
  // An empty Text has no height and would pull up the lines below it.
  if (line.every(({ text }) => text === '')) return <Text> </Text>
  const shown = theme.isAscii === true ? asciiLine(line) : line
  const spans = shown.map(({ text, tone }) => createElement(Text, theme[tone], text))
  return createElement(Text, { wrap: 'truncate-end' }, ...spans)
})
