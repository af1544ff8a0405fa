/**
 * One row of the viewer: an exchange with its request and answer, a tunnel, a refusal or a failed
 * TLS handshake. A row is a summary that always stays and a `detail` (headers, bodies, events,
 * messages) that is dropped first when memory runs short. Rows change in place; `version` tells.
 */
import type { AnalysisMsg, CallLink, HeaderPairs, MsgOf } from '../messages/schema.ts'
import { sentTokens } from '../messages/sent-tokens.ts'
import type { SpendSum } from './format.ts'
import type { StreamDelta } from './stream-delta.ts'

export type RowKind = 'call' | 'api' | 'mcp' | 'http' | 'tunnel' | 'refused' | 'tls'
export type RowPhase = 'running' | 'done' | 'failed'

/** UTF-16 units of prompt and answer that a summary keeps for the list and for searching. */
export const summaryCharacters = 8192
/** UTF-16 units of an answer that are kept while it streams. */
export const liveCharacters = 1_048_576
const maxNotes = 200

export interface Row {
  readonly id: string
  /** Rises by one with every new row: the order of arrival. */
  readonly ordinal: number
  readonly origin: string
  kind: RowKind
  phase: RowPhase
  /** Rises with every change. */
  version: number
  readonly startedAt: number
  lastAt: number
  /** It is one of several calls of an exchange, and ends with its answer. */
  readonly isPart: boolean
  /** Of the row of an exchange: the row of its latest call. */
  latestPartId: string | undefined
  /** It was dropped, and is no longer of the model. */
  isGone: boolean
  agent: string | undefined
  /** The program, as its `User-Agent` names it. */
  client: string | undefined
  method: string
  /** Absolute URL as reported; empty while unknown. */
  url: string
  host: string
  path: string
  status: number | undefined
  provider: string | undefined
  operation: string | undefined
  model: string | undefined
  streaming: boolean
  ttftMs: number | undefined
  durationMs: number | undefined
  tokensPerSecond: number | undefined
  finishReason: string | undefined
  branch: CallLink['branch'] | undefined
  cacheVerdict: CallLink['cache']['verdict'] | undefined
  /** Ids of its session: Porthole's, and the client's own. */
  sessions: readonly string[]
  /** How many tools the answer calls, and the names of the first of them, each once. */
  toolCalls: number
  toolNames: readonly string[]
  /** Refused here: it is no call, whatever it asked for. */
  isRefused: boolean
  /** What went wrong, or why it was refused or tunnelled, in one line of raw text. */
  problem: string | undefined
  /** The last user prompt and the answer so far, raw, cut at `summaryCharacters`. */
  prompt: string
  answer: string
  /** Of calls on this connection that ended, and of the current one. */
  settled: Tally
  current: Tally
  requestBytes: number
  responseBytes: number
  /** UTF-16 units of prompt and answer. */
  summaryUnits: number
  /** UTF-16 units that `detail` accounts for. */
  keptBytes: number
  /** Undefined once it was dropped to make room. */
  detail: RowDetail | undefined
}

/** Tokens and money of some calls. */
export interface Tally extends SpendSum {
  readonly inputTokens: number
  /** Of `inputTokens`, what was read from the provider's cache. */
  readonly cachedTokens: number
  readonly outputTokens: number
  /** Whether any usage was known at all: unknown is not zero. */
  readonly counted: boolean
}

export const emptyTally: Tally = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  counted: false,
  usd: 0,
  known: 0,
  estimated: 0,
  unknown: 0,
}

