/**
 * The marks within a line of Markdown that are drawn: bold and code. Marks of code stay visible,
 * those of bold go: what was sent, to the letter, is in the Request and Raw tabs.
 */
import type { Span, Tone } from './line.ts'
import { span } from './line.ts'

/** A stretch of a text with one look. */
interface Run {
  readonly text: string
  readonly tone: Tone
}

// Bounded stretches: a paragraph full of stars must not cost the square of its length.
const marks = /\*\*(?=\S)([^*\n]{1,500}?)\*\*|(`[^`\n]{1,500}`)/gu

/** `text` (safe, one paragraph) without the marks of bold, and the look of each stretch of it. */
export function readInline(text: string, tone: Tone): { readonly text: string; runs: Run[] } {
  if (!text.includes('**') && !text.includes('`')) return { text, runs: [{ text, tone }] }
  const runs: Run[] = []
  let from = 0
  for (const match of text.matchAll(marks)) {
    const [whole, bold, code] = match
    if (match.index > from) runs.push({ text: text.slice(from, match.index), tone })
    runs.push(
      bold === undefined ? { text: code ?? '', tone: 'code' } : { text: bold, tone: 'strong' },
    )
    from = match.index + whole.length
  }
  if (from < text.length) runs.push({ text: text.slice(from), tone })
  return { text: runs.map((run) => run.text).join(''), runs }
}

/**
 * Looks for the wrapped lines of a paragraph: each is a stretch of it, and nothing but spaces lies
 * between two of them. A line that is no such stretch is drawn in one tone.
 */
export function createInlinePainter(
  runs: readonly Run[],
  tone: Tone,
): (line: string, skipped: string) => Span[] {
  let at = 0
  let within = 0
  const take = (length: number, out: Span[] | undefined): void => {
    let left = length
    while (left > 0) {
      const run = runs[at]
      if (run === undefined) return
      const part = run.text.slice(within, within + left)
      if (part !== '') out?.push(span(part, run.tone))
      left -= part.length
      within += part.length
      if (within >= run.text.length) {
        at += 1
        within = 0
      }
    }
  }
  return (line, skipped) => {
    take(skipped.length, undefined)
    const spans: Span[] = []
    take(line.length, spans)
    const isWhole = spans.map(({ text }) => text).join('') === line
    return isWhole ? spans : [span(line, tone)]
  }
}
