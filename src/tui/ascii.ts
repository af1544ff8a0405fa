/**
 * Lines for terminals that have no more than ASCII: our own marks become their nearest letters, and
 * of what others wrote each character becomes as many question marks as it took cells.
 */
import { displayWidth, graphemes, isPlainAscii } from './format.ts'
import type { Line } from './line.ts'

const letters: Readonly<Record<string, string>> = {
  '●': 'o',
  '✗': 'x',
  '›': '>',
  '→': '>',
  '↳': '>',
  '·': '.',
  '…': '~',
  '│': '|',
  '▏': '_',
  '–': '-',
  '—': '-',
  '─': '-',
  '⚙': '*',
  '▲': '^',
  '▼': 'v',
  '↑': '^',
  '↓': 'v',
  '←': '<',
  '▸': '>',
  '▾': 'v',
  '◌': 'o',
  '█': '#',
  '░': '.',
  '⤷': '>',
  '×': 'x',
  '“': '"',
  '”': '"',
  '‘': "'",
  '’': "'",
}

export function asciiLine(line: Line): Line {
  return line.map(({ text, tone }) => ({ text: asciiText(text), tone }))
}

/** As many cells wide as before. */
export function asciiText(text: string): string {
  if (isPlainAscii(text)) return text
  let shown = ''
  for (const character of graphemes(text)) {
    shown += isPlainAscii(character)
      ? character
      : (letters[character] ?? '?'.repeat(displayWidth(character)))
  }
  return shown
}
