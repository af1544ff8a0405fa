/**
 * The bytes that a body message was made from, kept beside it while it passes the analyzers, so
 * that none of them has to make bytes of its text again, or to undo their content coding again. A
 * message that has none attached, such as one that was read from a capture, is decoded once.
 */
import type { ContentDecoder } from '../base/content-decoder.ts'
import { decodeBytes } from './codec.ts'

export interface BodyBytes {
  /** Not to be changed: it is shared by all who ask. */
  readonly bytes: Buffer
  /** Where its pieces end (see `base/content-pieces.ts`), the last at its own end; if known. */
  readonly pieceEnds?: readonly number[] | undefined
  readonly decoded?: DecodedBytes | undefined
}

/** What came out of a content coding, of a body that has been decoded from its beginning. */
export interface DecodedBytes {
  /** The same for all messages of the body. */
  readonly decoder: ContentDecoder
  /** Not to be changed either. */
  readonly bytes: Uint8Array
}

interface BodyFields {
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

const attached = new WeakMap<object, BodyBytes>()
/** Of the message that is with the analyzers now, where nothing was attached. */
let latest: { readonly msg: object; readonly bytes: Buffer } | undefined
let latestLength: { readonly msg: object; readonly length: number } | undefined
let latestDecoded: { readonly msg: object; readonly decoded: DecodedBytes } | undefined

/** `body` must be what the fields of `msg` say. */
export function attachBytes(msg: object, body: BodyBytes): void {
  attached.set(msg, body)
}

/** Whoever keeps a message for long must not keep its bytes twice. */
export function detachBytes(msg: object): void {
  attached.delete(msg)
  if (latest?.msg === msg) latest = undefined
  if (latestLength?.msg === msg) latestLength = undefined
  if (latestDecoded?.msg === msg) latestDecoded = undefined
}

/** What was attached, or undefined. */
export function attachedBytes(msg: object): BodyBytes | undefined {
  return attached.get(msg)
}

/** The bytes of a body message. Not to be changed: they are shared by all who ask. */
export function bytesOf(msg: BodyFields): Buffer {
  const body = attached.get(msg)
  if (body !== undefined) return body.bytes
  if (latest?.msg !== msg) latest = { msg, bytes: decodeBytes(msg) }
  return latest.bytes
}

/** How many bytes a body message holds; mostly without making them. */
export function byteLengthOf(msg: BodyFields): number {
  const body = attached.get(msg)
  if (body !== undefined) return body.bytes.length
  if (msg.text === undefined || latest?.msg === msg) return bytesOf(msg).length
  if (latestLength?.msg !== msg) {
    latestLength = { msg, length: Buffer.byteLength(msg.text, 'utf8') }
  }
  return latestLength.length
}

/** What somebody has decoded of a body message already. */
export function decodedOf(msg: object): DecodedBytes | undefined {
  return latestDecoded?.msg === msg ? latestDecoded.decoded : attached.get(msg)?.decoded
}

/** Lets the analyzers after this one have what was decoded. */
export function shareDecoded(msg: object, decoded: DecodedBytes): void {
  latestDecoded = { msg, decoded }
}
