/**
 * What a decoded body holds: JSON, text or bytes, by its media type and charset (RFC 9110 §8.3;
 * WHATWG Encoding). Where no type is given, the bytes decide. Bytes that are not text in their
 * charset stay bytes: a replacement character would be content that nobody sent.
 */
import type { FormPart, Json } from '../../src/messages/schema.ts'
import { summarizeBody } from './body-summary.ts'
import type { ContentType } from './headers.ts'
import { parseJson } from './json.ts'
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
