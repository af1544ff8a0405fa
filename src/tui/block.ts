/**
 * Blocks of the detail pane: headings, wrapped text, folds, and a cache that keeps their lines for
 * as long as what they were made from lives and the width stays the same.
 */
import type { Block, Folds } from './document.ts'
import { foldMark, isOpen, plainBlock } from './document.ts'
import { formatCount, safeLine, safePreview } from './format.ts'
import type { Line, Span, Tone } from './line.ts'
import { clipLine, span } from './line.ts'
import type { Markdown } from './markdown.ts'
import { createMarkdown } from './markdown.ts'
import type { Wrapper } from './wrap.ts'
import { createWrapper, wrapText } from './wrap.ts'

/** UTF-16 units of one text that are laid out; wrapping more would be felt at the keyboard. */
export const maxTextCharacters = 1_048_576
const indent = '  '

export interface BlockCache {
  /**
   * The lines made for `key` at `width`; `build` runs when there are none yet. A key that is drawn
   * in more than one way names the way by `variant`.
   */
  lines(key: object, width: number, build: () => readonly Line[], variant?: string): readonly Line[]
  /** Lines of a text that grows: only its last paragraph is drawn again. */
  growing(key: object, text: string, width: number, tone: Tone): readonly Line[]
  /** The same for a text in Markdown. */
  growingMarkdown(key: object, text: string, width: number): readonly Line[]
  /** Anything that is derived from `key` alone. */
  derived<T extends object>(key: object, make: () => T): T
}

export function createBlockCache(): BlockCache {
  const built = new WeakMap<object, Built>()
  const wrappers = new WeakMap<object, Wrapper>()
  const markdowns = new WeakMap<object, Markdown>()
  const values = new WeakMap<object, object>()
  return {
    lines(key, width, build, variant = '') {
      const known = built.get(key)
      if (known?.width === width && known.variant === variant) return known.lines
      const lines = build()
      built.set(key, { width, variant, lines })
      return lines
    },
    growing(key, text, width, tone) {
      let wrapper = wrappers.get(key)
      if (wrapper === undefined) wrappers.set(key, (wrapper = createWrapper()))
      return wrapper.wrap(text, textWidth(width)).map((line) => [span(indent + line, tone)])
    },
    growingMarkdown(key, text, width) {
      let markdown = markdowns.get(key)
      if (markdown === undefined) markdowns.set(key, (markdown = createMarkdown()))
      return markdown.render(text, width)
    },
    derived<T extends object>(key: object, make: () => T): T {
      const known = values.get(key) as T | undefined
      if (known !== undefined) return known
      const value = make()
      values.set(key, value)
      return value
    },
  }
}

interface Built {
  readonly width: number
  readonly variant: string
  readonly lines: readonly Line[]
}

/** What every tab is drawn with. */
export interface TabView {
  readonly width: number
  readonly cache: BlockCache
  readonly folds: Folds
}

export interface FoldDraft {
  readonly id: string
  /** Drawn behind the mark of the fold; safe spans. */
  readonly title: readonly Span[]
  /** Raw text whose beginning stands behind the title while the rest is folded away. */
  readonly preview: () => string
  readonly isOpenByDefault: boolean
  readonly body: () => readonly Line[]
  readonly text: () => string
  /** Cells before the mark; none by default. */
  readonly indent?: number
}

/** A block that shows its title alone when it is folded; its body is made only when it is open. */
export function foldBlock(draft: FoldDraft, { width, folds }: TabView): Block {
  const { id, title } = draft
  const open = isOpen(folds, id, draft.isOpenByDefault)
  const mark = span(`${' '.repeat(draft.indent ?? 0)}${foldMark(open)} `, 'dim')
  const first = open
    ? clipLine([mark, ...title], width)
    : clipLine([mark, ...title, span(` ${safePreview(draft.preview(), width * 4)}`, 'dim')], width)
  const opened = (): readonly Line[] => [first, ...draft.body()]
  const lines = open ? opened() : [first]
  return {
    id,
    isFoldable: true,
    isOpen: open,
    height: lines.length,
    lines: () => lines,
    opened: open ? () => lines : opened,
    text: draft.text,
  }
}

/** Lines that stand as they are; `text` is what is copied of them. */
export function solidBlock(id: string, lines: readonly Line[], text: () => string): Block {
  return { ...plainBlock(id, lines), text }
}

const blank: Line = []

export function spacer(id: string): Block {
  return plainBlock(id, [blank])
}

/** The part of a text that is laid out, and a line that says what was left out, if anything. */
export function bounded(text: string): { readonly shown: string; readonly rest: readonly Line[] } {
  if (text.length <= maxTextCharacters) return { shown: text, rest: [] }
  const left = formatCount(text.length - maxTextCharacters)
  const note = `${indent}… ${left} more characters; export the call to see them`
  return { shown: text.slice(0, maxTextCharacters), rest: [[span(note, 'warn')]] }
}

/** A heading; `aside` stands behind it in grey. Both are raw text. */
export function heading(title: string, width: number, aside = '', tone: Tone = 'heading'): Line {
  const parts = [span(safeLine(title, 512), tone)]
  if (aside !== '') parts.push(span(` ${safeLine(aside, 512)}`, 'dim'))
  return clipLine(parts, width)
}

/** Raw text, wrapped and indented. */
export function textLines(text: string, width: number, tone: Tone = 'plain'): Line[] {
  const { shown, rest } = bounded(text)
  const lines = wrapText(shown, textWidth(width)).map((line): Line => [span(indent + line, tone)])
  for (const line of rest) lines.push(clipLine(line, width))
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

function textWidth(width: number): number {
  return Math.max(1, width - indent.length)
}
