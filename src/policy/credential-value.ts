/**
 * A credential's value on its way into a request: what each location can hold, how it is written
 * there, and the forms in which an upstream may repeat it. Pure.
 */
import type { CredentialLocation, InjectedLocation } from './credential.ts'
import { holeIn } from './credential.ts'
import { splitTarget } from './request-path.ts'

/** Shorter values could not be hidden where they come back, without hiding other words too. */
export const leastValueLength = 8
/** A request's header block may not be longer than 64 KiB anyway. */
export const mostValueLength = 16 * 1024

/** Why a value cannot be sent, in one line that does not repeat it; undefined where it can. */
export function problemOfValue(value: string, location: CredentialLocation): string | undefined {
  if (value === '') return 'it is empty'
  if (/[\r\n\0]/u.test(value)) return 'it has a line break or a zero byte in it'
  if (!/^[\u0020-\u007E]*$/u.test(value)) return 'it has characters that a header cannot hold'
  if (value.startsWith(' ') || value.endsWith(' ')) return 'it begins or ends with a space'
  if (value.length > mostValueLength) return 'it is longer than 16 KiB'
  if (value.length < leastValueLength) {
    return `it is shorter than ${leastValueLength} characters, and could not be hidden`
  }
  if (location.type === 'url-path' && /^\.+$/u.test(value)) return 'it is made of dots alone'
  return undefined
}

/** The parts of a request that a credential may be put into. */
export interface FillableRequest {
  path: string
  readonly headers: {
    values(name: string): string[]
    set(name: string, value: string): void
    remove(name: string): void
  }
}

/**
 * Puts a value where it belongs, in place of everything the client sent there. Gives the text that
 * now stands in the request; undefined where nothing was to be replaced.
 */
export function fillSlot(
  request: FillableRequest,
  location: InjectedLocation,
  value: string,
): string | undefined {
  switch (location.type) {
    case 'header':
      return fillHeader(
        request,
        location,
        location.format.replaceAll('{}', () => value),
      )
    case 'basic': {
      const pair = Buffer.from(`${location.user}:${value}`, 'latin1').toString('base64')
      return fillHeader(request, { ...location, name: 'Authorization' }, `Basic ${pair}`)
    }
    case 'query':
      return fillQuery(request, location, value)
    case 'url-path':
      return fillPath(request, location, value)
  }
}

/** Takes everything out of a place that is a field or a parameter of its own. */
export function clearSlot(request: FillableRequest, location: InjectedLocation): void {
  if (location.type === 'header') request.headers.remove(location.name)
  if (location.type !== 'query') return
  const { path, query } = splitTarget(request.path)
  const others = query
    .slice(1)
    .split('&')
    .filter((pair) => !isParameter(pair, location.name))
  request.path = others.join('') === '' ? path : `${path}?${others.join('&')}`
}

function fillHeader(
  { headers }: FillableRequest,
  { name, ifPresent }: { readonly name: string; readonly ifPresent: boolean },
  text: string,
): string | undefined {
  if (ifPresent && headers.values(name).length === 0) return undefined
  headers.set(name, text)
  return text
}

function fillQuery(
  request: FillableRequest,
  { name, ifPresent }: { readonly name: string; readonly ifPresent: boolean },
  value: string,
): string | undefined {
  const { path, query } = splitTarget(request.path)
  const pairs = query.length <= 1 ? [] : query.slice(1).split('&')
  const first = pairs.findIndex((pair) => isParameter(pair, name))
  if (ifPresent && first === -1) return undefined
  const text = encodeURIComponent(value)
  const pair = `${encodeURIComponent(name)}=${text}`
  const others = pairs.flatMap((other, index) => {
    if (index === first) return [pair]
    return isParameter(other, name) ? [] : [other]
  })
  request.path = `${path}?${(first === -1 ? [...pairs, pair] : others).join('&')}`
  return text
}

/** Whether a pair of a query has this name, however that is encoded. */
export function isParameter(pair: string, name: string): boolean {
  const at = pair.indexOf('=')
  const written = (at === -1 ? pair : pair.slice(0, at)).replaceAll('+', ' ')
  try {
    return decodeURIComponent(written) === name
  } catch {
    return written === name
  }
}

function fillPath(
  request: FillableRequest,
  { pattern, ifPresent }: { readonly pattern: string; readonly ifPresent: boolean },
  value: string,
): string | undefined {
  const { path, query } = splitTarget(request.path)
  const hole = holeIn(pattern, path)
  if (hole === undefined || (ifPresent && hole.start === hole.end)) return undefined
  const text = encodeSegment(value)
  request.path = `${path.slice(0, hole.start)}${text}${path.slice(hole.end)}${query}`
  return text
}

/** Characters that a path segment holds as they are (RFC 3986 §3.3) stay, but for `;`. */
function encodeSegment(value: string): string {
  return encodeURIComponent(value).replaceAll(/%(?:3A|40|24|26|2B|2C|3D)/gu, (code) =>
    decodeURIComponent(code),
  )
}

/** How a value was written where it came back. */
export type ValueForm = 'raw' | 'base64' | 'percent' | 'json' | 'hex'

/** In the forms in which an upstream may repeat it. */
export function formsOfValue(value: string): string[] {
  return [...namedForms(value).keys()]
}

/** Those forms, each with what it is. */
export function namedForms(value: string): ReadonlyMap<string, ValueForm> {
  const json = JSON.stringify(value).slice(1, -1)
  const percent = encodeURIComponent(value)
  const hex = Buffer.from(value, 'utf8').toString('hex')
  const forms: ReadonlyArray<readonly [string, ValueForm]> = [
    [value, 'raw'],
    [percent, 'percent'],
    [encodeSegment(value), 'percent'],
    [percent.replaceAll(/%[\dA-F]{2}/gu, (code) => code.toLowerCase()), 'percent'],
    [json, 'json'],
    [json.replaceAll('/', String.raw`\/`), 'json'],
    ...base64Forms(value).map((form) => [form, 'base64'] as const),
    [hex, 'hex'],
    [hex.toUpperCase(), 'hex'],
  ]
  const named = new Map<string, ValueForm>()
  for (const [form, name] of forms) {
    if (form.length >= leastValueLength && !named.has(form)) named.set(form, name)
  }
  return named
}

/** The forms in which a stored value is looked for wherever it may stand: fewer, for it is everywhere. */
export function formsAtRest(value: string): ReadonlySet<string> {
  const bytes = Buffer.from(value, 'utf8')
  const base64 = bytes.toString('base64').replace(/=+$/u, '')
  const json = JSON.stringify(value).slice(1, -1)
  // Host names and field names of later HTTP versions are in lower case.
  const lower = value.toLowerCase()
  return new Set([
    value,
    encodeURIComponent(value),
    json,
    base64,
    bytes.toString('base64url'),
    lower,
  ])
}

/** By itself, and as it stands within longer text that is encoded as a whole. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8')
  const forms = [bytes.toString('base64').replace(/=+$/u, '')]
  for (const before of [1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    forms.push(text.slice(before + 1).replace(/=+$/u, ''))
  }
  // The last character may carry bits of what follows.
  const inner = forms.map((form) => (form.length > 2 * leastValueLength ? form.slice(0, -1) : form))
  return inner.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}
