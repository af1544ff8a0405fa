/**
 * What a tab of the detail shows: blocks of lines, some of which can be folded. Lines are asked for
 * by number and made when they are, so that fifty thousand events cost no more than a screenful.
 */
import type { Line } from './line.ts'

/** Lines by number; an array is one. */
export interface LineSource {
  readonly length: number
  slice(start: number, end: number): readonly Line[]
}

/** A part of a tab that is folded, copied and searched as one. */
export interface Block {
  /** Names it in the state of the folds; the same for as long as its row is open. */
  readonly id: string
  readonly isFoldable: boolean
  readonly isOpen: boolean
  readonly height: number
  lines(): readonly Line[]
  /** Its lines as they are, or would be, when it is open. */
  opened(): readonly Line[]
  /** All of it as raw text, also what is folded away. */
  text(): string
}

export interface PlacedBlock {
  readonly block: Block
  /** Its first line in the document. */
  readonly start: number
}

/** Blocks in order. */
export interface BlockList {
  readonly count: number
  at(index: number): PlacedBlock | undefined
  /** The index of the block that line `line` belongs to; the last one for what lies behind it. */
  indexAt(line: number): number
  /** -1 where there is none. */
  indexOf(id: string): number
}

export interface Document {
  readonly lines: LineSource
  readonly blocks: BlockList
  /** The line that a reader wants to see first. */
  readonly anchor: number
}

/** Which blocks the user opened and closed; what he did not touch is as its tab has it. */
export interface Folds {
  readonly all: 'open' | 'closed' | undefined
  /** Ids of blocks that are the other way round. */
  readonly toggled: ReadonlySet<string>
}

export const noFolds: Folds = { all: undefined, toggled: new Set() }

export function isOpen(folds: Folds, id: string, isOpenByDefault: boolean): boolean {
  const base = folds.all === undefined ? isOpenByDefault : folds.all === 'open'
  return folds.toggled.has(id) ? !base : base
}

export function toggleFold(folds: Folds, id: string): Folds {
  const toggled = new Set(folds.toggled)
  if (!toggled.delete(id)) toggled.add(id)
  return { all: folds.all, toggled }
}

/** The mark before what can be folded. */
export function foldMark(isOpenNow: boolean): string {
  return isOpenNow ? '▾' : '▸'
}

/** A document of these blocks; `anchorBlock` is the index of the block where the reading begins. */
export function documentOf(blocks: readonly Block[], anchorBlock = 0): Document {
  const starts: number[] = []
  let length = 0
  for (const block of blocks) {
    starts.push(length)
    length += block.height
  }
  const list = listOf(blocks, starts)
  return { lines: linesOf(list, length), blocks: list, anchor: starts[anchorBlock] ?? 0 }
}

/** A document of one block with these lines, for what is neither folded nor copied in parts. */
export function plainDocument(lines: readonly Line[], anchor = 0): Document {
  return { ...documentOf([plainBlock('all', lines)]), anchor }
}

/** A block that cannot be folded; what is copied of it is what is seen. */
export function plainBlock(id: string, lines: readonly Line[]): Block {
  return {
    id,
    isFoldable: false,
    isOpen: true,
    height: lines.length,
    lines: () => lines,
    opened: () => lines,
    text: () => lines.map(lineText).join('\n'),
  }
}

export function lineText(line: Line): string {
  return line.map(({ text }) => text).join('')
}

/** The lines of any list of blocks that are `length` lines in all. */
export function linesOf(blocks: BlockList, length: number): LineSource {
  return {
    length,
    slice(start, end) {
      const lines: Line[] = []
      const from = Math.max(0, start)
      for (let at = blocks.indexAt(from); at < blocks.count && at >= 0; at += 1) {
        const placed = blocks.at(at)
        if (placed === undefined || placed.start >= end) break
        const all = placed.block.lines()
        lines.push(...all.slice(Math.max(0, from - placed.start), Math.max(0, end - placed.start)))
      }
      return lines
    },
  }
}

function listOf(blocks: readonly Block[], starts: readonly number[]): BlockList {
  return {
    count: blocks.length,
    at(index) {
      const block = blocks[index]
      return block === undefined ? undefined : { block, start: starts[index] ?? 0 }
    },
    indexAt: (line) => lastAtOrBefore(starts, line),
    indexOf: (id) => blocks.findIndex((block) => block.id === id),
  }
}

/** The index of the last of `starts` (rising) that is not after `line`; 0 where there is none. */
export function lastAtOrBefore(starts: readonly number[], line: number): number {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((starts[middle] ?? 0) <= line) low = middle
    else high = middle - 1
  }
  return Math.max(0, low)
}
