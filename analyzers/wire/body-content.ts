/**
 * What a decoded body holds: JSON, text or bytes, by its media type and charset (RFC 9110 §8.3;
 * WHATWG Encoding). Where no type is given, the bytes decide. Bytes that are not text in their
 * charset stay bytes: a replacement character would be content that nobody sent.
 */
import { isUtf8 } from 'node:buffer'

import type { FormPart, Json } from '../../src/messages/schema.ts'
import { summarizeBody } from './body-summary.ts'
import type { ContentType } from './headers.ts'
import { parseJsonSlices } from './json-slices.ts'
import { checkedJson, notWellFormed, parseJson } from './json.ts'
import type { MediaFacts } from './media.ts'

export interface BodyContent {
  readonly json?: Json
  readonly text?: string
  readonly base64?: string
  readonly form?: readonly FormPart[]
  readonly media?: MediaFacts
  readonly problem?: string
}

/** `isWhole` false: `bytes` is the beginning of the body, and may end within a character. */
export function readBody(bytes: Uint8Array, type: ContentType, isWhole: boolean): BodyContent {
  if (bytes.length === 0) return {}
  const kind = kindOf(type.mediaType)
  if (kind === 'bytes') return summarizeBody(bytes, type, isWhole) ?? asBase64(bytes)
  const text = decodeText(bytes, type.charset ?? 'utf-8', isWhole)
  if (text === undefined) {
    const isExpected = type.mediaType === undefined
    const problem = `not text in ${type.charset ?? 'utf-8'}`
    return { ...asBase64(bytes), ...(isExpected ? {} : { problem }) }
  }
  if (kind === 'text' || (kind === 'unknown' && !/^\s*[[{]/u.test(text))) return { text }
  const parsed = parseJson(text)
  if (parsed.ok) return { json: parsed.value }
  return kind === 'unknown' ? { text } : { text, problem: parsed.problem }
}

/** As `readBody`, but yields every now and then where JSON is long; the content is the same. */
export function* readBodySlices(
  bytes: Buffer,
  type: ContentType,
  isWhole: boolean,
): Generator<undefined, BodyContent, undefined> {
  const kind = kindOf(type.mediaType)
  const mayBeJson = kind === 'json' || (kind === 'unknown' && beginsLikeJson(bytes))
  const isSliced = bytes.length > slicedBytes && mayBeJson
  if (!isSliced || !/^utf-?8$/u.test(type.charset ?? 'utf-8') || !isUtf8(bytes)) {
    return readBody(bytes, type, isWhole)
  }
  yield
  const content = bytes.subarray(bytes.indexOf(byteOrderMark) === 0 ? byteOrderMark.length : 0)
  const parsed = yield* parseJsonSlices(content)
  const checked = parsed === undefined ? notWellFormed : checkedJson(parsed.value)
  if (checked.ok) return { json: checked.value }
  const text = content.toString('utf8')
  return kind === 'unknown' ? { text } : { text, problem: checked.problem }
}

/** Shorter bodies are read at once. */
const slicedBytes = 256 * 1024
const byteOrderMark = Buffer.from('\ufeff')

function beginsLikeJson(bytes: Buffer): boolean {
  return /^\s*[[{]/u.test(bytes.toString('utf8', 0, 1024))
}

type ContentKind = 'json' | 'text' | 'bytes' | 'unknown'

function kindOf(mediaType: string | undefined): ContentKind {
  if (mediaType === undefined) return 'unknown'
  if (textTypes.has(mediaType)) return 'text'
  if (/^(?:application|text)\/json$|\+json$/u.test(mediaType)) return 'json'
  if (/^text\/|\+xml$/u.test(mediaType)) return 'text'
  return 'bytes'
}

const textTypes = new Set([
  'application/graphql',
  'application/javascript',
  'application/jsonl',
  'application/stream+json',
  'application/x-ndjson',
  'application/x-www-form-urlencoded',
  'application/xml',
  'application/yaml',
])

function decodeText(bytes: Uint8Array, charset: string, isWhole: boolean): string | undefined {
  try {
    // `stream` holds back an incomplete last character in place of objecting to it.
    return new TextDecoder(charset, { fatal: true }).decode(bytes, { stream: !isWhole })
  } catch {
    // An unknown charset (RangeError) or bytes that are none of its characters (TypeError).
    return undefined
  }
}

function asBase64(bytes: Uint8Array): { readonly base64: string } {
  return {
    base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
  }
}
