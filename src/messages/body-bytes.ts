/**
 * The bytes that a body message was made from, kept beside it while it passes the analyzers, so
 * that none of them has to make bytes of its text again. A message that has none attached, such as
 * one that was read from a capture, is decoded.
 */
import { decodeBytes } from './codec.ts'

export interface BodyBytes {
  /** Not to be changed: it is shared by all who ask. */
  readonly bytes: Buffer
  /** Where its pieces end (see `base/content-pieces.ts`), the last at its own end; if known. */
  readonly pieceEnds?: readonly number[] | undefined
}

interface BodyFields {
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

const attached = new WeakMap<object, BodyBytes>()

/** `body` must be what the fields of `msg` say. */
export function attachBytes(msg: object, body: BodyBytes): void {
  attached.set(msg, body)
}

/** Whoever keeps a message for long must not keep its bytes twice. */
export function detachBytes(msg: object): void {
  attached.delete(msg)
}

/** What was attached, or undefined. */
export function attachedBytes(msg: object): BodyBytes | undefined {
  return attached.get(msg)
}

/** The bytes of a body message. */
export function bytesOf(msg: BodyFields): Buffer {
  return attached.get(msg)?.bytes ?? decodeBytes(msg)
}
