/**
 * Reads the frames of one direction of a WebSocket and joins them to messages (RFC 6455 §5), from
 * bytes in any chunks, which it never changes: the same memory may still wait to be sent. `ws` has
 * a receiver, but it unmasks in place, keeps a view per fragment and gives up at the first message
 * that is too large; this one watches, so it skips that message and goes on.
 *
 * Strict where the peers would fail the connection, since what follows could be anything: masking,
 * reserved bits and opcodes, fragmentation, control frames. Text is not checked here.
 */

export interface FrameRules {
  /** RFC 6455 §5.1: a client masks every frame, a server none. */
  readonly isMasked: boolean
  /** Whether permessage-deflate was negotiated, which gives a meaning to RSV1 (RFC 7692 §6). */
  readonly allowsCompression: boolean
  /** Bytes of one message, as sent, that are kept. */
  readonly maxBytes: number
}

export type Opcode = 1 | 2 | 8 | 9 | 10

export interface WireMessage {
  readonly opcode: Opcode
  readonly isCompressed: boolean
  /** Of the payload, as sent. */
  readonly bytes: number
  /** Unmasked, its own memory; undefined where the message was too large or broke off. */
  readonly payload: Buffer | undefined
}

export type FrameEvent =
  | { readonly type: 'message'; readonly message: WireMessage }
  /** What came is not a WebSocket any more; the reader takes nothing after it. */
  | { readonly type: 'problem'; readonly problem: string }

interface Frame {
  readonly isFinal: boolean
  readonly mask: Uint8Array | undefined
  readonly into: Gathering
  readonly length: number
  taken: number
}

/** A message whose frames are still coming. */
interface Gathering {
  readonly opcode: Opcode
  readonly isCompressed: boolean
  bytes: number
  kept: GrowingBytes | undefined
}

/** 2 bytes, up to 8 of length, 4 of mask (RFC 6455 §5.2). */
const maxHeadBytes = 14
const maxControlBytes = 125

export class FrameReader {
  readonly #rules: FrameRules
  readonly #head = Buffer.alloc(maxHeadBytes)
  #headBytes = 0
  #frame: Frame | undefined
  #fragmented: Gathering | undefined
  #hasClosed = false
  #isOver = false

  constructor(rules: FrameRules) {
    this.#rules = rules
  }

