/**
 * The view model: messages in, rows and totals out. One row for each exchange, tunnel and refusal,
 * at most `maxRows` of them, and a bound on the bytes kept for their details; what is dropped is
 * counted. It has no clock, no timer and no terminal.
 *
 * The state changes in place: a copy of ten thousand rows for every chunk of every stream would be
 * most of the viewer's work. `state.version` rises with every change.
 */
import type { AnalysisMsg } from '../messages/schema.ts'
import { Funnel } from '../recorded/funnel.ts'
import { applyToRow } from './apply.ts'
import { RateWindow } from './rates.ts'
import type { Row, Tally } from './row.ts'
import { addTallies, appendLive, createRow, emptyTally, subtractTally, summaryOf } from './row.ts'
import { Sessions } from './sessions.ts'
import { readStreamDeltas } from './stream-delta.ts'
import type { ViewLimits } from './view-limits.ts'
import { viewLimits } from './view-limits.ts'

/** Dropped rows that were still running: what comes for them later must not make a new row. */
const maxRemembered = 1000

/** What is left of the prompt and of the answer of an old row. */
const shortSummaryCharacters = 120

export interface ViewState {
  readonly limits: ViewLimits
  version: number
  /** In the order of arrival; what is dropped goes from the front. */
  readonly rows: Row[]
  /** Rows that changed, came or went since whoever shows them last emptied this. */
  readonly changes: Set<Row>
  /** Rises when `changes` does not tell all that changed. */
  epoch: number
  readonly byId: Map<string, Row>
  readonly origins: Set<string>
  /** Ids of dropped rows that may still be spoken of. */
  readonly gone: Set<string>
  /** Rows dropped for `maxRows`. */
  droppedRows: number
  /** Rows that lost their detail for `maxDetailBytes`. */
  trimmedRows: number
  keptBytes: number
  /** Rows with details. */
  details: number
  summaryUnits: number
  /** Rows before these ordinals have no details any more, or short summaries. */
  detailsFrom: number
  summariesFrom: number
  /** The ordinal of the next row. */
  nextOrdinal: number
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
  readonly rates: RateWindow
  readonly sessions: Sessions
  /** Told of everything until the first call is seen. */
  readonly funnel: Funnel
}

