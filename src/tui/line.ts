/**
 * A screen line as data: spans of safe text with a tone each. What a tone looks like is the theme's
 * business; that a line fits its width is decided here, so that no component can wrap.
 */
import { displayWidth, truncateEnd } from './format.ts'

export type Tone =
  | 'plain'
  | 'dim'
  | 'strong'
  | 'heading'
  | 'user'
  | 'assistant'
  | 'system'
  | 'tool'
  | 'code'
  | 'match'
  | 'cursor'
  | 'good'
  | 'warn'
  | 'bad'
  | 'bad-mark'
  | 'selected'
  | 'bar'

/** `text` is safe and holds no line break. */
export interface Span {
  readonly text: string
  readonly tone: Tone
}

export type Line = readonly Span[]

export function span(text: string, tone: Tone = 'plain'): Span {
  return { text, tone }
}

export function lineWidth(line: Line): number {
  return line.reduce((sum, { text }) => sum + displayWidth(text), 0)
}

/** `line` cut to `width` cells; the span that is cut ends with `…`. */
export function clipLine(line: Line, width: number): Line {
  if (lineWidth(line) <= width) return line
  const clipped: Span[] = []
  let left = width
  for (const { text, tone } of line) {
    if (left <= 0) break
    const cells = displayWidth(text)
    const part = cells <= left ? text : truncateEnd(text, left)
    clipped.push({ text: part, tone })
    left -= cells
  }
  return clipped
}

/** `line` in exactly `width` cells, padded with spaces of tone `tone`. */
export function fillLine(line: Line, width: number, tone: Tone = 'plain'): Line {
  const clipped = clipLine(line, width)
  const missing = width - lineWidth(clipped)
  return missing > 0 ? [...clipped, span(' '.repeat(missing), tone)] : clipped
}

/** `left` at the start and `right` at the end; when both do not fit, `right` goes first. */
export function spreadLine(left: Line, right: Line, width: number): Line {
  const gap = width - lineWidth(left) - lineWidth(right)
  if (gap < 1) return clipLine(left, width)
  return [...left, span(' '.repeat(gap)), ...right]
}

/** The same line with neighbours of one tone joined: each span costs time in every frame. */
export function mergeSpans(line: Line): Line {
  const merged: Span[] = []
  for (const part of line) {
    const last = merged.at(-1)
    if (last?.tone === part.tone) merged[merged.length - 1] = span(last.text + part.text, part.tone)
    else merged.push(part)
  }
  return merged
}
