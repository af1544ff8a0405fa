/**
 * From the bytes of a streamed answer to its events, as they arrive, and to the object that the
 * non-streamed answer would have been. Which wire format it is follows from the path and the shape
 * of the events; a stream of no known format gives its events only.
 */
import type { AnalysisMsg, AnalysisMsgDraft, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit } from '../src/pipeline/analyzer.ts'
import { recognizeStream, streamFormatByPath } from './providers/recognize.ts'
import type { StreamFormat, StreamMerger, StreamResult } from './providers/stream-format.ts'
import type { BodyEnd, BodyReader } from './wire/body-reader.ts'
import { createBodyReader } from './wire/body-reader.ts'
import { mergedDataLength } from './wire/bounds.ts'
import { createEventstreamReader } from './wire/eventstream-reader.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import { createJsonArrayReader } from './wire/json-array.ts'
import { readRecord } from './wire/json.ts'
import { createNdjsonReader } from './wire/ndjson.ts'
import { createSseReader } from './wire/sse.ts'
import type { EventReader, Framing, FramingSniffer, StreamEvent } from './wire/stream-events.ts'
import { createFramingSniffer } from './wire/stream-events.ts'

interface Stream {
  readonly body: BodyReader
  readonly sniffer: FramingSniffer
  /** Bytes that wait for the verdict of the sniffer. */
  held: Uint8Array[]
  framing: Framing | 'none' | undefined
  /** Set once the body is known to be a stream. */
  events: EventReader | undefined
  eventCount: number
  firstEventMs: number | undefined
  lastEventMs: number | undefined
  format: StreamFormat | undefined
  merger: StreamMerger | undefined
  mergedLength: number
}

interface Exchange {
  readonly startedAt: number
  readonly formatByPath: StreamFormat | undefined
  stream?: Stream | undefined
}

const eventReaders: Readonly<Record<Framing, () => EventReader>> = {
  sse: createSseReader,
  eventstream: createEventstreamReader,
  ndjson: createNdjsonReader,
  'json-array': createJsonArrayReader,
}

const kinds = [
  'request-started',
  'response-started',
  'response-body',
  'response-ended',
  'exchange-completed',
  'exchange-failed',
] as const

export class SseMerger implements Analyzer {
  readonly name = 'sse-merger'
  readonly kinds = kinds
  readonly #exchanges = new ExchangeStates<Exchange>()

  onMessage(msg: AnalysisMsg, emit: Emit): void {
    switch (msg.kind) {
      case 'request-started':
        if (msg.exchangeId !== undefined) {
          const formatByPath = streamFormatByPath(msg.url, msg.host)
          this.#exchanges.set(msg.exchangeId, { startedAt: msg.at, formatByPath })
        }
        break
      case 'response-started': {
        const exchange = this.#exchanges.get(msg.exchangeId)
        if (exchange !== undefined) exchange.stream = openStream(msg, exchange.formatByPath)
        break
      }
      case 'response-body':
        this.#read(msg, emit)
        break
      case 'response-ended':
        this.#finish(this.#exchanges.get(msg.exchangeId), msg, msg.bytes, emit)
        break
      case 'exchange-completed':
      case 'exchange-failed':
        this.#finish(this.#exchanges.take(msg.exchangeId), msg, undefined, emit)
        break
      default:
    }
  }