export function createViewState(limits: ViewLimits = viewLimits): ViewState {
  return {
    limits,
    version: 0,
    rows: [],
    changes: new Set(),
    epoch: 0,
    byId: new Map(),
    origins: new Set(),
    gone: new Set(),
    droppedRows: 0,
    trimmedRows: 0,
    keptBytes: 0,
    details: 0,
    summaryUnits: 0,
    detailsFrom: 0,
    summariesFrom: 0,
    nextOrdinal: 0,
    pinnedId: undefined,
    calls: 0,
    running: 0,
    openConnections: 0,
    droppedMessages: 0,
    analyzerFailures: 0,
    lastAnalyzerFailure: '',
    totals: emptyTally,
    latestAt: 0,
    rates: new RateWindow(),
    sessions: new Sessions(),
    funnel: new Funnel(),
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
  if (state.calls === 0) state.funnel.take(msg)
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
  state.sessions.take(row, msg)
  followSocket(state, row, msg)
  makeRoom(state)
}

/** Forgets all rows; the totals stay. What still comes for them makes no new rows. */
export function clearRows(state: ViewState): void {
  state.version += 1
  for (const row of state.rows.splice(0)) drop(state, row)
  state.droppedRows = 0
  forgetChanges(state)
}

function forgetChanges(state: ViewState): void {
  state.changes.clear()
  state.epoch += 1
}

/** Keeps the details of this row, and no longer those of the row before. */
export function pinRow(state: ViewState, id: string | undefined): void {
  if (state.pinnedId === id) return
  const before = state.byId.get(state.pinnedId ?? '')
  if (before !== undefined) state.detailsFrom = Math.min(state.detailsFrom, before.ordinal)
  state.pinnedId = id
}

/** Called when no more messages can come: what still runs will never be seen to end. */
export function endRunningRows(state: ViewState): void {
  state.version += 1
  for (const row of state.rows) {
    if (row.phase !== 'running') continue
    row.phase = 'done'
    row.problem ??= 'its end was not seen'
    row.version += 1
    state.changes.add(row)
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
  const row = createRow({ id, ordinal: state.nextOrdinal, origin, kind: kindOf(msg) }, msg)
  state.nextOrdinal += 1
  state.details += 1
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
  row.client = whole.client
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
  measureSummary(state, row)
  state.changes.add(row)
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
  const calls = applyToRow(row, msg, state.limits.maxRowBytes)
  state.calls += calls
  row.version += 1
  row.lastAt = Math.max(row.lastAt, msg.at)
  row.agent ??= msg.agent
  state.changes.add(row)
  state.keptBytes += row.keptBytes - beforeBytes
  measureSummary(state, row)
  state.running += isRunning(row.phase) - isRunning(before.phase)
  if (before.settled !== row.settled || before.current !== row.current) {
    const added = addTallies(row.settled, row.current)
    const removed = addTallies(before.settled, before.current)
    state.totals = subtractTally(addTallies(state.totals, added), removed)
    state.rates.add(msg.at, calls, tokensOf(added) - tokensOf(removed))
  } else if (calls > 0) state.rates.add(msg.at, calls, 0)
}

function tokensOf({ inputTokens, outputTokens }: Tally): number {
  return inputTokens + outputTokens
}

function isRunning(phase: Row['phase']): 0 | 1 {
  return phase === 'running' ? 1 : 0
}

function measureSummary(state: ViewState, row: Row): void {
  const units = row.prompt.length + row.answer.length
  state.summaryUnits += units - row.summaryUnits
  row.summaryUnits = units
}

function makeRoom(state: ViewState): void {
  const { limits, rows } = state
  if (rows.length > limits.maxRows) {
    // Some more at once: taking them from the front costs what is left behind them.
    const kept = limits.maxRows - Math.floor(limits.maxRows / 100)
    for (const row of rows.splice(0, rows.length - kept)) drop(state, row)
    // Nobody shows them.
    if (state.changes.size > 2 * limits.maxRows) forgetChanges(state)
  }
  if (state.keptBytes > limits.maxDetailBytes || state.details > limits.maxDetails) {
    trimDetails(state)
  }
  if (state.summaryUnits > limits.maxSummaryUnits) shortenSummaries(state)
}

/** Rows from this ordinal on: ordinals have no gaps. */
function indexFrom({ rows }: ViewState, ordinal: number): number {
  return Math.max(0, ordinal - (rows[0]?.ordinal ?? 0))
}

/** Goes on where it last stopped: no row is looked at twice, but for what was pinned. */
function trimDetails(state: ViewState): void {
  const { limits, rows } = state
  // Down to a little less than the bound, or every further message would begin again.
  const target = state.keptBytes > limits.maxDetailBytes ? 0.9 : 1
  const isEnough = (): boolean =>
    state.keptBytes <= limits.maxDetailBytes * target && state.details <= limits.maxDetails
  for (let at = indexFrom(state, state.detailsFrom); at < rows.length && !isEnough(); at += 1) {
    const row = rows[at]
    if (row === undefined) return
    state.detailsFrom = row.ordinal
    if (row.detail !== undefined && row.id !== state.pinnedId) trim(state, row)
  }
}

function shortenSummaries(state: ViewState): void {
  const { limits, rows } = state
  const target = limits.maxSummaryUnits * 0.95
  // Rows may have grown since they were cut short: what is behind the last one is the first.
  if (indexFrom(state, state.summariesFrom) >= rows.length - 1) state.summariesFrom = 0
  for (let at = indexFrom(state, state.summariesFrom); at < rows.length; at += 1) {
    const row = rows[at]
    if (row === undefined || state.summaryUnits <= target) return
    state.summariesFrom = row.ordinal
    row.prompt = summaryOf(row.prompt, shortSummaryCharacters)
    row.answer = summaryOf(row.answer, shortSummaryCharacters)
    measureSummary(state, row)
    row.version += 1
  }
}

function drop(state: ViewState, row: Row): void {
  row.isGone = true
  state.sessions.forgetRow(row.id)
  state.changes.add(row)
  state.byId.delete(row.id)
  state.droppedRows += 1
  state.keptBytes -= row.keptBytes
  state.summaryUnits -= row.summaryUnits
  if (row.detail !== undefined) state.details -= 1
  if (row.phase === 'running') state.running -= 1
  state.gone.add(row.id)
  const oldest = state.gone.values().next().value
  if (state.gone.size > maxRemembered && oldest !== undefined) state.gone.delete(oldest)
}

function trim(state: ViewState, row: Row): void {
  state.keptBytes -= row.keptBytes
  state.details -= 1
  state.trimmedRows += 1
  row.keptBytes = 0
  row.detail = undefined
  row.version += 1
}
