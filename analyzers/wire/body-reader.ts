/**
 * From body messages to decoded bytes: checks that offsets follow each other, undoes the content
 * codings. After a gap nothing more comes out, for a decoder or a parser fed past it would make
 * up content; the reader then says so.
 */
import type { ContentDecoder, DecoderState } from '../../src/base/content-decoder.ts'
import { createContentDecoder, parseContentEncoding } from '../../src/base/content-decoder.ts'
import { byteLengthOf, bytesOf, decodedOf, shareDecoded } from '../../src/messages/body-bytes.ts'
import { headerValues } from '../../src/messages/header-values.ts'
import type { HeaderPairs, MsgOf } from '../../src/messages/schema.ts'
import type { ContentType } from './headers.ts'
import { readContentType } from './headers.ts'

type BodyMsg = MsgOf<'request-body'> | MsgOf<'response-body'>

export interface BodyEnd {
  /** Every byte that was sent has been read and decoded. */
  readonly isWhole: boolean
  /** Why not, or what the decoder objected to. */
  readonly problem?: string
}

export interface BodyReader {
  readonly type: ContentType
  /** As the header says, codings joined by a comma; absent without any. */
  readonly contentEncoding?: string
  /** Bytes as sent, of what arrived here. */
  readonly wireBytes: number
  push(msg: BodyMsg): Uint8Array
  /** As `push`, for who needs no more than how many bytes came out. */
  count(msg: BodyMsg): number
  /**
   * As `push`, where what comes out stands in the message as text, so that no bytes of it need to be
   * made; undefined where it does not, and `push` has to be called.
   */
  pushText(msg: BodyMsg): string | undefined
  /** `sentBytes` is the length of the body as its sender framed it; absent if it was cut off. */
  end(sentBytes: number | undefined): BodyEnd
}

export function createBodyReader(headers: HeaderPairs): BodyReader {
  const codings = parseContentEncoding(headerValues(headers, 'content-encoding'))
  const isPlain = codings.length === 0
  let decoder: ContentDecoder | undefined
  let wireBytes = 0
  let hasGap = false

  /** Somebody may have decoded the message before, and with it all that came before it. */
  function decode(msg: BodyMsg, bytes: Uint8Array): Uint8Array {
    if (isPlain) return bytes
    const shared = decodedOf(msg)
    if (shared !== undefined && (decoder === undefined || decoder === shared.decoder)) {
      decoder = shared.decoder
      return shared.bytes
    }
    decoder ??= createContentDecoder(codings)
    const decoded = { decoder, bytes: decoder.push(bytes) }
    shareDecoded(msg, decoded)
    return decoded.bytes
  }

  function follows(msg: BodyMsg): boolean {
    if (msg.offset !== wireBytes) hasGap = true
    return !hasGap
  }

  function countPlain(msg: BodyMsg): number {
    if (!follows(msg)) return 0
    const length = byteLengthOf(msg)
    wireBytes += length
    return length
  }

  return {
    type: readContentType(headers),
    ...(isPlain ? {} : { contentEncoding: codings.join(', ') }),
    get wireBytes() {
      return wireBytes
    },
    push(msg) {
      if (!follows(msg)) return nothing
      const bytes = bytesOf(msg)
      wireBytes += bytes.length
      return decode(msg, bytes)
    },
    count(msg) {
      return isPlain ? countPlain(msg) : this.push(msg).length
    },
    pushText(msg) {
      // A lone surrogate, as a damaged capture may hold it, has no bytes of its own.
      if (!isPlain || msg.text === undefined || !msg.text.isWellFormed()) return undefined
      return countPlain(msg) === 0 ? '' : msg.text
    },
    end(sentBytes) {
      const state = (decoder ?? createContentDecoder(codings)).end()
      if (state.kind === 'failed' || state.kind === 'limit') {
        return { isWhole: false, problem: problemOf(state) }
      }
      if (hasGap || (sentBytes !== undefined && sentBytes !== wireBytes)) {
        return { isWhole: false, problem: 'bytes are missing' }
      }
      if (sentBytes === undefined) return { isWhole: false, problem: 'cut off' }
      if (codings.length > 0 && wireBytes > 0 && state.kind === 'truncated') {
        return { isWhole: false, problem: problemOf(state) }
      }
      return { isWhole: true }
    },
  }
}

const nothing = new Uint8Array(0)

function problemOf(state: DecoderState): string {
  if (state.kind === 'failed') return state.problem
  if (state.kind === 'limit') return 'expands to more than the limit'
  return 'ends within its content coding'
}
