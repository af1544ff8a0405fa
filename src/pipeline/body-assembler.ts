/**
 * Joins the chunks of request bodies to messages that end where their content says so, not where
 * a packet happened to: the same text in a later request then gives the same pieces, and no
 * message ends within a UTF-8 character. What has not come to an end waits, a bounded part of each
 * body, until more of it comes or anything else is told of its exchange. Responses are not joined:
 * when their bytes came is part of what they tell.
 */
import { endOfPiece } from '../base/content-pieces.ts'
import type { DecodedBytes } from '../messages/body-bytes.ts'
import type { ConcealedValues } from '../policy/concealed-values.ts'

export interface BodyChunk {
  readonly kind: 'request-body' | 'response-body'
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string | undefined
  readonly offset: number
  readonly chunk: Uint8Array
  /** Secrets to be masked wherever they stand in it; never told themselves. */
  readonly known?: readonly string[] | undefined
  /** Which of them were put into the request; told where they come back. */
  readonly concealed?: ConcealedValues | undefined
  /** What came out of its content coding, where that has been undone; not of requests. */
  readonly decoded?: DecodedBytes | undefined
}

/** A chunk that is to become one message. */
export interface BodyPart {
  readonly body: BodyChunk
  /** Where its pieces end; absent where it was not cut. */
  readonly pieceEnds?: readonly number[]
}

/** Bytes of a body that are brought together before they are told. */
const partBytes = 64 * 1024
/** Bodies that may wait at a time; the oldest is told as far as it has come where there are more. */
const maxWaiting = 256

interface Waiting {
  /** The first chunk that waits. */
  readonly first: BodyChunk
  readonly chunks: Uint8Array[]
  bytes: number
}

export class BodyAssembler {
  readonly #waiting = new Map<string, Waiting>()

  /** What can be told now that `body` has come, in order. */
  push(body: BodyChunk): BodyPart[] {
    if (body.kind === 'response-body') return [{ body }]
    const parts: BodyPart[] = []
    let waiting = this.#waiting.get(body.exchangeId)
    if (waiting !== undefined && waiting.first.offset + waiting.bytes !== body.offset) {
      // Chunks between the two were dropped.
      parts.push(...this.flush(body.exchangeId))
      waiting = undefined
    }
    if (waiting === undefined) {
      if (this.#waiting.size >= maxWaiting) parts.push(...this.#flushOldest())
      waiting = { first: body, chunks: [], bytes: 0 }
      this.#waiting.set(body.exchangeId, waiting)
    }
    waiting.chunks.push(body.chunk)
    waiting.bytes += body.chunk.length
    if (waiting.bytes < partBytes) return parts
    const whole = joined(waiting)
    const pieceEnds = cut(whole)
    const end = pieceEnds.at(-1)
    if (end === undefined) return parts
    parts.push(partOf(waiting.first, whole.subarray(0, end), pieceEnds))
    const { first } = waiting
    const rest = whole.subarray(end)
    const next = { ...first, offset: first.offset + end, chunk: rest }
    this.#waiting.set(body.exchangeId, { first: next, chunks: [rest], bytes: rest.length })
    return parts
  }

  /** All that waits of an exchange. */
  flush(exchangeId: string | undefined): BodyPart[] {
    const waiting = exchangeId === undefined ? undefined : this.#waiting.get(exchangeId)
    if (exchangeId === undefined || waiting === undefined) return []
    this.#waiting.delete(exchangeId)
    const whole = joined(waiting)
    const pieceEnds = cut(whole)
    if (pieceEnds.at(-1) !== whole.length) pieceEnds.push(whole.length)
    return [partOf(waiting.first, whole, pieceEnds)]
  }

  /** All that waits. */
  flushAll(): BodyPart[] {
    return [...this.#waiting.keys()].flatMap((exchangeId) => this.flush(exchangeId))
  }

  #flushOldest(): BodyPart[] {
    const oldest = this.#waiting.keys().next()
    return oldest.done === true ? [] : this.flush(oldest.value)
  }
}

function partOf(first: BodyChunk, chunk: Uint8Array, pieceEnds: readonly number[]): BodyPart {
  return { body: { ...first, chunk }, pieceEnds }
}

function joined({ chunks, bytes }: Waiting): Uint8Array {
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes)
}

function cut(bytes: Uint8Array): number[] {
  const ends: number[] = []
  for (let from = 0; ;) {
    const end = endOfPiece(bytes, from)
    if (end === undefined) return ends
    ends.push(end)
    from = end
  }
}
