/** What the help screen says, from the key maps and the grammar of filters, so that it cannot differ. */
import { filterGrammar } from '../query/filter-grammar.ts'
import { fit } from './format.ts'
import type { KeyBinding } from './keys/binding.ts'
import { globalKeys, movementKeys } from './keys/binding.ts'
import { detailKeys } from './keys/detail.ts'
import { listKeys, pickerKeys } from './keys/list.ts'
import { sessionKeys } from './keys/sessions.ts'
import type { Line } from './line.ts'
import { clipLine, lineWidth, span } from './line.ts'
import { wrapText } from './wrap.ts'

const marks: readonly Line[] = [
  [span('  ●', 'warn'), span(' running   '), span('✗', 'bad'), span(' failed   * marked')],
  [span('  ↳', 'dim'), span(' sub-agent   '), span('·', 'dim'), span(' side call')],
  [span('  ~', 'strong'), span(' estimated   '), span('?', 'strong'), span(' unknown')],
]

/** Two columns where both fit. */
export function helpLines(width: number): readonly Line[] {
  const isWide = width >= 76
  const column = isWide ? Math.floor(width / 2) : width
  const left: Line[] = [
    ...section('Keys', [...movementKeys, ...globalKeys], column),
    clipLine([span('  behind the list, q leads back', 'dim')], column),
    [],
    [span('Marks', 'heading')],
    ...marks,
  ]
  const right = section('In the list', listKeys, column)
  const below = section('In a call', detailKeys, column)
  const picking = section('Choosing columns', pickerKeys, column)
  const within = section('In the sessions', sessionKeys, column)
  const others = [...within, [], ...picking]
  const keys = isWide
    ? [...sideBySide(left, right, column), [], ...sideBySide(below, others, column)]
    : [...left, [], ...right, [], ...below, [], ...others]
  return [...keys, [], ...grammarLines(width)].map((line) => clipLine(line, width))
}

function section(title: string, bindings: readonly KeyBinding[], width: number): Line[] {
  return [[span(title, 'heading')], ...bindings.map((binding) => bindingLine(binding, width))]
}

function grammarLines(width: number): Line[] {
  const syntaxWidth = Math.min(34, Math.floor(width / 2))
  const lines: Line[] = [
    [span('Filters', 'heading'), span('  ~model opus & ~cost > 0.5 & !~e', 'dim')],
  ]
  for (const { syntax, meaning } of filterGrammar) {
    const texts = wrapText(meaning, Math.max(8, width - syntaxWidth - 4))
    for (const [at, text] of texts.entries()) {
      const left = fit(at === 0 ? `  ${syntax}` : '', syntaxWidth)
      lines.push([span(left, 'strong'), span(`  ${text}`)])
    }
  }
  return lines
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
