/**
 * Every body of the soak is the beginning of a text that all sides can make for themselves: so each
 * piece, wherever it was seen, can be checked by its place alone.
 */
import {
  fileBody,
  smallAnswerBody,
  smallRequestBody,
  streamEnd,
  streamEvent,
} from '../bench/payloads.ts'

/** `none`, `call`, `answer`, `file:BYTES` or `events:COUNT`. */
export type BodyName = string

const mebibyte = 1024 * 1024
/** Longest body that there is, in bytes. */
export const largestBody = mebibyte

const call = smallRequestBody()
const answer = smallAnswerBody()
const file = fileBody(largestBody)
const streams = new Map<number, Buffer>()

/** The whole body of that name; throws for an unknown one. */
export function bodyOf(name: BodyName): Buffer {
  const [kind = '', size = '0'] = name.split(':')
  switch (kind) {
    case 'none':
      return Buffer.alloc(0)
    case 'call':
      return call
    case 'answer':
      return answer
    case 'file':
      return file.subarray(0, Number(size))
    case 'events':
      return streamOf(Number(size))
    default:
      throw new Error(`no body is named ${name}`)
  }
}

/** A streamed answer of so many events, without its end. */
export function eventAt(index: number): string {
  return streamEvent(`event${index}`)
}

function streamOf(count: number): Buffer {
  const known = streams.get(count)
  if (known !== undefined) return known
  const events = Array.from({ length: count }, (_, index) => eventAt(index))
  const made = Buffer.from(events.join('') + streamEnd)
  streams.set(count, made)
  return made
}

/** Whether `piece` is what stands at `offset` of the body. */
export function isPieceOf(body: Buffer, offset: number, piece: Uint8Array): boolean {
  return body.subarray(offset, offset + piece.byteLength).equals(piece)
}
