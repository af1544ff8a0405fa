/**
 * Where the reader stands in a document: a line by its block, and the row of the screen that it is
 * in. What is folded, resized or still growing above it does not move it.
 */
import type { Document } from '../document.ts'
import type { Position } from '../find-text.ts'

/** `start` is where the reading begins, `end` sticks to the last line. */
export type Cursor = Position | 'start' | 'end'

export interface Place {
  readonly cursor: Cursor
  /** Row of the screen that the cursor is in, from 0. */
  readonly at: number
}

export interface View {
  /** The line of the cursor. */
  readonly line: number
  /** The first line on screen. */
  readonly top: number
}

export function viewOf(place: Place, document: Document, height: number): View {
  const { lines, anchor } = document
  const last = Math.max(0, lines.length - height)
  const end = Math.max(0, lines.length - 1)
  if (place.cursor === 'end') return { line: end, top: last }
  if (place.cursor === 'start') return { line: Math.min(anchor, end), top: Math.min(anchor, last) }
  const line = Math.min(end, lineOf(place.cursor, document))
  const at = Math.max(0, Math.min(place.at, height - 1))
  return { line, top: Math.max(0, Math.min(line - at, last)) }
}

function lineOf({ id, offset }: Position, { blocks }: Document): number {
  const placed = blocks.at(blocks.indexOf(id))
  if (placed === undefined) return 0
  return placed.start + Math.max(0, Math.min(offset, placed.block.height - 1))
}

/** The place of `line`, with `top` as the first line on screen, or as near to it as it can be. */
export function placeAt(
  document: Document,
  line: number,
  view: { top: number; height: number },
): Place {
  const { blocks, lines } = document
  const wanted = Math.max(0, Math.min(line, lines.length - 1))
  const placed = blocks.at(blocks.indexAt(wanted))
  if (placed === undefined) return { cursor: 'start', at: 0 }
  const at = Math.max(0, Math.min(wanted - view.top, view.height - 1))
  return { cursor: { id: placed.block.id, offset: wanted - placed.start }, at }
}
