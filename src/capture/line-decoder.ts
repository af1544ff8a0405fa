/** From the bytes of one line to a message, whoever wrote them: the last guard before the types. */
import { isUtf8 } from 'node:buffer'

import { describeError } from '../base/errors.ts'
import type { DecodedLine } from '../messages/codec.ts'
import { decodeLine } from '../messages/codec.ts'
import type { SplitLine } from './line-splitter.ts'

/** A line that is too long or not UTF-8 has no `raw`. */
export type LineDecoding = DecodedLine & { readonly raw: string }

/** Undefined for a blank line. Never throws. */
export function decodeSplitLine(split: SplitLine): LineDecoding | undefined {
  if (!split.ok) {
    const problem = `the line is too long to read (${split.length} bytes)`
    return { ok: false, problem, raw: '' }
  }
  if (!isUtf8(split.bytes)) return { ok: false, problem: 'not UTF-8 text', raw: '' }
  const raw = split.bytes.toString('utf8').replace(/^\ufeff/u, '')
  if (raw.trim() === '') return undefined
  try {
    return { ...decodeLine(raw), raw }
  } catch (error) {
    // Checking JSON that is nested ten thousands deep overflows the stack.
    return { ok: false, problem: describeError(error), raw }
  }
}
