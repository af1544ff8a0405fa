/**
 * Masks secrets in content without changing its length, so that offsets and sizes stay true: in a
 * whole text, or in a body that comes in chunks, across their borders. What may turn out to be part
 * of a secret is held back until the next chunk, a few KiB at most.
 */
import type { ContentRedaction, SecretSearch } from './content-secrets.ts'
import { endOfOpen, findSecrets, tailStart } from './content-secrets.ts'
import { redacted } from './redaction.ts'
import type { OpenSecret, SecretRange } from './secret-range.ts'

/** Beyond this a secret without an end is masked as it comes, in bytes. */
const maxHeldBytes = 8 * 1024

export interface BodyMask {
  /** Bytes that can be shown now: those held back before, and most of `chunk`. */
  push(chunk: Uint8Array): Uint8Array
  /** What was held back. */
  end(): Uint8Array
  /** How much is held back now, in bytes. */
  readonly heldBytes: number
  /** Whether anything has been masked so far. */
  readonly hasMasked: boolean
}

/** `search` is read anew with each chunk: values may become known while a body is under way. */
export function createBodyMask(search: SecretSearch): BodyMask {
  let held = ''
  /** A secret that was shown masked up to here and goes on. */
  let open: OpenSecret | undefined
  let hasMasked = false

  function hide(text: string, ranges: readonly SecretRange[]): string {
    if (ranges.length > 0) hasMasked = true
    return masked(text, ranges)
  }

  function take(chunk: string): string {
    if (open === undefined) return chunk
    const end = endOfOpen(chunk, open)
    if (end !== undefined) open = undefined
    const masked = Math.min(end ?? chunk.length, chunk.length)
    return '*'.repeat(masked) + chunk.slice(masked)
  }

  return {
    push(chunk) {
      const isFresh = held === '' && open === undefined
      const text = held + take(latin1(chunk))
      if (open !== undefined) {
        held = ''
        return bytesOf(text)
      }
      const ranges = findSecrets(text, search)
      const unfinished = ranges.filter((range) => range.open !== undefined)
      let cut = tailStart(text, search)
      for (const { from } of unfinished) cut = Math.min(cut, from)
      let shown = ranges
      if (text.length - cut > maxHeldBytes) {
        open = unfinished[0]?.open
        cut = text.length
      } else {
        // What is not finished must keep its looks, to be known again with what follows.
        shown = ranges.filter((range) => range.open === undefined)
      }
      const safe = hide(text, shown)
      held = safe.slice(cut)
      if (!isFresh || shown.length > 0) return bytesOf(safe.slice(0, cut))
      return cut === chunk.length ? chunk : chunk.subarray(0, cut)
    },
    end() {
      const text = held
      held = ''
      return bytesOf(hide(text, findSecrets(text, search)))
    },
    get heldBytes() {
      return held.length
    },
    get hasMasked() {
      return hasMasked
    },
  }
}

/** The same text, of the same length in bytes, with what is secret in it masked. */
export function maskText(
  text: string,
  mode: ContentRedaction,
  known: readonly string[] = [],
): string {
  const isShort = text.length < leastLength && mode !== 'pii'
  if (isShort && known.every((value) => value.length > text.length)) return text
  const isAscii = !beyondAscii.test(text)
  const bytes = isAscii ? text : latin1(Buffer.from(text, 'utf8'))
  const ranges = findSecrets(bytes, { mode, isForm: false, known })
  if (ranges.length === 0) return text
  const hidden = masked(bytes, ranges)
  return isAscii ? hidden : Buffer.from(hidden, 'latin1').toString('utf8')
}

/** As `maskText`, of bytes that may be text in part: of the same length, or those very bytes. */
export function maskBytes(
  bytes: Buffer,
  mode: ContentRedaction,
  known: readonly string[] = [],
): Buffer {
  const text = latin1(bytes)
  const ranges = findSecrets(text, { mode, isForm: false, known })
  return ranges.length === 0 ? bytes : Buffer.from(masked(text, ranges), 'latin1')
}

/** Of the shortest text in which a field or a key can be told: `"secret":"`. */
const leastLength = 10
/** Text without such characters is its own bytes. */
const beyondAscii = /[^\0-\u007f]/u

function masked(text: string, ranges: readonly SecretRange[]): string {
  let out = ''
  let at = 0
  for (const range of ranges) {
    const start = Math.max(range.start, at)
    if (range.end <= start) continue
    out += text.slice(at, start) + maskOf(range.end - start)
    at = range.end
  }
  return out + text.slice(at)
}

function maskOf(length: number): string {
  return length < redacted.length ? '*'.repeat(length) : redacted.padEnd(length, '*')
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}
