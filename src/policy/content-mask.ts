/**
 * Masks secrets in content without changing its length, so that offsets and sizes stay true: in a
 * whole text, or in a body that comes in chunks, across their borders. What may turn out to be part
 * of a secret is held back until the next chunk, a few KiB at most.
 */
import type { ContentRedaction, SecretSearch } from './content-secrets.ts'
import { endOfOpen, findSecrets, findWhatIsKnown, tailStart } from './content-secrets.ts'
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

/** What is told of each secret that is masked. */
export type OnFound = (range: SecretRange) => void

/** `search` is read anew with each chunk: values may become known while a body is under way. */
export function createBodyMask(search: SecretSearch, onFound?: OnFound): BodyMask {
  let held = ''
  /** A secret that was shown masked up to here and goes on. */
  let open: OpenSecret | undefined
  const unseen = createUnseen(search, onFound)
  let hasMasked = false

  function hide(text: string, ranges: readonly SecretRange[]): string {
    if (ranges.length > 0) hasMasked = true
    return masked(text, ranges, onFound)
  }

  function take(chunk: string): string {
    if (open === undefined) return chunk
    const end = endOfOpen(chunk, open)
    if (end !== undefined) open = undefined
    const masked = Math.min(end ?? chunk.length, chunk.length)
    unseen.goesOn(chunk.slice(0, masked))
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
        unseen.begins(text)
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

/** What is masked unread is still looked through, for what has to be told of it. */
function createUnseen(
  search: SecretSearch,
  onFound: OnFound | undefined,
): { begins(text: string): void; goesOn(text: string): void } {
  let before = ''
  return {
    begins(text) {
      before = onFound === undefined ? '' : text.slice(-maxHeldBytes)
    },
    goesOn(text) {
      if (onFound === undefined) return
      const joined = before + text
      for (const range of findWhatIsKnown(joined, search)) {
        if (range.end > before.length) onFound(range)
      }
      before = joined.slice(-maxHeldBytes)
    },
  }
}

/** The same text, of the same length in bytes, with what is secret in it masked. */
export function maskText(
  text: string,
  mode: ContentRedaction,
  known: readonly string[] = [],
  onFound?: OnFound,
): string {
  const isShort = text.length < leastLength && mode !== 'pii'
  if (isShort && known.every((value) => value.length > text.length)) return text
  const isAscii = !beyondAscii.test(text)
  const bytes = isAscii ? text : latin1(Buffer.from(text, 'utf8'))
  const ranges = findSecrets(bytes, { mode, isForm: false, known })
  if (ranges.length === 0) return text
  const hidden = masked(bytes, ranges, onFound)
  return isAscii ? hidden : Buffer.from(hidden, 'latin1').toString('utf8')
}

/** As `maskText`, of bytes that may be text in part: of the same length, or those very bytes. */
export function maskBytes(
  bytes: Buffer,
  mode: ContentRedaction,
  known: readonly string[] = [],
  onFound?: OnFound,
): Buffer {
  const text = latin1(bytes)
  const ranges = findSecrets(text, { mode, isForm: false, known })
  return ranges.length === 0 ? bytes : Buffer.from(masked(text, ranges, onFound), 'latin1')
}

/** Of the shortest text in which a field or a key can be told: `"secret":"`. */
const leastLength = 10
/** Text without such characters is its own bytes. */
const beyondAscii = /[^\0-\u007f]/u

/** The same text, of the same length, with what stands in `ranges` masked. */
export function maskRanges(
  text: string,
  ranges: ReadonlyArray<{ readonly start: number; readonly end: number }>,
): string {
  return ranges.length === 0
    ? text
    : masked(
        text,
        ranges.map(({ start, end }) => ({ from: start, start, end })),
      )
}

function masked(text: string, ranges: readonly SecretRange[], onFound?: OnFound): string {
  let out = ''
  let at = 0
  for (const range of ranges) {
    onFound?.(range)
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
