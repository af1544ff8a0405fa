/**
 * Undoes permessage-deflate (RFC 7692 §7.2.2), one whole message at a time. What a message may
 * refer back to, the last 32 KiB before it, is handed to zlib as a dictionary: so a message costs
 * one synchronous call, nothing native outlives it, and order is that of the wire.
 */
import { inflateRawSync } from 'node:zlib'

import { describeError, errorCodeOf } from '../base/errors.ts'

export type Inflated =
  | { readonly ok: true; readonly bytes: Buffer }
  /** With a `problem`, nothing further of this direction can be read. */
  | { readonly ok: false; readonly isTooLarge: true; readonly problem?: string }
  | { readonly ok: false; readonly isTooLarge: false; readonly problem: string }

export interface InflaterOptions {
  /** Whether a message may refer back to those before it. */
  readonly keepsContext: boolean
  /** Upper bound of one message. */
  readonly maxBytes: number
  /** One that is larger is inflated up to here, for what the next one may refer back to. */
  readonly maxSkippedBytes: number
  /** Bytes that may be inflated in all of messages that turn out to be too large. */
  readonly maxWastedBytes: number
}

/** The largest LZ77 window of DEFLATE (RFC 1951 §2), whatever was negotiated. */
const windowBytes = 32 * 1024
/**
 * The end of the block that a sender leaves out (RFC 7692 §7.2.1), and an empty last one: with it
 * zlib says whether the message was whole.
 */
const ending = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff])
/** DEFLATE streams, each with a last block, that one message may consist of (§7.2.3.4). */
const maxStreams = 64
const nothing = Buffer.alloc(0)
const missed = 'a message was too large to be read, and later ones refer back to it'
const again = 'messages were too large to be read, again and again'

export class MessageInflater {
  readonly #options: InflaterOptions
  #window: Buffer = nothing
  #wastedBytes = 0

  constructor(options: InflaterOptions) {
    this.#options = options
  }

  /** `payload` is that of a compressed message, undefined where it was not kept. */
  inflate(payload: Buffer | undefined): Inflated {
    const { keepsContext, maxBytes, maxSkippedBytes } = this.#options
    if (payload === undefined) return tooLarge(keepsContext ? missed : undefined)
    if (payload.length === 0) return { ok: true, bytes: nothing }
    const limit = keepsContext ? maxSkippedBytes : maxBytes
    const bytes = inflateStreams(payload, this.#window, limit)
    if (typeof bytes === 'string') return { ok: false, isTooLarge: false, problem: bytes }
    if (bytes !== undefined) this.#remember(bytes)
    if (bytes !== undefined && bytes.length <= maxBytes) return { ok: true, bytes }
    this.#wastedBytes += bytes?.length ?? limit
    if (bytes === undefined && keepsContext) return tooLarge(missed)
    return tooLarge(this.#wastedBytes > this.#options.maxWastedBytes ? again : undefined)
  }

  #remember(bytes: Buffer): void {
    if (!this.#options.keepsContext) return
    this.#window =
      bytes.length >= windowBytes
        ? Buffer.from(bytes.subarray(-windowBytes))
        : Buffer.concat([this.#window, bytes]).subarray(-windowBytes)
  }
}

function tooLarge(problem: string | undefined): Inflated {
  return { ok: false, isTooLarge: true, ...(problem === undefined ? {} : { problem }) }
}

/** Undefined where it is more than `limit` bytes; a string tells what is wrong. */
function inflateStreams(
  payload: Buffer,
  window: Buffer,
  limit: number,
): Buffer | string | undefined {
  const input = Buffer.concat([payload, ending])
  const pieces: Buffer[] = []
  let dictionary = window
  let left = limit
  let at = 0
  for (let streams = 0; at < payload.length; streams += 1) {
    if (streams === maxStreams) return 'a compressed message in too many parts'
    const inflated = inflateStream(input.subarray(at), dictionary, left)
    if (typeof inflated === 'string' || inflated === undefined) return inflated
    pieces.push(inflated.bytes)
    left -= inflated.bytes.length
    at += inflated.consumed
    if (at < payload.length) {
      dictionary = Buffer.concat([dictionary, inflated.bytes]).subarray(-windowBytes)
    }
  }
  const [first = nothing] = pieces
  return pieces.length === 1 ? first : Buffer.concat(pieces)
}

/** One DEFLATE stream to its last block, and how much of the input it took. */
function inflateStream(
  input: Buffer,
  dictionary: Buffer,
  limit: number,
): { readonly bytes: Buffer; readonly consumed: number } | string | undefined {
  try {
    // `info` makes it return the engine beside the bytes, which the types do not say.
    const { buffer, engine } = inflateRawSync(input, {
      info: true,
      // Zero is not taken; a stream that gives nothing has no use for the one byte.
      maxOutputLength: Math.max(1, limit),
      ...(dictionary.length === 0 ? {} : { dictionary }),
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
    return { bytes: buffer, consumed: engine.bytesWritten }
  } catch (error) {
    return errorCodeOf(error) === 'ERR_BUFFER_TOO_LARGE'
      ? undefined
      : `what is compressed cannot be read: ${describeError(error)}`
  }
}
