/**
 * One exchange on its way into the index: its messages become the columns of its rows, and what is
 * to be searched. It can be taken up again from rows that were written earlier.
 */
import { hash } from 'node:crypto'

import type { Insertable } from 'kysely'

import type { AnalysisMsg, MsgOf, Part } from '../../messages/schema.ts'
import type { CallsTable } from './schema.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }
export type CallColumns = Writable<Omit<Insertable<CallsTable>, 'id' | 'capture_id'>>

export type TextColumn = 'prompt' | 'answer' | 'tools'

export interface SaidPart {
  readonly column: TextColumn
  readonly text: string
  /** The same for what says the same. */
  readonly digest: Buffer
  /** Searched here even if the capture has said it before. */
  readonly isNew: boolean
}

export interface EntryRow {
  readonly columns: CallColumns
  /** Not written yet. */
  said: SaidPart[]
  isDirty: boolean
}

export interface EntryPlace {
  readonly fileId: number
  readonly byteOffset: number
}

/** UTF-16 units of one part that are searched. */
const partLength = 256 * 1024
/** A saying that comes again at the end of a prompt is said again, if it is no longer than this. */
const repeatedLength = 4096
const digestBytes = 12
/** The exchange itself, or its only call. */
const wholeCall = -1

export class ExchangeEntry {
  readonly exchangeId: string
  readonly rows = new Map<number, EntryRow>()
  readonly #place: EntryPlace

  constructor(exchangeId: string, place: EntryPlace) {
    this.exchangeId = exchangeId
    this.#place = place
  }

  get hasEnded(): boolean {
    return this.rows.get(wholeCall)?.columns.has_ended === 1
  }

  /** Takes up a row that was written before. */
  resume(columns: CallColumns): void {
    this.rows.set(columns.call, { columns, said: [], isDirty: false })
  }

