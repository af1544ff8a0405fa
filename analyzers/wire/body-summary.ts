/** Bodies that are told as a summary in place of their bytes: forms, images and audio. */
import type { FormPart } from '../../src/messages/schema.ts'
import type { ContentType } from './headers.ts'
import type { MediaFacts } from './media.ts'
import { readMedia, sampleOf } from './media.ts'
import { readMultipart } from './multipart.ts'

export interface BodySummary {
  readonly form?: readonly FormPart[]
  readonly media?: MediaFacts
  readonly problem?: string
}

/** Undefined for a body of another kind. `isWhole` as for `readBody`. */
export function summarizeBody(
  bytes: Uint8Array,
  { mediaType = '', boundary }: ContentType,
  isWhole: boolean,
): BodySummary | undefined {
  if (mediaType === 'multipart/form-data') {
    const multipart = readMultipart(bytes, boundary, isWhole)
    if (multipart === undefined) return undefined
    const { parts: form, problem } = multipart
    return { form, ...(problem === undefined ? {} : { problem }) }
  }
  const isMedia = /^(?:image|audio|video)\//u.test(mediaType)
  const isVague = !isMedia && bytes[0] === 0xff && bytes[1] !== 0xd8
  // A frame of MP3 has too few marks to be known by them alone.
  const media = isVague ? undefined : readMedia(sampleOf(bytes))
  if (media !== undefined) {
    // Of a body that goes on, the length in time is not known.
    const { durationMs: _durationMs, ...timeless } = media
    return { media: isWhole ? media : timeless }
  }
  return isMedia ? { media: { mediaType } } : undefined
}
