/**
 * Blocks of the detail pane: headings and wrapped text, and a cache that keeps their lines for as
 * long as what they were made from lives and the width stays the same.
 */
import { formatCount, safeLine } from './format.ts'
import type { Line, Tone } from './line.ts'
import { clipLine, span } from './line.ts'
import type { Wrapper } from './wrap.ts'
import { createWrapper, wrapText } from './wrap.ts'

/** UTF-16 units of one text that are laid out; wrapping more would be felt at the keyboard. */
export const maxTextCharacters = 1_048_576
const indent = '  '

export interface BlockCache {
  /** The lines made for `key` at `width`; `build` runs when there are none yet. */
  lines(key: object, width: number, build: () => readonly Line[]): readonly Line[]
  /** Lines of a text that grows: only its last paragraph is wrapped again. */
  growing(key: object, text: string, width: number, tone: Tone): readonly Line[]
}

export function createBlockCache(): BlockCache {
  const built = new WeakMap<object, { readonly width: number; readonly lines: readonly Line[] }>()
  const wrappers = new WeakMap<object, Wrapper>()
  return {
    lines(key, width, build) {
      const known = built.get(key)
      if (known?.width === width) return known.lines
      const lines = build()
      built.set(key, { width, lines })
      return lines
    },
    growing(key, text, width, tone) {
      let wrapper = wrappers.get(key)
      if (wrapper === undefined) wrappers.set(key, (wrapper = createWrapper()))
      return wrapper.wrap(text, textWidth(width)).map((line) => [span(indent + line, tone)])
    },
  }
}

/** A heading; `aside` stands behind it in grey. Both are raw text. */
export function heading(title: string, width: number, aside = '', tone: Tone = 'heading'): Line {
  const parts = [span(safeLine(title, 512), tone)]
  if (aside !== '') parts.push(span(` ${safeLine(aside, 512)}`, 'dim'))
  return clipLine(parts, width)
}

/** Raw text, wrapped and indented. */
export function textLines(text: string, width: number, tone: Tone = 'plain'): Line[] {
  const shown = text.length > maxTextCharacters ? text.slice(0, maxTextCharacters) : text
  const lines: Line[] = wrapText(shown, textWidth(width)).map((line) => [span(indent + line, tone)])
  if (shown !== text) {
    const rest = formatCount(text.length - shown.length)
    lines.push([span(`${indent}… ${rest} more characters; export the capture to see them`, 'warn')])
  }
  return lines
}

/** `name: value` with the name in a tone of its own, wrapped under the value's first line. */
export function fieldLines(name: string, value: string, width: number, tone: Tone): Line[] {
  const [first = '', ...rest] = wrapText(`${name}: ${value}`, textWidth(width))
  const label = safeLine(`${name}:`)
  const start: Line = first.startsWith(label)
    ? [span(indent), span(label, tone), span(first.slice(label.length))]
    : [span(indent + first)]
  return [start, ...rest.map((line): Line => [span(indent + line)])]
}

/** Pretty-printed where `text` is JSON, else as it stands. */
export function prettyJson(text: string): string {
  if (text.length > maxTextCharacters || !/^\s*[[{]/u.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    // Not JSON, or cut short: shown as it was sent.
    return text
  }
}

function textWidth(width: number): number {
  return Math.max(1, width - indent.length)
}