  /** `hasTail`: of a prompt, the last messages are there. */
  apply(msg: AnalysisMsg, hasTail: boolean): void {
    const whole = this.#row(wholeCall, msg)
    if (applyTraffic(whole, msg)) return
    // What analysis makes of a refused call is no answer: nobody was asked.
    const isAnswer = msg.kind === 'model-answered' || msg.kind === 'call-linked'
    if (isAnswer && wasRefused(whole.columns)) return
    switch (msg.kind) {
      case 'model-called':
        applyCalled(this.#row(msg.call ?? wholeCall, msg), msg, hasTail)
        return
      case 'model-answered':
        applyAnswered(this.#row(msg.call ?? wholeCall, msg), msg)
        return
      case 'call-linked':
        applyLinked(this.#row(msg.call ?? wholeCall, msg).columns, msg)
        return
      default:
        applyOperation(this.#row(wholeCall, msg), msg)
    }
  }

  #row(call: number, msg: AnalysisMsg): EntryRow {
    const known = this.rows.get(call)
    if (known !== undefined) {
      const { columns } = known
      columns.last_at = Math.max(columns.last_at, msg.at)
      columns.agent ??= msg.agent ?? null
      known.isDirty = true
      return known
    }
    const whole = this.rows.get(wholeCall)?.columns
    const columns = {
      ...(whole ?? emptyColumns),
      file_id: this.#place.fileId,
      byte_offset: this.#place.byteOffset,
      exchange_id: this.exchangeId,
      call,
      at: msg.at,
      last_at: msg.at,
      agent: msg.agent ?? whole?.agent ?? null,
    }
    const row = { columns, said: [], isDirty: true }
    this.rows.set(call, row)
    return row
  }
}

const emptyColumns = {
  kind: 'http',
  method: '',
  url: '',
  host: '',
  has_response: 0,
  tools: '[]',
  has_ended: 0,
} as const

/** As `refusedCall` of `capture-totals.ts` tells it. */
function wasRefused({ has_response: hasResponse, error }: CallColumns): boolean {
  return hasResponse === 0 && error?.startsWith('refused: ') === true
}

function applyTraffic({ columns }: EntryRow, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'request-started':
      columns.method = msg.method
      columns.url = msg.url
      columns.host = URL.parse(msg.url)?.host ?? msg.host
      return true
    case 'response-started':
      columns.status = msg.status
      columns.has_response = 1
      return true
    case 'request-refused':
      columns.status = msg.status
      columns.error = `refused: ${msg.message ?? msg.reason}`
      return true
    case 'exchange-completed':
      columns.status = msg.status
      columns.duration_ms ??= msg.durationMs
      columns.has_ended = 1
      return true
    case 'exchange-failed':
      columns.status ??= msg.status ?? null
      columns.duration_ms ??= msg.durationMs
      columns.error ??= `${msg.code} (by the ${msg.by})${msg.message === undefined ? '' : `: ${msg.message}`}`
      columns.has_ended = 1
      return true
    default:
      return false
  }
}

function applyCalled(row: EntryRow, msg: MsgOf<'model-called'>, hasTail: boolean): void {
  const { columns } = row
  columns.kind = 'call'
  columns.provider = msg.provider
  columns.operation = msg.operation
  columns.model = msg.model ?? columns.model ?? null
  const lastAnswer = msg.messages.findLastIndex(({ role }) => isAnswerRole(role))
  for (const [index, { role, parts }] of msg.messages.entries()) {
    // What follows the last answer is what this call says.
    const isNew = hasTail && index > lastAnswer && !isSystemRole(role)
    for (const part of parts) say(row, 'prompt', part, isNew)
  }
}

function isAnswerRole(role: string): boolean {
  return role === 'assistant' || role === 'model'
}

function isSystemRole(role: string): boolean {
  return role === 'system' || role === 'developer'
}

function applyAnswered(row: EntryRow, msg: MsgOf<'model-answered'>): void {
  const { columns } = row
  columns.kind = 'call'
  columns.provider = msg.provider
  columns.operation = msg.operation
  columns.model = msg.model ?? columns.model ?? null
  columns.status = msg.status ?? columns.status ?? null
  columns.has_response = 1
  columns.stop = msg.finishReason ?? null
  columns.ttft_ms = msg.ttftMs ?? null
  columns.duration_ms = msg.durationMs
  countTokens(columns, msg)
  columns.tools = JSON.stringify(msg.toolCalls.map(({ name }) => name))
  if (msg.call !== undefined) columns.has_ended = 1
  for (const part of msg.output) if (part.type !== 'tool-call') say(row, 'answer', part, true)
  for (const call of msg.toolCalls) say(row, 'tools', { ...call, type: 'tool-call' }, true)
  if (msg.error === undefined) return
  columns.error = `${msg.error.type}: ${msg.error.message}`
  say(row, 'answer', { type: 'text', text: columns.error }, true)
}

function countTokens(columns: CallColumns, { usage, cost }: MsgOf<'model-answered'>): void {
  if (usage !== undefined) {
    columns.input_tokens = usage.inputTokens
    columns.cache_read_tokens = usage.cacheReadTokens
    columns.cache_write_tokens = usage.cacheWriteTokens
    columns.output_tokens = usage.outputTokens
    columns.reasoning_tokens = usage.reasoningTokens
    columns.usage_source = usage.source
  }
  columns.cost_usd = cost?.confidence === 'unknown' ? null : (cost?.usd ?? null)
  columns.cost_confidence = cost?.confidence ?? null
}

function applyLinked(columns: CallColumns, msg: MsgOf<'call-linked'>): void {
  columns.session_id = msg.sessionId
  columns.client_session_id = msg.clientSessionId ?? null
  columns.branch = msg.branch
  columns.branch_id = msg.branchId
  columns.turn = msg.turn
  columns.attempt = msg.attempt
  columns.cache_verdict = msg.cache.verdict
  columns.cache_reason = msg.cache.reason ?? null
}

function applyOperation(row: EntryRow, msg: AnalysisMsg): void {
  const { columns } = row
  switch (msg.kind) {
    case 'operation-performed':
      columns.kind = 'api'
      columns.provider = msg.provider
      columns.operation = msg.operation
      if (msg.error !== undefined) columns.error = `${msg.error.type}: ${msg.error.message}`
      return
    case 'mcp-called': {
      columns.kind = 'mcp'
      columns.operation = msg.method
      const text = [msg.method, msg.name ?? '', msg.arguments ?? ''].join(' ')
      say(row, 'tools', { type: 'text', text }, true)
      return
    }
    case 'mcp-answered':
      columns.kind = 'mcp'
      for (const part of msg.result) say(row, 'tools', part, true)
      if (msg.error !== undefined) columns.error = `${msg.error.type}: ${msg.error.message}`
      return
    default:
  }
}

/** Tool calls and results are searched as such, wherever they stand. */
function say(row: EntryRow, column: TextColumn, part: Part, isNew: boolean): void {
  const text = textOf(part)
  if (text === '') return
  const isTool = part.type === 'tool-call' || part.type === 'tool-result'
  row.said.push({
    column: isTool ? 'tools' : column,
    text: text.slice(0, partLength),
    digest: Buffer.from(
      hash('sha256', `${isTool ? 't' : 's'}${text}`, 'base64'),
      'base64',
    ).subarray(0, digestBytes),
    isNew: isNew && (column !== 'prompt' || text.length <= repeatedLength),
  })
}

function textOf(part: Part): string {
  switch (part.type) {
    case 'text':
    case 'reasoning':
    case 'tool-result':
      return part.text
    case 'tool-call':
      return `${part.name} ${compactJson(part.arguments)}`
    case 'other':
      return `${part.name} ${part.text}`
    case 'media':
      return ''
  }
}

/** As the answer wrote it and as the client sends it back: spaces may differ. */
function compactJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    // Cut off, or no JSON: it is searched as it stands.
    return text
  }
}
