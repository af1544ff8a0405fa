/**
 * Searching in a document: from a line on, forwards or backwards, around its end. What is folded
 * away is searched too. Upper and lower case are one.
 */
import type { Block, Document } from './document.ts'
import { lineText } from './document.ts'
import type { Line, Span } from './line.ts'
import { span } from './line.ts'

/** A line by its block, so that it is found again when what is above it changes. */
export interface Position {
  readonly id: string
  readonly offset: number
}

export interface Match extends Position {
  /** Its block is folded, and must be opened to show it. */
  readonly isFolded: boolean
  /** It lies on the other side of the end, or the start. */
  readonly isAround: boolean
}

/** The next line after `line` that holds `text`, or the one before it; undefined where there is none. */
export function findText(
  { blocks }: Pick<Document, 'blocks'>,
  text: string,
  from: { readonly line: number; readonly step: 1 | -1 },
): Match | undefined {
  const needle = text.toLowerCase()
  if (needle === '' || blocks.count === 0) return undefined
  const { line, step } = from
  const first = blocks.indexAt(line)
  const offset = line - (blocks.at(first)?.start ?? 0)
  // The block of the cursor comes twice: first what lies behind it, at last what lies before it.
  for (let walked = 0; walked <= blocks.count; walked += 1) {
    const index = (((first + walked * step) % blocks.count) + blocks.count) % blocks.count
    const block = blocks.at(index)?.block
    if (block === undefined) continue
    const range = walked === 0 ? { after: offset } : walked === blocks.count ? { upTo: offset } : {}
    const at = findInBlock(block, needle, step, range)
    if (at === undefined) continue
    const wrapped = step === 1 ? index < first : index > first
    const isAround = wrapped || walked === blocks.count
    return { id: block.id, offset: at, isFolded: !block.isOpen, isAround }
  }
  return undefined
}

interface Range {
  /** Beyond this line of the block, as seen in the direction of the search. */
  readonly after?: number
  /** Up to this line and with it, as seen in the direction of the search. */
  readonly upTo?: number
}

function findInBlock(block: Block, needle: string, step: 1 | -1, range: Range): number | undefined {
  if (!block.isOpen && !block.text().toLowerCase().includes(needle)) return undefined
  const lines = block.opened()
  const matches = lines.flatMap((line, at) =>
    holds(line, needle) && within(at, step, range) ? [at] : [],
  )
  const found = step === 1 ? matches[0] : matches.at(-1)
  // Folded text may hold what no line shows in one piece; its title stands for it.
  return found ?? (block.isOpen || !within(0, step, range) ? undefined : 0)
}

function within(at: number, step: 1 | -1, { after, upTo }: Range): boolean {
  if (after !== undefined) return step === 1 ? at > after : at < after
  if (upTo !== undefined) return step === 1 ? at <= upTo : at >= upTo
  return true
}

function holds(line: Line, needle: string): boolean {
  return lineText(line).toLowerCase().includes(needle)
}

/** `line` with every `text` in it marked. */
export function highlight(line: Line, text: string): Line {
  const whole = lineText(line)
  const lower = whole.toLowerCase()
  const needle = text.toLowerCase()
  // Where lower case is longer or shorter, places would not be the same.
  if (needle === '' || lower.length !== whole.length || !lower.includes(needle)) return line
  const marked: Span[] = []
  let spanStart = 0
  for (const part of line) {
    const spanEnd = spanStart + part.text.length
    let at = spanStart
    while (at < spanEnd) {
      const inside = matchAround(lower, needle, at)
      const end = Math.min(spanEnd, inside?.end ?? nextMatch(lower, needle, at))
      marked.push(span(whole.slice(at, end), inside === undefined ? part.tone : 'match'))
      at = end
    }
    spanStart = spanEnd
  }
  return marked
}

/** The match that covers `at`, if any. */
function matchAround(lower: string, needle: string, at: number): { end: number } | undefined {
  const start = lower.indexOf(needle, Math.max(0, at - needle.length + 1))
  return start === -1 || start > at ? undefined : { end: start + needle.length }
}

function nextMatch(lower: string, needle: string, at: number): number {
  const start = lower.indexOf(needle, at)
  return start === -1 ? lower.length : start
}
