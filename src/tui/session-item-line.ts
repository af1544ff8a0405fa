/** The lines of an open session: turns, lanes of sub-agents, and calls with what they cost. */
import {
  displayWidth,
  fit,
  formatCount,
  formatPlural,
  formatDuration,
  formatSpend,
  formatSpendShort,
  formatTime,
  formatTokens,
  safeLine,
  safePreview,
  truncateEnd,
} from './format.ts'
import type { Line, Span } from './line.ts'
import { clipLine, fillLine, mergeSpans, span } from './line.ts'
import type { Row } from './row.ts'
import { addTallies, emptyTally } from './row.ts'
import type { SessionItem } from './session-tree.ts'

export interface ItemLook {
  readonly width: number
  readonly isSelected: boolean
  /** Of a lane: its calls are folded away. */
  readonly isFolded: boolean
}

export function sessionItemLine(item: SessionItem, look: ItemLook): Line {
  const spans = [span(look.isSelected ? '›' : ' ', 'strong'), ...itemSpans(item, look)]
  if (!look.isSelected) return clipLine(mergeSpans(spans), look.width)
  const whole = spans.map(({ text }) => text).join('')
  return fillLine(clipLine([span(whole, 'selected')], look.width), look.width, 'selected')
}

function itemSpans(item: SessionItem, { width, isFolded }: ItemLook): Span[] {
  switch (item.kind) {
    case 'turn': {
      const count = `${formatCount(item.calls)} ${item.calls === 1 ? 'call' : 'calls'}`
      const head = `turn ${formatCount(item.turn)}`
      return [
        span(head, 'heading'),
        span(` · ${count} · `, 'dim'),
        span(
          truncateEnd(
            safePreview(item.first.prompt),
            Math.max(0, width - head.length - count.length - 7),
          ),
          'user',
        ),
      ]
    }
    case 'lane': {
      const tally = item.rows.reduce((sum, row) => addTallies(sum, tallyOfRow(row)), emptyTally)
      const words = [
        formatPlural(item.branch.calls, 'call'),
        tally.counted
          ? `${formatTokens(tally.inputTokens)} in ${formatTokens(tally.outputTokens)} out`
          : '',
        tally.known + tally.unknown > 0 ? formatSpend(tally) : '',
      ].filter((word) => word !== '')
      return [
        span(`${indentOf(item.depth)}${isFolded ? '▸' : '▾'} ↳ sub-agent`, 'tool'),
        span(` ${words.join(' · ')}`),
        span(toolOf(item.branch.parentToolCallId), 'dim'),
      ]
    }
    case 'call':
      return callSpans(item.row, item, width)
  }
}

function toolOf(parentToolCallId: string | undefined): string {
  return parentToolCallId === undefined ? '' : ` for ${safeLine(parentToolCallId, 64)}`
}

function indentOf(depth: number): string {
  return ' '.repeat(1 + depth * 2)
}

function callSpans(
  row: Row,
  { depth, lane }: { readonly depth: number; readonly lane: string },
  width: number,
): Span[] {
  const tally = tallyOfRow(row)
  const mark = row.phase === 'running' ? '●' : row.phase === 'failed' ? '✗' : ' '
  const tokens = tally.counted
    ? `${formatTokens(tally.inputTokens).padStart(5)} ${formatTokens(tally.outputTokens).padStart(5)}`
    : ' '.repeat(11)
  const spans: Span[] = [
    span(indentOf(depth)),
    span(`${mark} `, row.phase === 'failed' ? 'bad' : 'warn'),
    span(`${formatTime(row.startedAt)} `, 'dim'),
    span(`${fit(safeLine(row.model ?? '?', 128), width >= 100 ? 24 : 16)} `, 'strong'),
    span(`${fit(row.durationMs === undefined ? '' : formatDuration(row.durationMs), 6, 'right')} `),
    span(`${tokens} `),
    span(`${fit(formatSpendShort(tally), 8, 'right')} `, tally.unknown > 0 ? 'warn' : 'plain'),
    span(`${fit(cacheMark(row), 5)} `, row.cacheVerdict === 'miss' ? 'warn' : 'dim'),
  ]
  const used = spans.reduce((sum, { text }) => sum + displayWidth(text), 1)
  const aside = lane === 'side' ? 'beside: ' : ''
  return [...spans, span(truncateEnd(aside + outcome(row), width - used))]
}

/** `hit`, `part`, `miss`, or nothing where it cannot be told. */
function cacheMark({ cacheVerdict }: Row): string {
  if (cacheVerdict === undefined || cacheVerdict === 'unknown') return ''
  return cacheVerdict === 'partial' ? 'part' : cacheVerdict
}

function outcome(row: Row): string {
  if (row.phase === 'failed') return safePreview(row.problem ?? 'failed')
  if (row.toolNames.length > 0) {
    const names = row.toolNames.map((name) => safeLine(name, 64)).join(' ')
    const more =
      row.toolCalls > row.toolNames.length ? ` (${formatCount(row.toolCalls)} calls)` : ''
    return `⚙ ${names}${more}`
  }
  return safePreview(row.answer === '' ? row.prompt : row.answer)
}

function tallyOfRow(row: Row): Row['current'] {
  return addTallies(row.settled, row.current)
}
