/**
 * How a value is written in place of a token, so that the part of the request it stands in means
 * what it did: escaped for JSON, percent-encoded, or as it is. What no such part can hold is a
 * problem, never sent. Text has one character per byte (`latin1`). Pure.
 */
import { leastValueLength, mostValueLength } from '../credential-value.ts'

/** `basic-user` is what stands before the colon (RFC 7617 §2). */
export type TokenPlace =
  | 'header'
  | 'basic'
  | 'basic-user'
  | 'path'
  | 'query'
  | 'json'
  | 'form'
  | 'raw'

export type WrittenValue =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string }

/** `written` is the token as it stood there. A problem is one line that does not repeat the value. */
export function writeValue(value: string, place: TokenPlace, written: string): WrittenValue {
  const problem = problemIn(value, place)
  if (problem !== undefined) return { ok: false, problem }
  return { ok: true, text: encodeFor(value, place, written) }
}

function problemIn(value: string, place: TokenPlace): string | undefined {
  if (!value.isWellFormed() || value.includes('\0')) return 'it is no text'
  if (value.length < leastValueLength) {
    return `it is shorter than ${leastValueLength} characters, and could not be hidden`
  }
  if (value.length > mostValueLength) return 'it is longer than 16 KiB'
  switch (place) {
    case 'header':
      return problemInHeader(value)
    case 'basic-user':
      return value.includes(':') ? 'a user name cannot hold a colon' : undefined
    case 'path':
      return /^\.+$/u.test(value) ? 'it is made of dots alone' : undefined
    default:
      return undefined
  }
}

function problemInHeader(value: string): string | undefined {
  if (/[\r\n]/u.test(value)) return 'a header cannot hold its line break'
  if (!/^[\u0020-\u007E]*$/u.test(value)) return 'it has characters that a header cannot hold'
  return value.startsWith(' ') || value.endsWith(' ') ? 'it begins or ends with a space' : undefined
}

function encodeFor(value: string, place: TokenPlace, written: string): string {
  // What was percent-encoded is a URL or a form, whatever that itself is a part of.
  if (written.includes('%')) return encodeURIComponent(value)
  switch (place) {
    case 'path':
    case 'query':
    case 'form':
      return encodeURIComponent(value)
    case 'json':
      return latin1(escapeJson(value))
    case 'raw':
    case 'header':
    case 'basic':
    case 'basic-user':
      return latin1(written.includes('\\') ? escapeJson(value) : value)
  }
}

function escapeJson(value: string): string {
  return JSON.stringify(value).slice(1, -1)
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
