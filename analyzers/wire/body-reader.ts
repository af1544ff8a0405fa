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
  return new Reader(headers)
}

/** A class, for there are several of every exchange: closures and getters of one's own cost more. */
class Reader implements BodyReader {
  readonly type: ContentType
  readonly contentEncoding?: string
  readonly #codings: readonly string[]
  readonly #isPlain: boolean
  #decoder: ContentDecoder | undefined
  #wireBytes = 0
  #hasGap = false

  constructor(headers: HeaderPairs) {
    this.type = readContentType(headers)
    const values = headerValues(headers, 'content-encoding')
    this.#codings = values.length === 0 ? values : parseContentEncoding(values)
    this.#isPlain = this.#codings.length === 0
    if (!this.#isPlain) this.contentEncoding = this.#codings.join(', ')
  }

  get wireBytes(): number {
    return this.#wireBytes
  }

  push(msg: BodyMsg): Uint8Array {
    if (!this.#follows(msg)) return nothing
    const bytes = bytesOf(msg)
    this.#wireBytes += bytes.length
    return this.#isPlain ? bytes : this.#decode(msg, bytes)
  }

  count(msg: BodyMsg): number {
    return this.#isPlain ? this.#countPlain(msg) : this.push(msg).length
  }

  pushText(msg: BodyMsg): string | undefined {
    // A lone surrogate, as a damaged capture may hold it, has no bytes of its own.
    if (!this.#isPlain || msg.text === undefined || !msg.text.isWellFormed()) return undefined
    return this.#countPlain(msg) === 0 ? '' : msg.text
  }

  end(sentBytes: number | undefined): BodyEnd {
    const state = this.#isPlain ? ended : this.#decoderNow().end()
    if (state.kind === 'failed' || state.kind === 'limit') {
      return { isWhole: false, problem: problemOf(state) }
    }
    if (this.#hasGap || (sentBytes !== undefined && sentBytes !== this.#wireBytes)) {
      return { isWhole: false, problem: 'bytes are missing' }
    }
    if (sentBytes === undefined) return { isWhole: false, problem: 'cut off' }
    if (!this.#isPlain && this.#wireBytes > 0 && state.kind === 'truncated') {
      return { isWhole: false, problem: problemOf(state) }
    }
    return { isWhole: true }
  }

  #follows(msg: BodyMsg): boolean {
    if (msg.offset !== this.#wireBytes) this.#hasGap = true
    return !this.#hasGap
  }

  #countPlain(msg: BodyMsg): number {
    if (!this.#follows(msg)) return 0
    const length = byteLengthOf(msg)
    this.#wireBytes += length
    return length
  }

  /** Somebody may have decoded the message before, and with it all that came before it. */
  #decode(msg: BodyMsg, bytes: Uint8Array): Uint8Array {
    const shared = decodedOf(msg)
    if (shared !== undefined && (this.#decoder === undefined || this.#decoder === shared.decoder)) {
      this.#decoder = shared.decoder
      return shared.bytes
    }
    const decoder = this.#decoderNow()
    const decoded = { decoder, bytes: decoder.push(bytes) }
    shareDecoded(msg, decoded)
    return decoded.bytes
  }

  #decoderNow(): ContentDecoder {
    this.#decoder ??= createContentDecoder(this.#codings)
    return this.#decoder
  }
}

const ended: DecoderState = { kind: 'ended' }
const nothing = new Uint8Array(0)

function problemOf(state: DecoderState): string {
  if (state.kind === 'failed') return state.problem
  if (state.kind === 'limit') return 'expands to more than the limit'
  return 'ends within its content coding'
}
