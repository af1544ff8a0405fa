/** A recorded body with its content codings undone (RFC 9110 §8.4), within a bound. */
import { createContentDecoder, parseContentEncoding } from '../base/content-decoder.ts'
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { RecordedBody } from './exchange-record.ts'

export interface DecodedBody {
  readonly bytes: Buffer
  /** Every byte of the body is there, decoded. */
  readonly isWhole: boolean
}

/** `headers` are those the body came with. At most `maxBytes` come out, 64 MiB by default. */
export function decodeBody(
  body: RecordedBody,
  headers: HeaderPairs,
  maxBytes = 64 * 1024 * 1024,
): DecodedBody {
  const codings = parseContentEncoding(headerValues(headers, 'content-encoding'))
  const sent = body.chunks.map(({ bytes }) => bytes)
  if (codings.length === 0) {
    const bytes = Buffer.concat(sent)
    return {
      bytes: bytes.subarray(0, maxBytes),
      isWhole: !body.isCut && bytes.length <= maxBytes,
    }
  }
  const decoder = createContentDecoder(codings, { outputBytes: maxBytes })
  const bytes = Buffer.concat(sent.map((chunk) => decoder.push(chunk)))
  return { bytes, isWhole: decoder.end().kind === 'ended' && !body.isCut }
}
