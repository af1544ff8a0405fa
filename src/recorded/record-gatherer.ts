/**
 * From messages, in the order of a capture, to finished records. A record is finished once its end
 * was told and a message of something else follows: what analyzers say of an end comes right after
 * it. Bounded: of each body `maxBodyBytes` are kept, and of all records under way `maxOpenBytes`.
 */
import { bytesOf } from '../messages/body-bytes.ts'
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import type {
  ExchangeRecord,
  RecordedBody,
  RecordedCall,
  RecordedChunk,
  RecordedNote,
  RecordType,
} from './exchange-record.ts'

export interface GatherOptions {
  /** Bytes kept of one body, and characters of the messages of one WebSocket; default 64 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Bytes of bodies and frames kept in all records that have not ended; default 256 MiB. */
  readonly maxOpenBytes?: number | undefined
}

/** Of records that were given out: a message that comes late must not make a second one. */
const rememberedIds = 4096

type Writable<T> = { -readonly [K in keyof T]: T[K] }
interface OpenBody extends RecordedBody {
  chunks: RecordedChunk[]
  bytes: number
  isCut: boolean
}
interface OpenRecord extends Writable<ExchangeRecord> {
  readonly request: OpenBody
  readonly response: OpenBody
  readonly calls: Array<Writable<RecordedCall>>
  readonly mcp: Array<ExchangeRecord['mcp'][number]>
  readonly frames: Array<ExchangeRecord['frames'][number]>
  readonly notes: Array<ExchangeRecord['notes'][number]>
  keptBytes: number
  hasEnded: boolean
}

export class RecordGatherer {
  readonly #maxBodyBytes: number
  readonly #maxOpenBytes: number
  readonly #open = new Map<string, OpenRecord>()
  readonly #given = new Set<string>()
  #openBytes = 0
  /** Ended, and given out as soon as something else is told. */
  #ended: OpenRecord | undefined

  constructor(options: GatherOptions = {}) {
    this.#maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
    this.#maxOpenBytes = options.maxOpenBytes ?? 256 * 1024 * 1024
  }

  /** Takes in one message; returns the record that is finished by it, if any. Never throws. */
  take(msg: AnalysisMsg): ExchangeRecord | undefined {
    const id = recordIdOf(msg)
    const before = this.#ended
    const finished = before !== undefined && before.id !== id ? this.#give(before) : undefined
    if (id === undefined || this.#given.has(id)) return finished
    const record = this.#open.get(id) ?? this.#create(id, msg)
    this.#enter(record, msg)
    if (record.hasEnded) this.#ended = record
    return finished
  }

  /** No more messages come: what is left, in the order in which it began, ended or not. */
  end(): ExchangeRecord[] {
    return [...this.#open.values()].map((record) => this.#give(record))
  }

  #give(record: OpenRecord): ExchangeRecord {
    this.#open.delete(record.id)
    this.#openBytes -= record.keptBytes
    if (this.#ended === record) this.#ended = undefined
    this.#given.add(record.id)
    const [oldest] = this.#given
    if (this.#given.size > rememberedIds && oldest !== undefined) this.#given.delete(oldest)
    return record
  }

  #create(id: string, msg: AnalysisMsg): OpenRecord {
    const record = emptyRecord(id, msg)
    this.#open.set(id, record)
    return record
  }

  #enter(record: OpenRecord, msg: AnalysisMsg): void {
    record.endedAt = Math.max(record.endedAt, msg.at)
    record.agent ??= msg.agent
    if (enterTraffic(record, msg) || enterCall(record, msg) || enterConnection(record, msg)) return
    if (msg.kind === 'request-body' || msg.kind === 'response-body') this.#enterChunk(record, msg)
    else if (msg.kind === 'websocket-message') this.#enterFrame(record, msg)
    else if (msg.kind === 'operation-performed') record.operation = msg
    else if (msg.kind === 'mcp-called' || msg.kind === 'mcp-answered') record.mcp.push(msg)
    else if (isNote(msg)) record.notes.push(msg)
  }

  #enterChunk(record: OpenRecord, msg: MsgOf<'request-body' | 'response-body'>): void {
    const body = msg.kind === 'request-body' ? record.request : record.response
    const bytes = bytesOf(msg)
    // What comes after a gap stands in the wrong place.
    if (body.isCut || msg.offset !== body.bytes || !this.#keeps(record, body.bytes, bytes.length)) {
      body.isCut = true
      return
    }
    body.chunks.push({ at: msg.at, bytes })
    body.bytes += bytes.length
  }

