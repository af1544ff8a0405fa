/** From the bytes of one line to a message, whoever wrote them: the last guard before the types. */
import { isUtf8 } from 'node:buffer'

import { describeError } from '../base/errors.ts'
import type { DecodedLine } from '../messages/codec.ts'
import { decodeValue, encodeLine, parseLine } from '../messages/codec.ts'
import type { BlobStore } from './blob-store.ts'
import type { SplitLine } from './line-splitter.ts'

/** A line that is too long or not UTF-8 has no `raw`. */
export type LineDecoding = DecodedLine & { readonly raw: string }

/**
 * Undefined for a blank line, and for a blob that was put into `blobs`, with which refs in later
 * lines are resolved, prompts briefly where `isBrief` (see `BlobStore.resolve`): `raw` is then the
 * line as it would be without them. Never throws.
 */
export function decodeSplitLine(
  split: SplitLine,
  blobs?: BlobStore,
  isBrief = false,
): LineDecoding | undefined {
  if (!split.ok) {
    const problem = `the line is too long to read (${split.length} bytes)`
    return { ok: false, problem, raw: '' }
  }
  if (!isUtf8(split.bytes)) return { ok: false, problem: 'not UTF-8 text', raw: '' }
  const raw = split.bytes.toString('utf8').replace(/^\ufeff/u, '')
  if (raw.trim() === '') return undefined
  try {
    const parsed = parseLine(raw)
    if (!parsed.ok) return { ...parsed, raw }
    return blobs === undefined
      ? { ...decodeValue(parsed.value), raw }
      : decodeStored(parsed.value, raw, blobs, isBrief)
  } catch (error) {
    // Checking JSON that is nested ten thousands deep overflows the stack.
    return { ok: false, problem: describeError(error), raw }
  }
}

function decodeStored(
  value: unknown,
  raw: string,
  blobs: BlobStore,
  isBrief: boolean,
): LineDecoding | undefined {
  if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'blob') {
    const problem = blobs.take(value, raw.length)
    return problem === undefined ? undefined : { ok: false, problem, raw }
  }
  const resolved = blobs.resolve(value, isBrief)
  if (!resolved.ok) return { ...resolved, raw }
  const decoded = decodeValue(resolved.value)
  if (resolved.value === value || !decoded.ok || decoded.type !== 'message') {
    return { ...decoded, raw }
  }
  let line: string | undefined
  return {
    ...decoded,
    // Made only where it is asked for: a prompt takes longer to write than to read.
    get raw() {
      line ??= encodeLine(decoded.msg).slice(0, -1)
      return line
    },
  }
}
