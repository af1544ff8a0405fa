/**
 * Wraps untrusted text to a number of terminal cells, at spaces where it can. `createWrapper` keeps
 * what it wrapped: an answer that grows by a word re-wraps its last paragraph, not all of it.
 */
import { displayWidth, graphemes, isPlainAscii, safeText } from './format.ts'

/** Lines of at most `width` cells, all of them safe to print. `text` is raw wire text. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  for (const paragraph of safeText(text).split('\n')) wrapParagraph(paragraph, width, lines)
  return lines
}

export interface Wrapper {
  /** The wrapped lines of `text`; cheap when `text` only grew since the last call. */
  wrap(text: string, width: number): readonly string[]
}

export function createWrapper(): Wrapper {
  let known = ''
  let knownWidth = 0
  let lines: string[] = []
  /** Where the last paragraph starts, in `known` and in `lines`. */
  let paragraphStart = 0
  let paragraphLine = 0
  return {
    wrap(text, width) {
      if (text === known && width === knownWidth) return lines
      const grew = width === knownWidth && text.startsWith(known)
      const from = grew ? paragraphStart : 0
      const kept = grew ? lines.slice(0, paragraphLine) : []
      const lastBreak = text.lastIndexOf('\n') + 1
      // With its last line break, or a CR before it would be seen alone; the empty line goes.
      const added =
        lastBreak > from ? wrapText(text.slice(from, lastBreak), width).slice(0, -1) : []
      const whole = [...kept, ...added]
      paragraphStart = Math.max(from, lastBreak)
      paragraphLine = whole.length
      lines = [...whole, ...wrapText(text.slice(paragraphStart), width)]
      known = text
      knownWidth = width
      return lines
    },
  }
}

function wrapParagraph(paragraph: string, width: number, lines: string[]): void {
  const limit = Math.max(1, width)
  if (isPlainAscii(paragraph)) wrapAscii(paragraph, limit, lines)
  else wrapGraphemes(paragraph, limit, lines)
}

function wrapAscii(paragraph: string, width: number, lines: string[]): void {
  let start = 0
  while (paragraph.length - start > width) {
    // Searched within the line only: in a long paragraph without spaces it would run to its start.
    const space = paragraph.slice(start, start + width + 1).lastIndexOf(' ')
    // A break that leaves more than half of the line empty costs more than a word cut in two.
    const isGoodBreak = space > width / 2
    const end = start + (isGoodBreak ? space : width)
    lines.push(paragraph.slice(start, end))
    start = isGoodBreak ? end + 1 : end
  }
  lines.push(paragraph.slice(start))
}

function wrapGraphemes(paragraph: string, width: number, lines: string[]): void {
  let line = ''
  let used = 0
  /** The state right after the last space of this line. */
  let spaceEnd = 0
  let spaceUsed = 0
  for (const segment of graphemes(paragraph)) {
    const cells = Math.min(displayWidth(segment), width)
    if (used + cells > width) {
      const isGoodBreak = spaceUsed > width / 2 && segment !== ' '
      const cut = isGoodBreak ? spaceEnd : line.length
      lines.push(line.slice(0, cut).trimEnd())
      line = line.slice(cut)
      used = isGoodBreak ? used - spaceUsed : 0
      spaceEnd = 0
      spaceUsed = 0
      if (line === '' && segment === ' ') continue
    }
    line += segment
    used += cells
    if (segment === ' ') {
      spaceEnd = line.length
      spaceUsed = used
    }
  }
  lines.push(line)
}