  #enterFrame(record: OpenRecord, msg: MsgOf<'websocket-message'>): void {
    const length = (msg.text ?? msg.base64 ?? '').length
    if (this.#keeps(record, record.keptBytes, length)) record.frames.push(msg)
    else record.response.isCut = true
  }

  #keeps(record: OpenRecord, before: number, added: number): boolean {
    if (before + added > this.#maxBodyBytes) return false
    if (this.#openBytes + added > this.#maxOpenBytes) return false
    this.#openBytes += added
    record.keptBytes += added
    return true
  }
}

function emptyRecord(id: string, msg: AnalysisMsg): OpenRecord {
  return {
    id,
    type: typeOf(msg),
    startedAt: msg.at,
    endedAt: msg.at,
    connectionId: msg.connectionId,
    agent: msg.agent,
    started: undefined,
    request: { chunks: [], bytes: 0, isCut: false },
    requestEnded: undefined,
    refused: undefined,
    responseStarted: undefined,
    response: { chunks: [], bytes: 0, isCut: false },
    responseEnded: undefined,
    end: undefined,
    calls: [],
    operation: undefined,
    mcp: [],
    frames: [],
    notes: [],
    connection: undefined,
    keptBytes: 0,
    hasEnded: false,
  }
}

/** The id of the record that a message belongs to; undefined for what belongs to none. */
export function recordIdOf(msg: AnalysisMsg): string | undefined {
  if (msg.exchangeId !== undefined) return msg.exchangeId
  switch (msg.kind) {
    case 'tunnel-opened':
    case 'tunnel-closed':
      return `tunnel ${msg.connectionId ?? `${msg.at} ${msg.seq}`}`
    case 'connection-refused':
      return `refused ${msg.connectionId ?? msg.at} ${msg.seq}`
    case 'tls-failed':
      return `tls ${msg.connectionId ?? msg.at} ${msg.seq}`
    default:
      return undefined
  }
}

function typeOf(msg: AnalysisMsg): RecordType {
  if (msg.exchangeId !== undefined) return 'exchange'
  if (msg.kind === 'connection-refused') return 'refused'
  return msg.kind === 'tls-failed' ? 'tls' : 'tunnel'
}

function isNote(msg: AnalysisMsg): msg is RecordedNote {
  switch (msg.kind) {
    case 'credential-injected':
    case 'credential-echoed':
    case 'secret-withheld':
    case 'token-replaced':
    case 'token-stripped':
    case 'rule-matched':
    case 'budget-exceeded':
    case 'analyzer-failed':
    case 'messages-dropped':
      return true
    default:
      return false
  }
}

function enterTraffic(record: OpenRecord, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'request-started':
      record.started = msg
      return true
    case 'request-ended':
      record.requestEnded = msg
      record.request.isCut ||= msg.bytes !== record.request.bytes
      return true
    case 'request-refused':
      record.refused = msg
      return true
    case 'response-started':
      record.responseStarted = msg
      return true
    case 'response-ended':
      record.responseEnded = msg
      record.response.isCut ||= msg.bytes !== record.response.bytes
      return true
    case 'exchange-completed':
    case 'exchange-failed':
      record.end = msg
      record.hasEnded = true
      // A body that was refused, or that broke off, has no end of its own.
      record.request.isCut ||= record.requestEnded === undefined
      record.response.isCut ||=
        record.responseStarted !== undefined && record.responseEnded === undefined
      return true
    default:
      return false
  }
}

function enterCall(record: OpenRecord, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'model-called':
      callOf(record, msg.call).called = msg
      return true
    case 'stream-merged':
      callOf(record, msg.call).merged = msg
      return true
    case 'model-answered':
      callOf(record, msg.call).answered = msg
      return true
    case 'call-linked':
      callOf(record, msg.call).link = msg
      return true
    default:
      return false
  }
}

/** The newest call that bears this number: it is nearly always the last. */
function callOf(record: OpenRecord, number: number | undefined): Writable<RecordedCall> {
  const known = record.calls.findLast(
    ({ called, merged, answered }) => (called ?? merged ?? answered)?.call === number,
  )
  if (known !== undefined) return known
  const call = { called: undefined, merged: undefined, answered: undefined, link: undefined }
  record.calls.push(call)
  return call
}

function enterConnection(record: OpenRecord, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'tunnel-opened':
      record.connection ??= msg
      return true
    case 'tunnel-closed':
    case 'connection-refused':
      record.connection = msg
      record.hasEnded = true
      return true
    case 'tls-failed':
      record.connection = msg
      record.hasEnded ||= record.type === 'tls'
      return true
    default:
      return false
  }
}
