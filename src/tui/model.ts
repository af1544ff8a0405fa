/**
 * The view model: messages in, rows and totals out. One row for each exchange, tunnel and refusal,
 * at most `maxRows` of them, and a bound on the bytes kept for their details; what is dropped is
 * counted. It has no clock, no timer and no terminal.
 *
 * The state changes in place: a copy of ten thousand rows for every chunk of every stream would be
 * most of the viewer's work. `state.version` rises with every change.
 */
import type { AnalysisMsg } from '../messages/schema.ts'
import { applyToRow } from './apply.ts'
import type { Row, Tally } from './row.ts'
import { addTallies, appendLive, createRow, emptyTally, subtractTally } from './row.ts'
import { readStreamDeltas } from './stream-delta.ts'

export interface ViewLimits {
  readonly maxRows: number
  /** UTF-16 units kept in the details of all rows; the oldest lose theirs first. */
  readonly maxDetailBytes: number
  /** The same for one row. */
  readonly maxRowBytes: number
}

export const viewLimits: ViewLimits = {
  maxRows: 10_000,
  maxDetailBytes: 48 * 1024 * 1024,
  maxRowBytes: 32 * 1024 * 1024,
}

/** Dropped rows that were still running: what comes for them later must not make a new row. */
const maxRemembered = 1000

export interface ViewState {
  readonly limits: ViewLimits
  version: number
  readonly rows: Row[]
  readonly byId: Map<string, Row>
  readonly origins: Set<string>
  /** Ids of dropped rows that may still be spoken of. */
  readonly gone: Set<string>
  /** Rows dropped for `maxRows`. */
  droppedRows: number
  /** Rows that lost their detail for `maxDetailBytes`. */
  trimmedRows: number
  keptBytes: number
  /** The row on screen: its detail is the last to go. */
  pinnedId: string | undefined
  calls: number
  running: number
  openConnections: number
  /** As `messages-dropped` counts them. */
  droppedMessages: number
  analyzerFailures: number
  lastAnalyzerFailure: string
  totals: Tally
  latestAt: number
}

export function createViewState(limits: ViewLimits = viewLimits): ViewState {
  return {
    limits,
    version: 0,
    rows: [],
    byId: new Map(),
    origins: new Set(),
    gone: new Set(),
    droppedRows: 0,
    trimmedRows: 0,
    keptBytes: 0,
    pinnedId: undefined,
    calls: 0,
    running: 0,
    openConnections: 0,
    droppedMessages: 0,
    analyzerFailures: 0,
    lastAnalyzerFailure: '',
    totals: emptyTally,
    latestAt: 0,
  }
}

/**
 * Takes in one message. Any message in any order is accepted: an exchange whose start was never
 * seen gets a row all the same. `origin` names the proxy it came from.
 */
export function applyMessage(state: ViewState, msg: AnalysisMsg, origin: string): void {
  state.version += 1
  state.latestAt = Math.max(state.latestAt, msg.at)
  state.origins.add(origin)
  switch (msg.kind) {
    case 'connection-opened':
      state.openConnections += 1
      return
    case 'connection-closed':
      state.openConnections = Math.max(0, state.openConnections - 1)
      return
    case 'messages-dropped':
      state.droppedMessages += msg.count
      return
    case 'analyzer-failed':
      state.analyzerFailures += 1
      state.lastAnalyzerFailure = `${msg.analyzer}: ${msg.error}`
      break
    default:
      break
  }
  const row = rowFor(state, msg, origin)
  if (row === undefined) return
  updateRow(state, row, msg)
  followSocket(state, row, msg)
  makeRoom(state)
}

/** Called when no more messages can come: what still runs will never be seen to end. */
export function endRunningRows(state: ViewState): void {
  state.version += 1
  for (const row of state.rows) {
    if (row.phase !== 'running') continue
    row.phase = 'done'
    row.problem ??= 'its end was not seen'
    row.version += 1
  }
  state.running = 0
}

