/**
 * The columns of the list, as a table: what each is called, how much room it takes, and what a row
 * says in it. Which of them are shown is decided in `layout.ts`.
 */
import { contextWindowOf } from '../../analyzers/providers/context-window.ts'
import { formatDuration, formatSpendShort, formatTime, formatTokens, safeLine } from './format.ts'
import type { Tone } from './line.ts'
import type { Row, Tally } from './row.ts'
import { addTallies } from './row.ts'
import type { Sorting } from './sort.ts'

export interface Cell {
  readonly text: string
  readonly tone: Tone
}

export interface RowLook {
  readonly isSelected: boolean
  readonly isMarked: boolean
  /** Milliseconds since the row started, shown while it runs. */
  readonly elapsedMs: number
}

export const columnIds = [
  'time',
  'lane',
  'agent',
  'provider',
  'model',
  'status',
  'ttft',
  'duration',
  'rate',
  'in',
  'cached',
  'out',
  'context',
  'cost',
  'cache',
  'tools',
  'stop',
] as const
export type ColumnId = (typeof columnIds)[number]

export interface Column {
  readonly id: ColumnId
  readonly title: string
  /** For the picker. */
  readonly about: string
  readonly width: number
  /** Where the terminal has at least `wideFrom` cells. */
  readonly wide?: number
  readonly align: 'left' | 'right'
  /** Columns of a higher rank are shown only where those of a lower one have room. */
  readonly rank: number
  readonly sorting?: Sorting
  /** Left out by rows that are not model calls; their preview runs over it. */
  readonly callOnly?: boolean
  readonly cell: (row: Row, look: RowLook) => Cell
}

export const wideFrom = 140

const plain = (text: string): Cell => ({ text, tone: 'plain' })
const dim = (text: string): Cell => ({ text, tone: 'dim' })

/** In the order in which they stand by default. */
export const columns: Readonly<Record<ColumnId, Column>> = {
  time: {
    id: 'time',
    title: 'time',
    about: 'when it began',
    width: 8,
    align: 'left',
    rank: 3,
    sorting: 'time',
    cell: (row) => dim(formatTime(row.startedAt)),
  },
  lane: {
    id: 'lane',
    title: '',
    about: 'sub-agents and calls beside the conversation',
    width: 1,
    align: 'left',
    rank: 5,
    callOnly: true,
    cell: (row) => dim(laneMark(row)),
  },
  agent: {
    id: 'agent',
    title: 'agent',
    about: 'the agent, or the program that asked',
    width: 10,
    wide: 14,
    align: 'left',
    rank: 9,
    cell: (row) => plain(safeLine(row.agent ?? row.client ?? '', 64)),
  },
  provider: {
    id: 'provider',
    title: 'provider',
    about: 'who runs the model',
    width: 9,
    align: 'left',
    rank: 9,
    cell: (row) => plain(safeLine(row.provider ?? '', 64)),
  },
  model: {
    id: 'model',
    title: 'model',
    about: 'the model, or what kind of row it is',
    width: 17,
    wide: 28,
    align: 'left',
    rank: 1,
    sorting: 'model',
    cell: (row) =>
      row.kind === 'call' ? { text: shortModel(row.model ?? '?'), tone: 'strong' } : dim(row.kind),
  },
  status: {
    id: 'status',
    title: 'stat',
    about: 'the status of the answer',
    width: 4,
    align: 'right',
    rank: 0,
    sorting: 'status',
    cell: (row) => ({ text: statusText(row), tone: statusTone(row) }),
  },
  ttft: {
    id: 'ttft',
    title: 'ttft',
    about: 'time to the first token',
    width: 6,
    align: 'right',
    rank: 6,
    sorting: 'ttft',
    cell: (row) => plain(durationText(row.ttftMs)),
  },
  duration: {
    id: 'duration',
    title: 'dur',
    about: 'how long it took',
    width: 6,
    align: 'right',
    rank: 2,
    sorting: 'duration',
    cell: (row, look) =>
      row.phase === 'running'
        ? { text: formatDuration(look.elapsedMs), tone: 'warn' }
        : plain(durationText(row.durationMs)),
  },
  rate: {
    id: 'rate',
    title: 'tok/s',
    about: 'output tokens a second',
    width: 5,
    align: 'right',
    rank: 11,
    sorting: 'rate',
    callOnly: true,
    cell: (row) => dim(row.tokensPerSecond?.toFixed(0) ?? ''),
  },
  in: {
    id: 'in',
    title: 'in',
    about: 'input tokens that were not read from the cache',
    width: 5,
    align: 'right',
    rank: 5,
    sorting: 'in',
    callOnly: true,
    cell: (row) => plain(tokensText(row, (tally) => tally.inputTokens - tally.cachedTokens)),
  },
  cached: {
    id: 'cached',
    title: 'cached',
    about: 'input tokens that were read from the cache',
    width: 6,
    align: 'right',
    rank: 6,
    callOnly: true,
    cell: (row) => dim(tokensText(row, ({ cachedTokens }) => cachedTokens)),
  },
  out: {
    id: 'out',
    title: 'out',
    about: 'output tokens',
    width: 5,
    align: 'right',
    rank: 4,
    sorting: 'out',
    callOnly: true,
    cell: (row) => plain(tokensText(row, ({ outputTokens }) => outputTokens)),
  },
  context: {
    id: 'context',
    title: 'ctx',
    about: 'how full the context of the model is',
    width: 4,
    align: 'right',
    rank: 8,
    callOnly: true,
    cell: contextCell,
  },
  cost: {
    id: 'cost',
    title: 'cost',
    about: 'dollars; ~ estimated, ? unknown',
    width: 8,
    align: 'right',
    rank: 4,
    sorting: 'cost',
    callOnly: true,
    cell: (row) => {
      const tally = tallyOfRow(row)
      return { text: formatSpendShort(tally), tone: tally.unknown > 0 ? 'warn' : 'plain' }
    },
  },
  cache: {
    id: 'cache',
    title: 'cache',
    about: 'what came of the prompt cache',
    width: 7,
    align: 'left',
    rank: 10,
    callOnly: true,
    cell: cacheCell,
  },
  tools: {
    id: 'tools',
    title: 'tools',
    about: 'the tools that the answer calls',
    width: 11,
    wide: 16,
    align: 'left',
    rank: 8,
    callOnly: true,
    cell: (row) => ({ text: toolsText(row), tone: 'tool' }),
  },
  stop: {
    id: 'stop',
    title: 'stop',
    about: 'why the answer ended',
    width: 10,
    align: 'left',
    rank: 7,
    callOnly: true,
    cell: (row) => dim(safeLine(row.finishReason ?? '', 64)),
  },
}

