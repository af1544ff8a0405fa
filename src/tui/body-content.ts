/**
 * The body of a request or an answer as far as it is kept: its bytes as sent, and what they say with
 * their content codings undone. Bounded, and tolerant of bodies that are still on their way.
 */
import { isUtf8 } from 'node:buffer'

import { decodeBytes } from '../messages/codec.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import { decodeBody } from '../recorded/decoded-body.ts'
import type { Body } from './row.ts'

/** Bytes of a body that are laid out. */
export const maxShownBytes = 1_048_576

export interface ShownBytes {
  readonly bytes: Buffer
  /** More came, or was kept, than `bytes` holds. */
  readonly isCut: boolean
}

/** The first bytes of a body as they were sent. */
export function sentBytes(body: Body): ShownBytes {
  const pieces: Buffer[] = []
  let size = 0
  for (const chunk of body.chunks) {
    if (size > maxShownBytes) break
    const piece = decodeBytes(chunk)
    pieces.push(piece)
    size += piece.length
  }
  const bytes = Buffer.concat(pieces).subarray(0, maxShownBytes)
  return { bytes, isCut: size > maxShownBytes || body.isCut }
}

/** What a body says: its content codings undone. `headers` are those that it came with. */
export function decodedBytes(body: Body, headers: HeaderPairs): ShownBytes {
  const sent = sentBytes(body)
  const recorded = {
    chunks: [{ at: 0, bytes: sent.bytes }],
    bytes: sent.bytes.length,
    isCut: false,
  }
  const { bytes, isWhole } = decodeBody(recorded, headers, maxShownBytes)
  return { bytes, isCut: sent.isCut || !isWhole }
}

/** As text; undefined for what is none. A body that was cut may end within a character. */
export function textOf({ bytes, isCut }: ShownBytes): string | undefined {
  if (isUtf8(bytes)) return bytes.toString()
  // Also a body that is still on its way may end within one: up to three bytes of it are left out.
  for (let missing = 1; missing <= 3; missing += 1) {
    const start = bytes.subarray(0, bytes.length - missing)
    if (start.length > 0 && isUtf8(start)) return start.toString()
  }
  return isCut && bytes.length === 0 ? '' : undefined
}