function rowFor(state: ViewState, msg: AnalysisMsg, origin: string): Row | undefined {
  const own = ownId(msg, origin)
  const exchangeId = msg.exchangeId ?? own
  if (exchangeId === undefined || state.gone.has(exchangeId)) return undefined
  const id = idOf(msg, exchangeId)
  const known = state.byId.get(id)
  if (known !== undefined) return known
  if (state.gone.has(id)) return undefined
  const row = createRow(id, origin, kindOf(msg), msg)
  const whole = row.isPart ? state.byId.get(exchangeId) : undefined
  if (whole !== undefined) enterPart(row, whole)
  state.rows.push(row)
  state.byId.set(id, row)
  state.running += 1
  return row
}

/** Each of several calls of one exchange has a row of its own, beside that of the exchange. */
function idOf(msg: AnalysisMsg, exchangeId: string): string {
  const isOne = !('call' in msg) || msg.call === undefined
  return isOne ? exchangeId : `${exchangeId}\u0000${msg.call}`
}

function enterPart(row: Row, whole: Row): void {
  row.method = whole.method
  row.url = whole.url
  row.host = whole.host
  row.path = whole.path
  row.status = whole.status
  whole.latestPartId = row.id
}

/** What comes on a socket belongs to the newest answer that is still being written on it. */
function followSocket(state: ViewState, whole: Row, msg: AnalysisMsg): void {
  const row = whole.latestPartId === undefined ? undefined : state.byId.get(whole.latestPartId)
  if (msg.kind !== 'websocket-message' || row?.phase !== 'running') return
  if (msg.direction !== 'response' || msg.text === undefined) return
  appendLive(row, readStreamDeltas(msg.text))
  row.version += 1
}

/** An id for what makes a row without being an exchange. */
function ownId(msg: AnalysisMsg, origin: string): string | undefined {
  switch (msg.kind) {
    case 'connection-refused':
    case 'tls-failed':
      return `${origin}\u0000${msg.seq}`
    case 'tunnel-opened':
    case 'tunnel-closed':
      return `${origin}\u0000${msg.connectionId ?? msg.seq}`
    default:
      return undefined
  }
}

function kindOf(msg: AnalysisMsg): Row['kind'] {
  switch (msg.kind) {
    case 'connection-refused':
      return 'refused'
    case 'tls-failed':
      return 'tls'
    case 'tunnel-opened':
    case 'tunnel-closed':
      return 'tunnel'
    default:
      return 'http'
  }
}

function updateRow(state: ViewState, row: Row, msg: AnalysisMsg): void {
  const before = { phase: row.phase, settled: row.settled, current: row.current }
  const beforeBytes = row.keptBytes
  state.calls += applyToRow(row, msg, state.limits.maxRowBytes)
  row.version += 1
  row.lastAt = Math.max(row.lastAt, msg.at)
  row.agent ??= msg.agent
  state.keptBytes += row.keptBytes - beforeBytes
  state.running += isRunning(row.phase) - isRunning(before.phase)
  if (before.settled !== row.settled || before.current !== row.current) {
    const added = addTallies(row.settled, row.current)
    const removed = addTallies(before.settled, before.current)
    state.totals = subtractTally(addTallies(state.totals, added), removed)
  }
}

function isRunning(phase: Row['phase']): 0 | 1 {
  return phase === 'running' ? 1 : 0
}

function makeRoom(state: ViewState): void {
  const { limits, rows } = state
  if (rows.length > limits.maxRows) {
    for (const row of rows.splice(0, rows.length - limits.maxRows)) drop(state, row)
  }
  if (state.keptBytes <= limits.maxDetailBytes) return
  // Down to a little less than the bound, or every further message would walk the rows again.
  const target = limits.maxDetailBytes * 0.9
  for (const row of rows) {
    if (state.keptBytes <= target) return
    if (row.detail !== undefined && row.id !== state.pinnedId) trim(state, row)
  }
}

function drop(state: ViewState, row: Row): void {
  state.byId.delete(row.id)
  state.droppedRows += 1
  state.keptBytes -= row.keptBytes
  if (row.phase === 'running') state.running -= 1
  state.gone.add(row.id)
  const oldest = state.gone.values().next().value
  if (state.gone.size > maxRemembered && oldest !== undefined) state.gone.delete(oldest)
}

function trim(state: ViewState, row: Row): void {
  state.keptBytes -= row.keptBytes
  state.trimmedRows += 1
  row.keptBytes = 0
  row.detail = undefined
  row.version += 1
}
