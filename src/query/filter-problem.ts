/** A mistake in a filter, as two lines: the filter, and below it a caret with what is wrong. */
import { visibleLine } from '../base/visible-text.ts'
import type { FilterProblem } from './expression.ts'

/** Columns of the filter that are shown before and after the mistake. */
const columnsBefore = 40
const columnsAfter = 30

/** Two lines without a newline at the end, safe to print; long filters are cut around the mistake. */
export function renderFilterProblem(text: string, { problem, at }: FilterProblem): string {
  const place = Math.min(at, text.length)
  const start = Math.max(0, place - columnsBefore)
  const end = Math.min(text.length, place + columnsAfter)
  const before = `${start > 0 ? '…' : ''}${visibleLine(text.slice(start, place))}`
  const after = `${visibleLine(text.slice(place, end))}${end < text.length ? '…' : ''}`
  const indent = ' '.repeat(Array.from(before).length)
  return `${before}${after}\n${indent}^ ${visibleLine(problem)}`
}
