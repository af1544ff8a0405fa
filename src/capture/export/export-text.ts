/** What several formats say alike of a record: bodies as text or base64, times, addresses. */
import { isUtf8 } from 'node:buffer'

import type { HeaderPairs } from '../../messages/schema.ts'
import { decodeBody } from '../../recorded/decoded-body.ts'
import type { RecordedBody } from '../../recorded/exchange-record.ts'

/** Decoded bytes of one body that an export carries: escaped, two of them must fit one string. */
const maxBodyBytes = 16 * 1024 * 1024
/** The last that four digits of a year can say. */
const lastTime = Date.UTC(9999, 11, 31)

export interface ExportedBody {
  readonly text: string
  readonly isBase64: boolean
  /** Of the body as decoded, as far as it is there. */
  readonly decodedBytes: number
  /** It is all there. */
  readonly isWhole: boolean
}

/** Content codings undone if that gives the whole body; else what was sent. */
export function exportBody(body: RecordedBody, headers: HeaderPairs): ExportedBody {
  const decoded = decodeBody(body, headers, maxBodyBytes)
  const isDamaged = !decoded.isWhole && decoded.bytes.length < maxBodyBytes && !body.isCut
  const bytes = isDamaged ? decodeBody(body, [], maxBodyBytes).bytes : decoded.bytes
  const isText = isUtf8(bytes)
  return {
    text: bytes.toString(isText ? 'utf8' : 'base64'),
    isBase64: !isText,
    decodedBytes: bytes.length,
    isWhole: decoded.isWhole,
  }
}

/** ISO 8601 in UTC, for any number that a capture can hold. */
export function isoTime(at: number): string {
  return new Date(Math.min(at, lastTime)).toISOString()
}
