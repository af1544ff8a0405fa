/**
 * `multipart/form-data` (RFC 7578, RFC 2046 §5.1) as a summary: which fields there are, texts up to
 * a bound, files as name, type and size, images and audio with their dimensions. Strict: a body that
 * does not keep to the syntax is not guessed at. Parts within parts are not opened.
 */
import type { FormPart } from '../../src/messages/schema.ts'
import { readMedia, sampleOf } from './media.ts'

export interface Multipart {
  readonly parts: readonly FormPart[]
  /** Why the parts are not all there is. */
  readonly problem?: string
}

/** Parts of one body; forms of model calls have a dozen. */
const maxParts = 256
/** Bytes of one part's header. */
const maxHeadBytes = 16 * 1024
/** Bytes of text shown of one field, and of all fields together. */
const maxFieldBytes = 64 * 1024
const maxTextBytes = 1024 * 1024

/**
 * Undefined if `bytes` does not begin as multipart with this boundary. `isWhole` false: the end of
 * `bytes` is not the end of the body, and its last part may be cut. Never throws.
 */
export function readMultipart(
  bytes: Uint8Array,
  boundary: string | undefined,
  isWhole: boolean,
): Multipart | undefined {
  // RFC 2046 §5.1.1: 70 characters, the last no space.
  if (boundary === undefined || !/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/u.test(boundary)) {
    return undefined
  }
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const delimiter = `--${boundary}`
  let at = afterDelimiter(body, firstDelimiter(body, delimiter), delimiter)
  if (at === undefined) return undefined
  const parts: FormPart[] = []
  let textLeft = maxTextBytes
  while (at !== 'end') {
    if (parts.length >= maxParts) return { parts, problem: 'more parts than the limit' }
    const head = body.indexOf('\r\n\r\n', at - 2)
    if (head === -1 || head - at > maxHeadBytes) return { parts, problem: 'a part without a head' }
    const start = head + 4
    // The content may be empty: its delimiter then begins with the line break of the head.
    const next = body.indexOf(`\r\n${delimiter}`, start - 2)
    const content = body.subarray(start, next === -1 ? body.length : Math.max(start, next))
    const part = readPart(body.toString('utf8', at, Math.max(at, head)), content, textLeft)
    parts.push(next === -1 ? withoutSize(part) : part)
    textLeft -= Buffer.byteLength(part.text ?? '')
    if (next === -1) return { parts, problem: isWhole ? 'no closing boundary' : 'cut off' }
    at = afterDelimiter(body, next + 2, delimiter)
    if (at === undefined) return { parts, problem: 'a damaged boundary' }
  }
  return { parts }
}

/** Where the first delimiter stands: at the start, or on a line of its own after a preamble. */
function firstDelimiter(body: Buffer, delimiter: string): number {
  if (body.indexOf(delimiter) === 0) return 0
  const found = body.subarray(0, maxHeadBytes).indexOf(`\r\n${delimiter}`)
  return found === -1 ? -1 : found + 2
}

/** Where the part behind the delimiter begins; `end` behind the closing one. */
function afterDelimiter(body: Buffer, at: number, delimiter: string): number | 'end' | undefined {
  if (at === -1) return undefined
  let from = at + delimiter.length
  if (body.toString('latin1', from, from + 2) === '--') return 'end'
  while (body[from] === 0x20 || body[from] === 0x09) from += 1
  return body.toString('latin1', from, from + 2) === '\r\n' ? from + 2 : undefined
}

function readPart(head: string, content: Buffer, textLeft: number): FormPart {
  const disposition = fieldIn(head, 'content-disposition')
  const filename = parameterIn(disposition, 'filename')
  const mediaType = /^[\w.!#$&^+-]+\/[\w.!#$&^+-]+/u.exec(fieldIn(head, 'content-type'))?.[0]
  const name = parameterIn(disposition, 'name')
  const described = {
    ...(name === undefined ? {} : { name }),
    ...(filename === undefined ? {} : { filename }),
    ...(mediaType === undefined ? {} : { mediaType: mediaType.toLowerCase() }),
    bytes: content.length,
  }
  const shown = content.subarray(0, Math.min(maxFieldBytes, Math.max(0, textLeft)))
  const text = filename === undefined ? textOf(shown) : undefined
  if (text !== undefined) return { ...described, text }
  // What the client names stands; the rest is filled in from the content.
  return { ...readMedia(sampleOf(content)), ...described }
}

/** Of a part whose end did not come, neither size nor length in time is known. */
function withoutSize({ bytes: _bytes, durationMs: _durationMs, ...part }: FormPart): FormPart {
  return part
}

/** The value of a field, its folded lines joined; empty if there is none. */
function fieldIn(head: string, name: string): string {
  const lines = head.replaceAll(/\r\n[ \t]+/gu, ' ').split('\r\n')
  const line = lines.find((candidate) => candidate.toLowerCase().startsWith(`${name}:`))
  return line?.slice(name.length + 1).trim() ?? ''
}

/** A parameter of Content-Disposition: RFC 8187's form first, then quoted, then bare. */
function parameterIn(value: string, name: string): string | undefined {
  const encoded = new RegExp(`;\\s*${name}\\*=utf-8'[^']*'([^;\\s]*)`, 'iu').exec(value)?.[1]
  if (encoded !== undefined) return decoded(encoded)
  const quoted = new RegExp(`;\\s*${name}="((?:[^"\\\\]|\\\\.)*)"`, 'iu').exec(value)?.[1]
  // Browsers escape quotes as %22, others with a backslash.
  if (quoted !== undefined) return quoted.replaceAll(/\\(["\\])/gu, '$1').replaceAll('%22', '"')
  return new RegExp(`;\\s*${name}=([^;\\s"]+)`, 'iu').exec(value)?.[1]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not UTF-8: shown as it was sent.
    return text
  }
}

/** Text of the beginning, without a character that the bound cuts; undefined for other bytes. */
function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}
