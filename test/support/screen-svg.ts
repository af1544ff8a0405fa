/**
 * A terminal's screen as an SVG image: monospace text in our theme's colours on a dark ground. All
 * text is escaped; nothing in it is fetched from anywhere.
 */
import type { StyledText } from './terminal.ts'

const cellWidth = 8.4
const lineHeight = 18
const padding = 14
const fontSize = 14

const ground = '#15181e'
const plain = '#d5d9e0'
const dim = '#7f8794'
/** The 16 named colours of a terminal, as on the ground they are best read. */
const palette = [
  '#5b6270',
  '#f0716b',
  '#7ccf7f',
  '#e6c15a',
  '#7aa2f7',
  '#c792ea',
  '#5ccfe6',
  '#d5d9e0',
  '#7f8794',
  '#ff8a84',
  '#98e59b',
  '#ffd97a',
  '#9dbbff',
  '#ddb6ff',
  '#86e5f5',
  '#ffffff',
]

export interface ScreenImage {
  readonly lines: ReadonlyArray<readonly StyledText[]>
  readonly columns: number
  /** For readers that do not see it. */
  readonly title: string
}

export function screenSvg({ lines, columns, title }: ScreenImage): string {
  const width = round(columns * cellWidth + 2 * padding)
  const height = lines.length * lineHeight + 2 * padding
  const rows = lines.map((line, at) => rowSvg(line, padding + at * lineHeight))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" rx="8" fill="${ground}"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${fontSize}" xml:space="preserve">`,
    ...rows.filter((row) => row !== ''),
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

function rowSvg(line: readonly StyledText[], top: number): string {
  let column = 0
  const parts: string[] = []
  for (const run of line) {
    const x = padding + column * cellWidth
    const cells = Array.from(run.text).length
    column += cells
    const color = colorOf(run)
    if (run.isInverse) {
      parts.push(
        `<rect x="${round(x)}" y="${top}" width="${round(cells * cellWidth)}" height="${lineHeight}" fill="${color}"/>`,
      )
    }
    if (run.text.trim() === '') continue
    const weight = run.isBold ? ' font-weight="bold"' : ''
    const fill = run.isInverse ? ground : color
    // The width is told, so that another font than ours keeps the columns.
    parts.push(
      `<text x="${round(x)}" y="${top + 13}" textLength="${round(cells * cellWidth)}" lengthAdjust="spacingAndGlyphs" fill="${fill}"${weight}>${escaped(run.text)}</text>`,
    )
  }
  return parts.join('')
}

function colorOf({ color, isDim }: StyledText): string {
  if (color !== undefined) return palette[color] ?? plain
  return isDim ? dim : plain
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** For text and attributes of XML. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(' ', '\u00a0')
}
