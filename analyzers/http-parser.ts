/**
 * From body chunks to a body: undoes content codings and charsets, parses JSON. It says what the
 * bytes say and no more: a body with a gap, past a bound or cut off is `truncated`, and what cannot
 * be decoded comes with its `problem`. Event streams are counted, not kept: `SseMerger` reads them.
 */
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit, Work } from '../src/pipeline/analyzer.ts'
import { readBodySlices } from './wire/body-content.ts'
import type { BodyEnd, BodyReader } from './wire/body-reader.ts'
import { createBodyReader } from './wire/body-reader.ts'
import { keptBodyBytes } from './wire/bounds.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import type { FramingSniffer } from './wire/stream-events.ts'
import { createFramingSniffer } from './wire/stream-events.ts'
import { begun } from './wire/work.ts'

type Direction = 'request' | 'response'

interface Body {
  readonly reader: BodyReader
  /** Absent for requests, which are never event streams. */
  readonly sniffer: FramingSniffer | undefined
  readonly pieces: Uint8Array[]
  keptBytes: number
  decodedBytes: number
  isStream: boolean
}

interface Exchange {
  request?: Body | undefined
  response?: Body | undefined
}

const kinds = [
  'request-started',
  'request-body',
  'request-ended',
  'response-started',
  'response-body',
  'response-ended',
  'exchange-completed',
  'exchange-failed',
] as const

export class HttpParser implements Analyzer {
  readonly name = 'http-parser'
  readonly kinds = kinds
  readonly #exchanges = new ExchangeStates<Exchange>()

  onMessage(msg: AnalysisMsg, emit: Emit): Work | undefined {
    switch (msg.kind) {
      case 'request-started':
        if (msg.exchangeId !== undefined) {
          this.#exchanges.set(msg.exchangeId, { request: openBody(msg, 'request') })
        }
        break
      case 'response-started': {
        const exchange = this.#exchanges.get(msg.exchangeId)
        if (exchange !== undefined) exchange.response = openBody(msg, 'response')
        break
      }
      case 'request-body':
      case 'response-body': {
        const body = this.#exchanges.get(msg.exchangeId)?.[directionOf(msg)]
        if (body !== undefined) keep(body, msg)
        break
      }
      case 'request-ended':
      case 'response-ended': {
        const direction = msg.kind === 'request-ended' ? 'request' : 'response'
        const exchange = this.#exchanges.get(msg.exchangeId)
        return begun(finish(exchange, [direction], msg.bytes, emit))
      }
      case 'exchange-completed':
      case 'exchange-failed': {
        const exchange = this.#exchanges.take(msg.exchangeId)
        return begun(finish(exchange, ['request', 'response'], undefined, emit))
      }
      default:
    }
    return undefined
  }
}

function* finish(
  exchange: Exchange | undefined,
  directions: readonly Direction[],
  sentBytes: number | undefined,
  emit: Emit,
): Generator<undefined, void, undefined> {
  for (const direction of directions) {
    const body = exchange?.[direction]
    if (exchange === undefined || body === undefined) continue
    exchange[direction] = undefined
    const end = body.reader.end(sentBytes)
    if (body.reader.wireBytes === 0 && end.problem !== 'bytes are missing') continue
    emit(yield* parsed(body, direction, end))
  }
}

function openBody(
  msg: MsgOf<'request-started'> | MsgOf<'response-started'>,
  direction: Direction,
): Body {
  const reader = createBodyReader(msg.headers)
  return {
    reader,
    sniffer: direction === 'response' ? createFramingSniffer(reader.type.mediaType) : undefined,
    pieces: [],
    keptBytes: 0,
    decodedBytes: 0,
    isStream: false,
  }
}

function directionOf(msg: MsgOf<'request-body'> | MsgOf<'response-body'>): Direction {
  return msg.kind === 'request-body' ? 'request' : 'response'
}

function keep(body: Body, msg: MsgOf<'request-body'> | MsgOf<'response-body'>): void {
  if (body.isStream) {
    body.decodedBytes += body.reader.count(msg)
    return
  }
  const bytes = body.reader.push(msg)
  body.decodedBytes += bytes.length
  const framing = body.sniffer?.push(bytes) ?? 'none'
  if (framing !== 'none') {
    body.isStream = true
    body.pieces.length = 0
    return
  }
  const piece = bytes.subarray(0, keptBodyBytes - body.keptBytes)
  if (piece.length === 0) return
  body.pieces.push(piece)
  body.keptBytes += piece.length
}

function* parsed(
  body: Body,
  direction: Direction,
  end: BodyEnd,
): Generator<undefined, Parameters<Emit>[0], undefined> {
  const { mediaType } = body.reader.type
  const isCut = !body.isStream && body.keptBytes < body.decodedBytes
  const isWhole = end.isWhole && !isCut
  const content = body.isStream
    ? {}
    : yield* readBodySlices(Buffer.concat(body.pieces, body.keptBytes), body.reader.type, isWhole)
  const problem = end.problem ?? (isCut ? 'longer than what is kept' : content.problem)
  return {
    kind: 'http-parsed',
    direction,
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(body.reader.contentEncoding === undefined
      ? {}
      : { contentEncoding: body.reader.contentEncoding }),
    ...content,
    bytes: body.decodedBytes,
    truncated: !isWhole,
    ...(problem === undefined ? {} : { problem }),
  }
}