/** Bytes of a body as they were sent. */
export interface BodyChunk {
  readonly at: number
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

export interface Body {
  readonly chunks: BodyChunk[]
  /** Bytes in `chunks`. */
  bytes: number
  /** Something is missing behind `chunks`. */
  isCut: boolean
  /** Without its content, where `chunks` say the same. */
  parsed: MsgOf<'http-parsed'> | undefined
}

/** What was told of the exchange's course, as it was told. */
export interface Heads {
  started: MsgOf<'request-started'> | undefined
  requestEnded: MsgOf<'request-ended'> | undefined
  responseStarted: MsgOf<'response-started'> | undefined
  responseEnded: MsgOf<'response-ended'> | undefined
  end: MsgOf<'exchange-completed' | 'exchange-failed'> | undefined
}

export interface StreamEvent {
  readonly label: string
  readonly data: string
  readonly sinceRequestMs: number
  /** The message that it was told by, of a WebSocket. */
  readonly frame?: MsgOf<'websocket-message'>
}

/** An answer gathered from a stream that still runs, as runs of one type. */
export interface LivePart {
  readonly type: StreamDelta['type']
  readonly name: string | undefined
  text: string
}

export interface Note {
  readonly at: number
  readonly text: string
  readonly isProblem: boolean
}

export interface RowDetail {
  requestHeaders: HeaderPairs
  responseHeaders: HeaderPairs
  statusText: string
  httpVersion: string
  readonly heads: Heads
  readonly request: Body
  readonly response: Body
  readonly events: StreamEvent[]
  operation: MsgOf<'operation-performed'> | undefined
  asked: MsgOf<'mcp-called'> | undefined
  replied: MsgOf<'mcp-answered'> | undefined
  call: MsgOf<'model-called'> | undefined
  answered: MsgOf<'model-answered'> | undefined
  link: CallLink | undefined
  merged: MsgOf<'stream-merged'> | undefined
  readonly live: LivePart[]
  liveLength: number
  readonly notes: Note[]
  /** Something was left out because this one exchange grew too large. */
  isCut: boolean
}

export interface NewRow {
  readonly id: string
  readonly ordinal: number
  readonly origin: string
  readonly kind: RowKind
}

/** `msg` is the first that is told of it. */
export function createRow({ id, ordinal, origin, kind }: NewRow, msg: AnalysisMsg): Row {
  return {
    id,
    ordinal,
    origin,
    kind,
    phase: 'running',
    version: 0,
    startedAt: msg.at,
    lastAt: msg.at,
    isPart: 'call' in msg && msg.call !== undefined,
    latestPartId: undefined,
    isGone: false,
    agent: msg.agent,
    client: undefined,
    method: '',
    url: '',
    host: '',
    path: '',
    status: undefined,
    provider: undefined,
    operation: undefined,
    model: undefined,
    streaming: false,
    ttftMs: undefined,
    durationMs: undefined,
    tokensPerSecond: undefined,
    finishReason: undefined,
    branch: undefined,
    cacheVerdict: undefined,
    sessions: [],
    toolCalls: 0,
    toolNames: [],
    isRefused: false,
    problem: undefined,
    prompt: '',
    answer: '',
    settled: emptyTally,
    current: emptyTally,
    requestBytes: 0,
    responseBytes: 0,
    summaryUnits: 0,
    keptBytes: 0,
    detail: createDetail(),
  }
}

function createDetail(): RowDetail {
  return {
    requestHeaders: [],
    responseHeaders: [],
    statusText: '',
    httpVersion: '',
    heads: {
      started: undefined,
      requestEnded: undefined,
      responseStarted: undefined,
      responseEnded: undefined,
      end: undefined,
    },
    request: { chunks: [], bytes: 0, isCut: false, parsed: undefined },
    response: { chunks: [], bytes: 0, isCut: false, parsed: undefined },
    events: [],
    operation: undefined,
    asked: undefined,
    replied: undefined,
    call: undefined,
    answered: undefined,
    link: undefined,
    merged: undefined,
    live: [],
    liveLength: 0,
    notes: [],
    isCut: false,
  }
}

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    counted: a.counted || b.counted,
    usd: a.usd + b.usd,
    known: a.known + b.known,
    estimated: a.estimated + b.estimated,
    unknown: a.unknown + b.unknown,
  }
}

/** Takes `b`, which is part of `a`, out of it. */
export function subtractTally(a: Tally, b: Tally): Tally {
  return {
    inputTokens: a.inputTokens - b.inputTokens,
    cachedTokens: a.cachedTokens - b.cachedTokens,
    outputTokens: a.outputTokens - b.outputTokens,
    counted: a.counted,
    // Fractions do not add up exactly: what is left of nothing must not read as less than nothing.
    usd: Math.max(0, a.usd - b.usd),
    known: a.known - b.known,
    estimated: a.estimated - b.estimated,
    unknown: a.unknown - b.unknown,
  }
}

/** Input counts fresh, cache-read and cache-written tokens: everything that was sent. */
export function tallyOf(answer: MsgOf<'model-answered'>): Tally {
  const { usage, cost } = answer
  const isKnown = cost?.usd !== undefined && cost.confidence !== 'unknown'
  return {
    inputTokens: usage === undefined ? 0 : sentTokens(usage),
    cachedTokens: usage?.cacheReadTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    counted: usage !== undefined,
    usd: isKnown ? (cost.usd ?? 0) : 0,
    known: isKnown ? 1 : 0,
    estimated: isKnown && cost.confidence === 'estimated' ? 1 : 0,
    unknown: !isKnown && mayHaveCost(answer) ? 1 : 0,
  }
}

/** What was turned down costs nothing; what broke off costs what nobody has told. */
function mayHaveCost({ cost, status = 400 }: MsgOf<'model-answered'>): boolean {
  return cost !== undefined || status < 400
}

/** Appends to the live answer; what passes the bounds is left out. */
export function appendLive(row: Row, deltas: readonly StreamDelta[]): void {
  const { detail } = row
  for (const delta of deltas) {
    if (delta.type === 'text' && row.answer.length < summaryCharacters) {
      row.answer += delta.text.slice(0, summaryCharacters - row.answer.length)
    }
    if (detail === undefined || detail.liveLength + delta.text.length > liveCharacters) continue
    detail.liveLength += delta.text.length + (delta.name?.length ?? 0)
    const last = detail.live.at(-1)
    if (last?.type === delta.type && delta.name === undefined) last.text += delta.text
    else detail.live.push({ type: delta.type, name: delta.name, text: delta.text })
  }
}

export function addNote(row: Row, at: number, text: string, isProblem: boolean): void {
  const notes = row.detail?.notes
  if (notes !== undefined && notes.length < maxNotes) notes.push({ at, text, isProblem })
}

/**
 * A copy of the start of `text` that does not keep the rest alive: V8 represents a slice as a
 * reference into its parent, and so many slices would hold as many whole bodies.
 */
export function summaryOf(text: string, maxCharacters = summaryCharacters): string {
  if (text.length <= maxCharacters) return text
  return Buffer.from(text.slice(0, maxCharacters), 'utf16le').toString('utf16le')
}

/** Whether the row may keep `size` more UTF-16 units; if not, its detail says that it is cut. */
export function reserve(row: Row, size: number, maxRowBytes: number): boolean {
  if (row.detail === undefined) return false
  if (row.keptBytes + size > maxRowBytes) {
    row.detail.isCut = true
    return false
  }
  row.keptBytes += size
  return true
}