  /** The messages that end in `chunk`. It must be drawn from to its end before the next one. */
  *read(chunk: Uint8Array): Generator<FrameEvent, void, undefined> {
    let at = 0
    while (!this.#isOver) {
      if (this.#hasClosed) {
        if (at < chunk.length) yield this.#fail('bytes after the close frame')
        return
      }
      if (this.#frame === undefined) {
        at = this.#takeHead(chunk, at)
        if (this.#headBytes < headLength(this.#head, this.#headBytes)) return
        const opened = this.#openFrame()
        if (typeof opened === 'string') {
          yield this.#fail(opened)
          return
        }
        this.#frame = opened
      }
      at = this.#takePayload(this.#frame, chunk, at)
      if (this.#frame.taken < this.#frame.length) return
      const { isFinal, into } = this.#frame
      this.#frame = undefined
      this.#hasClosed = into.opcode === 8
      if (isFinal) yield { type: 'message', message: finished(into) }
    }
  }

  /** The message that the end of the connection broke off, if one was under way. */
  end(): WireMessage | undefined {
    const frame = this.#frame
    const broken = this.#fragmented ?? frame?.into
    this.#isOver = true
    if (broken === undefined) return undefined
    const missing = frame?.into === broken ? frame.length - frame.taken : 0
    return { ...finished(broken), bytes: broken.bytes - missing, payload: undefined }
  }

  #takeHead(chunk: Uint8Array, at: number): number {
    let next = at
    while (next < chunk.length && this.#headBytes < headLength(this.#head, this.#headBytes)) {
      this.#head[this.#headBytes] = chunk[next] ?? 0
      this.#headBytes += 1
      next += 1
    }
    return next
  }

  /** The frame that the head announces, or what is wrong with it. */
  #openFrame(): Frame | string {
    const { isMasked, maxBytes } = this.#rules
    const [first = 0] = this.#head
    const opcode = first & 0x0f
    const length = payloadLength(this.#head)
    const problem =
      headProblem(this.#head, this.#rules) ??
      sequenceProblem(opcode, this.#fragmented !== undefined)
    if (problem !== undefined) return problem
    if (length === undefined) return 'a frame of 2^63 bytes or more'
    const into =
      opcode === 0 && this.#fragmented !== undefined ? this.#fragmented : gathering(first)
    into.bytes += length
    if (into.bytes > maxBytes) into.kept = undefined
    const isFinal = (first & 0x80) !== 0
    if (opcode < 8) this.#fragmented = isFinal ? undefined : into
    const headBytes = this.#headBytes
    this.#headBytes = 0
    const mask = isMasked
      ? Uint8Array.from(this.#head.subarray(headBytes - 4, headBytes))
      : undefined
    return { isFinal, mask, into, length, taken: 0 }
  }

  #takePayload(frame: Frame, chunk: Uint8Array, at: number): number {
    const taken = Math.min(chunk.length - at, frame.length - frame.taken)
    frame.into.kept?.append(chunk.subarray(at, at + taken), frame.mask, frame.taken)
    frame.taken += taken
    return at + taken
  }

  #fail(problem: string): FrameEvent {
    this.#isOver = true
    this.#fragmented = undefined
    this.#frame = undefined
    return { type: 'problem', problem }
  }
}

/** The whole length of the head that starts so; 2 as long as its second byte is not here. */
function headLength(head: Buffer, known: number): number {
  if (known < 2) return 2
  const second = head[1] ?? 0
  const length = second & 0x7f
  const extended = length === 127 ? 8 : length === 126 ? 2 : 0
  return 2 + extended + ((second & 0x80) === 0 ? 0 : 4)
}

/**
 * Undefined where the highest bit is set, which RFC 6455 §5.2 forbids. A length that is written
 * longer than it need be is taken: no reader can misunderstand it, and common ones take it.
 */
function payloadLength(head: Buffer): number | undefined {
  const length = (head[1] ?? 0) & 0x7f
  if (length === 126) return head.readUInt16BE(2)
  if (length < 126) return length
  // Above 2^53 the number is not exact; nobody lives to see the end of such a frame.
  return head.readUInt32BE(2) >= 2 ** 31 ? undefined : Number(head.readBigUInt64BE(2))
}

function headProblem(head: Buffer, rules: FrameRules): string | undefined {
  const [first = 0, second = 0] = head
  const opcode = first & 0x0f
  const isMasked = (second & 0x80) !== 0
  if ((opcode > 2 && opcode < 8) || opcode > 10) return `unknown opcode ${opcode}`
  if (isMasked !== rules.isMasked) return isMasked ? 'a masked frame' : 'a frame without a mask'
  // RFC 7692 §6: RSV1 stands on the first frame of a message alone.
  const mayBeCompressed = rules.allowsCompression && (opcode === 1 || opcode === 2)
  if ((first & (mayBeCompressed ? 0x30 : 0x70)) !== 0) return 'a reserved bit is set'
  return opcode < 8 ? undefined : controlProblem(opcode, (first & 0x80) !== 0, second & 0x7f)
}

function controlProblem(opcode: number, isFinal: boolean, length: number): string | undefined {
  if (!isFinal) return 'a control frame in fragments'
  if (length > maxControlBytes) return 'a control frame of more than 125 bytes'
  return opcode === 8 && length === 1 ? 'half a close code' : undefined
}

function sequenceProblem(opcode: number, isFragmented: boolean): string | undefined {
  if (opcode === 0 && !isFragmented) return 'a continuation of nothing'
  return isFragmented && (opcode === 1 || opcode === 2)
    ? 'a new message within a fragmented one'
    : undefined
}

/** Of a head that was checked. */
function gathering(firstByte: number): Gathering {
  return {
    opcode: (firstByte & 0x0f) as Opcode,
    isCompressed: (firstByte & 0x40) !== 0,
    bytes: 0,
    kept: new GrowingBytes(),
  }
}

function finished({ opcode, isCompressed, bytes, kept }: Gathering): WireMessage {
  return { opcode, isCompressed, bytes, payload: kept?.bytes() }
}

/**
 * Bytes that are appended in pieces. A list of the pieces would cost a hundred bytes for each, and
 * a peer may send them one by one; nor is memory taken for a length that was only announced.
 */
class GrowingBytes {
  #memory = Buffer.alloc(0)
  #length = 0

  /** Appends a copy, unmasked if there is a mask; `offset` is the place of the piece in its frame. */
  append(piece: Uint8Array, mask: Uint8Array | undefined, offset: number): void {
    this.#reserve(this.#length + piece.length)
    const start = this.#length
    this.#memory.set(piece, start)
    this.#length += piece.length
    if (mask === undefined) return
    const memory = this.#memory
    for (let index = 0; index < piece.length; index += 1) {
      memory[start + index] = (memory[start + index] ?? 0) ^ (mask[(offset + index) & 3] ?? 0)
    }
  }

  bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  #reserve(length: number): void {
    if (length <= this.#memory.length) return
    const grown = Buffer.alloc(Math.max(length, this.#memory.length * 2))
    grown.set(this.#memory.subarray(0, this.#length))
    this.#memory = grown
  }
}
