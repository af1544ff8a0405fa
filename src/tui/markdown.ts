/**
 * Draws the little Markdown that models write: headings, lists, quotes, fences, bold and code. It
 * lays out, it does not interpret: no links, no tables, no HTML. A text that grows is drawn from its
 * last line break on, so that an answer is never drawn anew for a word.
 */
import { safeText } from './format.ts'
import { createInlinePainter, readInline } from './inline-text.ts'
import type { Line, Tone } from './line.ts'
import { span } from './line.ts'
import { wrapText } from './wrap.ts'

export interface Markdown {
  /** The lines of `text`; cheap when `text` only grew since the last call. */
  render(text: string, width: number): readonly Line[]
}

const indent = '  '
/** Where a fence stands open: the mark that closes it. */
type Fence = string | undefined

export function markdownLines(text: string, width: number, tone: Tone = 'plain'): Line[] {
  const lines: Line[] = []
  drawParagraphs(text, { width, tone }, undefined, lines)
  return lines
}

export function createMarkdown(tone: Tone = 'plain'): Markdown {
  let known = ''
  let knownWidth = 0
  let lines: Line[] = []
  let paragraphStart = 0
  let paragraphLine = 0
  let fence: Fence
  return {
    render(text, width) {
      if (text === known && width === knownWidth) return lines
      const look = { width, tone }
      const grew = width === knownWidth && text.startsWith(known)
      const whole = grew ? lines.slice(0, paragraphLine) : []
      if (!grew) {
        fence = undefined
        paragraphStart = 0
      }
      const lastBreak = text.lastIndexOf('\n') + 1
      if (lastBreak > paragraphStart) {
        // Without its last line break, which would make an empty line; a CR before it goes too.
        const added = text.slice(paragraphStart, lastBreak).replace(/\r?\n$/u, '')
        fence = drawParagraphs(added, look, fence, whole)
        paragraphStart = lastBreak
      }
      paragraphLine = whole.length
      drawParagraphs(text.slice(paragraphStart), look, fence, whole)
      lines = whole
      known = text
      knownWidth = width
      return lines
    },
  }
}

interface Look {
  readonly width: number
  readonly tone: Tone
}

/** Draws whole lines of `text` onto `lines` and returns the fence that is open behind them. */
function drawParagraphs(text: string, look: Look, open: Fence, lines: Line[]): Fence {
  let fence = open
  for (const paragraph of safeText(text).split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})/u.exec(paragraph)?.[1]
    if (fence === undefined && mark !== undefined) {
      fence = mark
      drawWrapped(paragraph, { ...look, tone: 'dim' }, lines)
    } else if (fence !== undefined && closes(paragraph, fence)) {
      fence = undefined
      drawWrapped(paragraph, { ...look, tone: 'dim' }, lines)
    } else if (fence === undefined) drawParagraph(paragraph, look, lines)
    else drawCode(paragraph, look, lines)
  }
  return fence
}

function closes(paragraph: string, fence: string): boolean {
  const trimmed = paragraph.trim()
  return trimmed.startsWith(fence) && trimmed.replaceAll(fence.charAt(0), '') === ''
}

function drawCode(paragraph: string, { width }: Look, lines: Line[]): void {
  const gutter = width > 8 ? `${indent}│ ` : indent
  for (const line of wrapText(paragraph, Math.max(1, width - gutter.length))) {
    lines.push([span(gutter, 'dim'), span(line, 'code')])
  }
}

function drawWrapped(paragraph: string, { width, tone }: Look, lines: Line[]): void {
  for (const line of wrapText(paragraph, Math.max(1, width - indent.length))) {
    lines.push([span(indent + line, tone)])
  }
}

const headingMark = /^ {0,3}#{1,6} /u
const hanging = /^( {0,12}(?:[-*+]|\d{1,3}[.)]) |\s{0,3}> ?)/u

function drawParagraph(paragraph: string, look: Look, lines: Line[]): void {
  if (headingMark.test(paragraph)) {
    drawWrapped(paragraph, { ...look, tone: 'strong' }, lines)
    return
  }
  const lead = hanging.exec(paragraph)?.[0] ?? ''
  const room = look.width - indent.length - lead.length
  // Where hardly anything fits behind the mark, it stands as text.
  if (lead === '' || room < 16) drawInline(paragraph, look, { first: indent, rest: indent }, lines)
  else {
    const rest = indent + (lead.includes('>') ? lead : ' '.repeat(lead.length))
    drawInline(paragraph.slice(lead.length), look, { first: indent + lead, rest }, lines)
  }
}

function drawInline(
  paragraph: string,
  { width, tone }: Look,
  leads: { readonly first: string; readonly rest: string },
  lines: Line[],
): void {
  const { text, runs } = readInline(paragraph, tone)
  const paint = createInlinePainter(runs, tone)
  let at = 0
  for (const [index, line] of wrapText(text, Math.max(1, width - leads.first.length)).entries()) {
    let skipped = 0
    while (text.charAt(at + skipped) === ' ' && !text.startsWith(line, at + skipped)) skipped += 1
    const spans = paint(line, text.slice(at, at + skipped))
    at += skipped + line.length
    lines.push([span(index === 0 ? leads.first : leads.rest, tone), ...spans])
  }
}
