/**
 * What a client has put into the place of a credential: read as the injector writes it, so that
 * both mean the same part of a request. Pure.
 */
import { isParameter } from './credential-value.ts'
import type { InjectedLocation } from './credential.ts'
import { holeIn } from './credential.ts'
import { splitTarget } from './request-path.ts'

export interface ReadableRequest {
  /** Request target, with its query. */
  readonly path: string
  readonly headers: { values(name: string): string[] }
}

/** Longest value that is looked at, in characters; longer ones hold no token. */
const maxValueLength = 4096

export interface SlotValue {
  /** Decoded, where the place wants it encoded. */
  readonly value: string
  readonly written: string
}

/** All values in that place; more than one is ambiguous. */
export function slotValues(
  { path: target, headers }: ReadableRequest,
  location: InjectedLocation,
): SlotValue[] {
  const { path, query } = splitTarget(target)
  switch (location.type) {
    case 'header':
      return headers.values(location.name).map(plain)
    case 'basic':
      return headers.values('authorization').map(plain)
    case 'query':
      return query
        .slice(1)
        .split('&')
        .filter((pair) => pair !== '' && isParameter(pair, location.name))
        .map((pair) => pair.replace(/^[^=]*=?/u, ''))
        .map((written) => ({ value: decoded(written.replaceAll('+', ' ')), written }))
    case 'url-path': {
      const hole = holeIn(location.pattern, path)
      const written = hole === undefined ? '' : path.slice(hole.start, hole.end)
      // Not decoded: a path that another reader could take for another gets no credential.
      return written === '' ? [] : [plain(written)]
    }
  }
}

function plain(value: string): SlotValue {
  return { value, written: value }
}

/**
 * What a value of that place may carry: itself, what follows `Bearer` or stands in the place's own
 * format, or the password of Basic. Schemes are compared without case (RFC 9110 §11.1).
 */
export function tokensIn(value: string, location: InjectedLocation): string[] {
  if (value.length > maxValueLength) return []
  switch (location.type) {
    case 'basic':
      return passwordIn(value)
    case 'header':
      return [...new Set([value.trim(), ...afterBearer(value), ...inFormat(value, location)])]
    case 'query':
    case 'url-path':
      return [value]
  }
}

function passwordIn(value: string): string[] {
  const pair = /^basic +(?<pair>[\w+/=-]+)$/iu.exec(value.trim())?.groups?.['pair']
  if (pair === undefined) return []
  const text = Buffer.from(pair, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? [] : [text.slice(colon + 1)]
}

function afterBearer(value: string): string[] {
  const token = /^bearer +(?<token>\S+)$/iu.exec(value.trim())?.groups?.['token']
  return token === undefined ? [] : [token]
}

function inFormat(value: string, { format }: { readonly format: string }): string[] {
  const [before = '', after = ''] = format.split('{}')
  // Nothing in its format: fields come without the spaces around them.
  const empty = `${before}${after}`.trim().toLowerCase()
  if (empty !== '' && value.trim().toLowerCase() === empty) return ['']
  const isWritten =
    value.length > before.length + after.length &&
    value.slice(0, before.length).toLowerCase() === before.toLowerCase() &&
    value.endsWith(after)
  return isWritten ? [value.slice(before.length, value.length - after.length)] : []
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