export function tallyOfRow(row: Row): Tally {
  return addTallies(row.settled, row.current)
}

/** `…` before there is an answer, `ERR` where there will be none. */
export function statusText(row: Row): string {
  if (row.kind === 'tunnel') return row.phase === 'running' ? 'open' : ''
  if (row.status !== undefined) return String(row.status)
  if (row.phase === 'failed') return 'ERR'
  return row.phase === 'running' ? '…' : '?'
}

export function statusTone(row: Row): Tone {
  if (row.phase === 'failed' || (row.status ?? 0) >= 400) return 'bad'
  if (row.status === undefined) return 'dim'
  return row.status < 300 ? 'good' : 'warn'
}

/** Calls beside the main line of a conversation, once that is known. */
function laneMark({ branch }: Row): string {
  if (branch === 'sub-agent') return '↳'
  return branch === 'side' ? '·' : ''
}

function durationText(ms: number | undefined): string {
  return ms === undefined ? '' : formatDuration(ms)
}

function tokensText(row: Row, read: (tally: Tally) => number): string {
  const tally = tallyOfRow(row)
  return tally.counted ? formatTokens(read(tally)) : ''
}

/** Of the latest call: what it sent and got, of all that the model can hold. */
function contextCell({ current, provider, model }: Row): Cell {
  if (!current.counted) return plain('')
  const window = contextWindowOf(provider, model)
  if (window === undefined) return plain('')
  const share = (current.inputTokens + current.outputTokens) / window
  return {
    text: `${Math.min(999, Math.round(share * 100))}%`,
    tone: share >= 0.8 ? 'bad' : share >= 0.5 ? 'warn' : 'dim',
  }
}

function cacheCell({ cacheVerdict }: Row): Cell {
  switch (cacheVerdict) {
    case undefined:
      return plain('')
    case 'hit':
      return { text: 'hit', tone: 'good' }
    case 'miss':
      return { text: 'miss', tone: 'bad' }
    case 'partial':
      return { text: 'partial', tone: 'warn' }
    case 'unknown':
      return dim('?')
  }
}

/** `Bash`, `3 Bash Read`: how many, where there is more than one. */
function toolsText({ toolCalls, toolNames }: Row): string {
  if (toolCalls === 0) return ''
  const names = safeLine(toolNames.join(' '), 256)
  return toolCalls === 1 ? names : `${toolCalls} ${names}`
}

/** Without the date that some providers append: the call's own page shows it all. */
function shortModel(model: string): string {
  return safeLine(model.replace(/-(?:20\d{6}|20\d\d-\d\d-\d\d)$/u, ''), 128)
}
