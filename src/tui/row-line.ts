/** The line of one row in the list: its marks, its columns, and a preview of what was said. */
import type { Cell, RowLook } from './columns.ts'
import { describeRow } from './describe-row.ts'
import {
  displayWidth,
  fit,
  formatDuration,
  safePreview,
  truncateEnd,
  truncateStart,
} from './format.ts'
import type { Layout } from './layout.ts'
import type { Line, Span, Tone } from './line.ts'
import { clipLine, fillLine, mergeSpans, span } from './line.ts'
import type { Row } from './row.ts'

/** The line of a row. The same line object as before, unless something on it changed. */
export function rowLine(row: Row, layout: Layout, look: RowLook): Line {
  const elapsed = row.phase === 'running' ? formatDuration(look.elapsedMs) : ''
  const key = `${row.version} ${look.isSelected ? 's' : ''}${look.isMarked ? 'm' : ''} ${elapsed}`
  const known = drawn.get(row)
  if (known?.key === key && known.layout === layout) return known.line
  const line = drawRow(row, layout, look)
  drawn.set(row, { key, layout, line })
  return line
}

/** A frame redraws few of its rows: most of its cost would be lines that did not change. */
const drawn = new WeakMap<
  Row,
  { readonly key: string; readonly layout: Layout; readonly line: Line }
>()

function drawRow(row: Row, layout: Layout, look: RowLook): Line {
  const spans: Span[] = [span(rowMark(look), 'strong'), span(stateMark(row), toneOf(row))]
  // Other rows say nothing in the last of the columns: their preview begins there.
  const lastUsed =
    row.kind === 'call'
      ? layout.columns.length - 1
      : layout.columns.findLastIndex(({ callOnly }) => callOnly !== true)
  let freed = 0
  for (const [at, column] of layout.columns.entries()) {
    if (at > lastUsed) {
      freed += column.width + 1
      continue
    }
    const isLeftOut = column.callOnly === true && row.kind !== 'call'
    const { text, tone } = isLeftOut ? nothing : column.cell(row, look)
    spans.push(span(`${fit(text, column.width, column.align)} `, tone))
  }
  spans.push(...previewSpans(row, layout.previewWidth + freed))
  if (!look.isSelected) return clipLine(mergeSpans(spans), layout.width)
  const whole = spans.map(({ text }) => text).join('')
  return fillLine([span(whole, 'selected')], layout.width, 'selected')
}

const nothing: Cell = { text: '', tone: 'plain' }

function rowMark({ isSelected, isMarked }: RowLook): string {
  if (isMarked) return '*'
  return isSelected ? '›' : ' '
}

function stateMark({ phase }: Row): string {
  if (phase === 'running') return '●'
  return phase === 'failed' ? '✗' : ' '
}

function toneOf(row: Row): Tone {
  if (row.phase === 'failed') return 'bad'
  return row.phase === 'running' ? 'warn' : 'plain'
}

function previewSpans(row: Row, width: number): Span[] {
  if (width <= 0) return []
  if (row.kind !== 'call') {
    return [span(truncateEnd(describeRow(row), width), row.phase === 'failed' ? 'bad' : 'dim')]
  }
  if (row.phase === 'failed' && row.problem !== undefined) {
    return [span(truncateEnd(safePreview(row.problem), width), 'bad')]
  }
  return promptAndAnswer(row, width)
}

const arrow = ' → '

function promptAndAnswer(row: Row, width: number): Span[] {
  const prompt = safePreview(row.prompt)
  // Only the end of a running answer moves.
  const isLive = row.phase === 'running'
  const answer = safePreview(isLive ? liveTail(row) : row.answer)
  if (answer === '') return [span(truncateEnd(prompt, width))]
  const cut = isLive ? truncateStart : truncateEnd
  const tone: Tone = isLive ? 'warn' : 'assistant'
  if (width < 28 || prompt === '') return [span(cut(answer, width), tone)]
  const room = width - arrow.length
  const answerWidth = displayWidth(answer)
  const shownPrompt = truncateEnd(prompt, Math.max(Math.floor(room * 0.45), room - answerWidth))
  return [
    span(shownPrompt),
    span(arrow, 'dim'),
    span(cut(answer, room - displayWidth(shownPrompt)), tone),
  ]
}

/** The newest words of a running answer, or the tool whose arguments are being written. */
function liveTail(row: Row): string {
  const last = row.detail?.live.at(-1)
  if (last === undefined) return row.answer.slice(-1024)
  return last.name === undefined ? last.text.slice(-1024) : `⚙ ${last.name}`
}