  #read(msg: MsgOf<'response-body'>, emit: Emit): void {
    const exchange = this.#exchanges.get(msg.exchangeId)
    const stream = exchange?.stream
    if (exchange === undefined || stream === undefined || stream.framing === 'none') return
    const onEvent = (event: StreamEvent): void => takeEvent(exchange, stream, event, msg.at, emit)
    const text = stream.events?.pushText === undefined ? undefined : stream.body.pushText(msg)
    if (text !== undefined) {
      stream.events?.pushText?.(text, onEvent)
      return
    }
    const bytes = stream.body.push(msg)
    stream.framing ??= stream.sniffer.push(bytes)
    if (stream.framing === undefined) stream.held.push(bytes)
    if (stream.framing === undefined || stream.framing === 'none') return
    const events = (stream.events ??= eventReaders[stream.framing]())
    for (const piece of stream.held) events.push(piece, onEvent)
    stream.held = []
    events.push(bytes, onEvent)
  }

  #finish(
    exchange: Exchange | undefined,
    msg: AnalysisMsg,
    sentBytes: number | undefined,
    emit: Emit,
  ): void {
    const stream = exchange?.stream
    if (exchange === undefined || stream === undefined) return
    exchange.stream = undefined
    if (stream.events === undefined) return
    const end = stream.body.end(sentBytes)
    stream.events.end((event) => takeEvent(exchange, stream, event, msg.at, emit))
    const format = stream.format ?? exchange.formatByPath
    if (format === undefined) return
    const result = (stream.merger ?? format.createMerger()).result()
    const problem = problemOf(stream, result, end)
    emit({
      kind: 'stream-merged',
      format: format.name,
      merged: result.merged,
      text: result.text,
      eventCount: stream.eventCount,
      ...(stream.firstEventMs === undefined ? {} : { firstEventMs: stream.firstEventMs }),
      ...(stream.lastEventMs === undefined ? {} : { lastEventMs: stream.lastEventMs }),
      complete: problem === undefined,
      ...(problem === undefined ? {} : { problem }),
    })
  }
}

function openStream(msg: MsgOf<'response-started'>, byPath: StreamFormat | undefined): Stream {
  const body = createBodyReader(msg.headers)
  return {
    body,
    sniffer: createFramingSniffer(body.type.mediaType, byPath?.inArrays),
    held: [],
    framing: undefined,
    events: undefined,
    eventCount: 0,
    firstEventMs: undefined,
    lastEventMs: undefined,
    format: undefined,
    merger: undefined,
    mergedLength: 0,
  }
}

function takeEvent(
  exchange: Exchange,
  stream: Stream,
  event: StreamEvent,
  at: number,
  emit: Emit,
): void {
  const sinceRequestMs = Math.max(0, at - exchange.startedAt)
  stream.firstEventMs ??= sinceRequestMs
  stream.lastEventMs = sinceRequestMs
  emit(draftOf(event, stream.eventCount, sinceRequestMs))
  stream.eventCount += 1
  stream.format ??= formatOf(exchange.formatByPath, event.data)
  if (stream.format === undefined) return
  stream.merger ??= stream.format.createMerger()
  stream.mergedLength += event.data.length
  if (stream.mergedLength <= mergedDataLength) stream.merger.push(event.data, event.event)
}

/** Spelled out: there are hundreds in one answer, and most have nothing but data. */
function draftOf(event: StreamEvent, index: number, sinceRequestMs: number): AnalysisMsgDraft {
  const kind = 'sse-event'
  const { event: type, data } = event
  if (event.id !== undefined || event.unterminated !== undefined) {
    return { kind, index, ...event, sinceRequestMs }
  }
  return type === undefined
    ? { kind, index, data, sinceRequestMs }
    : { kind, index, event: type, data, sinceRequestMs }
}

function formatOf(byPath: StreamFormat | undefined, data: string): StreamFormat | undefined {
  const record = readRecord(data)
  return record === undefined ? undefined : recognizeStream(byPath, record)
}

/** Why a stream's answer is not complete, the most telling reason first. */
function problemOf(stream: Stream, result: StreamResult, end: BodyEnd): string | undefined {
  if (result.problem !== undefined) return result.problem
  if (stream.events?.problem !== undefined) return stream.events.problem
  if (stream.mergedLength > mergedDataLength) return 'the stream is longer than the limit'
  // Cut off after its own end, as by clients that have heard enough, an answer is complete.
  const hasEnded = result.complete && result.endsWithBody !== true
  if (!end.isWhole && !(hasEnded && end.problem === 'cut off')) return end.problem
  if (stream.merger === undefined) return 'no event of this format'
  return result.complete ? undefined : 'ends before the answer does'
}
