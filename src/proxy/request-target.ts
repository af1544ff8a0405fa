/**
 * Where a request goes, decided from its target, its Host and the connection it came on
 * (RFC 9112 §3.2, RFC 9110 §7.2 and §7.4). Pure. Two sources that disagree are refused, never
 * resolved in favour of the sender.
 */
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority, parseAuthority, sameAuthority } from '../policy/authority.ts'
import type { Destination } from './http-messages.ts'

export type RequestTarget =
  | {
      readonly ok: true
      readonly destination: Destination
      readonly path: string
      readonly headers: HeaderPairs
    }
  | {
      readonly ok: false
      readonly status: 400 | 403 | 404 | 405 | 421
      readonly code: string
      readonly message: string
      /** Where it would have gone, if that was known. */
      readonly authority?: Authority
    }

export interface RequestLine {
  readonly method: string
  readonly target: string
  readonly headers: HeaderPairs
}

/** A request on an intercepted connection: it may only go where the CONNECT authority says. */
export function resolveIntercepted(line: RequestLine, authority: Authority): RequestTarget {
  const refused = refuseMethod(line.method)
  if (refused !== undefined) return refused
  const destination: Destination = { scheme: 'https', authority }
  const hosts = headerValues(line.headers, 'host')
  if (hosts.length > 1) return bad('more than one Host field')
  const [host] = hosts
  if (host !== undefined && !namesAuthority(host, authority, 443)) return misdirected(authority)
  const headers = withHost(line.headers, authority, 443)
  if (line.target.startsWith('/')) return { ok: true, destination, path: line.target, headers }
  if (line.target === '*' && line.method === 'OPTIONS') {
    return { ok: true, destination, path: '*', headers }
  }
  const absolute = parseAbsolute(line.target)
  if (absolute === undefined) return bad('the request target is malformed')
  if (absolute.scheme !== 'https' || !namesAuthority(absolute.authority, authority, 443)) {
    return misdirected(authority)
  }
  return { ok: true, destination, path: absolute.path, headers }
}

/** A request to the proxy itself, in absolute form; its Host gives way to the target (RFC 9112 §3.2.2). */
export function resolvePlain(line: RequestLine): RequestTarget {
  const refused = refuseMethod(line.method)
  if (refused !== undefined) return refused
  if (line.target.startsWith('/') || line.target === '*') {
    return bad(
      'this is a proxy, not a web server: set it as HTTP_PROXY and HTTPS_PROXY',
      'not-a-proxy-request',
    )
  }
  const absolute = parseAbsolute(line.target)
  if (absolute === undefined) return bad('the request target is malformed')
  if (absolute.scheme === 'https') return bad('use CONNECT for https', 'https-needs-connect')
  const parsed = parseAuthority(absolute.authority, 80)
  if (!parsed.ok) return bad(`bad authority: ${parsed.problem}`, 'bad-authority')
  if (headerValues(line.headers, 'host').length > 1) return bad('more than one Host field')
  return {
    ok: true,
    destination: { scheme: 'http', authority: parsed.authority },
    path: absolute.path,
    headers: withHost(line.headers, parsed.authority, 80),
  }
}

/** TRACE would echo an injected credential to the client; a CONNECT inside a tunnel hides its target. */
export function refuseMethod(method: string): RequestTarget | undefined {
  if (method !== 'TRACE' && method !== 'TRACK' && method !== 'CONNECT') return undefined
  return { ok: false, status: 405, code: 'method-refused', message: `${method} is not forwarded` }
}

function parseAbsolute(
  target: string,
): { scheme: 'http' | 'https'; authority: string; path: string } | undefined {
  const match = /^(?<scheme>https?):\/\/(?<authority>[^/?#]+)(?<path>[/?][^#]*)?$/iu.exec(target)
  if (match?.groups === undefined) return undefined
  const { scheme = '', authority = '', path = '/' } = match.groups
  return {
    scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http',
    authority,
    path: path.startsWith('?') ? `/${path}` : path,
  }
}

function namesAuthority(text: string, authority: Authority, defaultPort: number): boolean {
  if (text === formatAuthority(authority, defaultPort)) return true
  const parsed = parseAuthority(text, defaultPort)
  return parsed.ok && sameAuthority(parsed.authority, authority)
}

/** Host as sent where it is the authority letter for letter (its port may be spelt out), else ours. */
export function withHost(
  headers: HeaderPairs,
  authority: Authority,
  defaultPort: number,
): HeaderPairs {
  const canonical = formatAuthority(authority, defaultPort)
  const spelt = formatAuthority(authority)
  const hosts = headerValues(headers, 'host')
  if (hosts.length === 0) return [['Host', canonical], ...headers]
  if (hosts.every((host) => host === canonical || host === spelt)) return headers
  return headers.map((pair) => {
    const [name, value] = pair
    return name.toLowerCase() !== 'host' || value === spelt ? pair : [name, canonical]
  })
}

function misdirected(authority: Authority): RequestTarget {
  return {
    ok: false,
    status: 421,
    code: 'misdirected-request',
    message: `this connection is for ${formatAuthority(authority)} only`,
  }
}

export function bad(message: string, code = 'bad-request'): RequestTarget {
  return { ok: false, status: 400, code, message }
}
