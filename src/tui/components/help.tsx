/** The help screen, printed from the key map. */
import type { ReactElement } from 'react'

import { fit } from '../format.ts'
import type { KeyBinding } from '../keys/binding.ts'
import { globalKeys, movementKeys } from '../keys/binding.ts'
import { detailKeys } from '../keys/detail.ts'
import { listKeys } from '../keys/list.ts'
import type { Line } from '../line.ts'
import { clipLine, lineWidth, span } from '../line.ts'
import type { Theme } from '../theme.ts'
import { Lines } from './lines.tsx'

export interface HelpProps {
  readonly width: number
  readonly height: number
  readonly theme: Theme
}

export function Help({ width, height, theme }: HelpProps): ReactElement {
  return <Lines lines={helpLines(width, height)} theme={theme} />
}

const marks: readonly Line[] = [
  [span('  ●', 'warn'), span(' running   '), span('✗', 'bad'), span(' failed')],
  [span('  ~', 'strong'), span(' estimated   '), span('?', 'strong'), span(' unknown')],
]

/** Two columns where both fit, so that all keys show on 24 rows. */
function helpLines(width: number, height: number): Line[] {
  const isWide = width >= 76
  const column = isWide ? Math.floor(width / 2) : width
  const shared = section('Keys', [...movementKeys, ...globalKeys], column)
  const special: Line[] = [
    ...section('In the list', listKeys, column),
    [],
    ...section('In a call', detailKeys, column),
    [],
    [span('Marks', 'heading')],
    ...marks,
  ]
  const lines = isWide ? sideBySide(shared, special, column) : [...shared, [], ...special]
  while (lines.length < height) lines.push([])
  return lines.slice(0, height).map((line) => clipLine(line, width))
}

function section(title: string, bindings: readonly KeyBinding[], width: number): Line[] {
  return [[span(title, 'heading')], ...bindings.map((binding) => bindingLine(binding, width))]
}

function sideBySide(left: readonly Line[], right: readonly Line[], column: number): Line[] {
  const count = Math.max(left.length, right.length)
  return Array.from({ length: count }, (_, at) => {
    const first = left[at] ?? []
    const gap = span(' '.repeat(Math.max(0, column - lineWidth(first))))
    return [...first, gap, ...(right[at] ?? [])]
  })
}

function bindingLine({ keys, help }: KeyBinding, width: number): Line {
  const names = keys.map((key) => shortNames[key] ?? key.replace(/^ctrl-/u, '^')).join(' ')
  return clipLine([span(fit(`  ${names}`, 16), 'strong'), span(help)], width - 1)
}

const shortNames: Readonly<Record<string, string>> = {
  pagedown: 'PgDn',
  pageup: 'PgUp',
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  'shift-tab': 'S-tab',
}
