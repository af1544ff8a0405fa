/**
 * Reverse routes: `/NAME/…` on the listener leads to an upstream, for programs that take a base URL
 * but no proxy. Pure: it knows names, paths and fields, no sockets. Paths are forwarded byte for
 * byte and never out of the upstream's base path; names are compared as they stand, undecoded.
 * Web pages are kept out (DNS rebinding, cross-site requests): credentials may be put in here.
 */
import { headerValues } from '../messages/header-values.ts'
import { classifyAddress } from '../policy/address-guard.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority, parseAuthority } from '../policy/authority.ts'
import { looksLikeCredential } from '../policy/credential-name.ts'
import { hasDotDot } from '../policy/request-path.ts'
import type { Destination } from './http-messages.ts'
import { bad, refuseMethod, withHost } from './request-target.ts'
import type { RequestLine, RequestTarget } from './request-target.ts'

export interface ReverseRoute {
  /** First segment of the path, without slashes. */
  readonly name: string
  readonly destination: Destination
  /** Goes before what follows the name; empty, or with a slash in front and none at the end. */
  readonly basePath: string
}

export type ReverseRoutes = ReadonlyMap<string, ReverseRoute>

export type ParsedReverseRoute =
  | { readonly ok: true; readonly route: ReverseRoute }
  /** One line that repeats nothing of the URL, which may hold a secret. */
  | { readonly ok: false; readonly problem: string }

/** Where a request came in. */
export interface ListenerPlace {
  /** As the user named it. */
  readonly host: string
  /** The address that the client connected to, and its port. */
  readonly address: string
  readonly port: number
}

const routeText = /^(?<name>[^=]*)=(?<scheme>https?):\/\/(?<authority>[^/?#]+)(?<path>\/.*)?$/isu
/** RFC 3986 §3.3. */
const pathText = /^(?:\/[\w.~!$&'()*+,;=:@%-]*)*$/u

/** Parses `NAME=URL`; plain http only where it stays on this machine. */
export function parseReverseRoute(text: string): ParsedReverseRoute {
  const fail = (problem: string): ParsedReverseRoute => ({ ok: false, problem })
  const groups = routeText.exec(text)?.groups
  if (groups === undefined) return fail('expected NAME=URL')
  const { name = '', scheme = '', authority = '', path = '' } = groups
  const wrongName = problemOfName(name)
  if (wrongName !== undefined) return fail(wrongName)
  const isHttps = scheme.toLowerCase() === 'https'
  const parsed = parseAuthority(authority, isHttps ? 443 : 80)
  if (!parsed.ok) return fail(`${name}: ${parsed.problem}`)
  const isLoopback = namesLoopback(parsed.authority)
  if (!isHttps && !isLoopback) {
    return fail(`${name}: plain http leads to this machine only; use https`)
  }
  if (!pathText.test(path) || hasDotDot(path)) {
    return fail(`${name}: the base path is not one that requests can be joined to`)
  }
  return {
    ok: true,
    route: {
      name,
      destination: {
        scheme: isHttps ? 'https' : 'http',
        authority: parsed.authority,
        ...(isLoopback ? { isNamedLoopback: true } : {}),
      },
      basePath: path.replace(/\/+$/u, ''),
    },
  }
}

function problemOfName(name: string): string | undefined {
  if (looksLikeCredential(name)) return 'what was given as its name looks like a key'
  if (/^[a-z0-9-]{1,63}$/u.test(name)) return undefined
  return 'a name is made of lower-case letters, digits and hyphens'
}

/** The URL that a route leads to, as it is shown to users. */
export function formatReverseRoute({ destination, basePath }: ReverseRoute): string {
  const { scheme, authority } = destination
  return `${scheme}://${formatAuthority(authority, scheme === 'https' ? 443 : 80)}${basePath}`
}

/** The route that a request target in origin form names, and where it would lead there. */
export interface RouteMatch {
  readonly route: ReverseRoute
  /** Joined to the base path, with the query. */
  readonly path: string
}

const targetText = /^\/(?<name>[^/?#]*)(?<rest>[^?#]*)(?<query>\?[^#]*)?$/su

/** Undefined where there is no such route. What it leads to is not judged here. */
export function matchRoute(target: string, routes: ReverseRoutes): RouteMatch | undefined {
  const { name = '', rest = '', query = '' } = targetText.exec(target)?.groups ?? {}
  const route = routes.get(name)
  if (route === undefined) return undefined
  const { basePath } = route
  const path = `${basePath}${rest === '/' && basePath !== '' ? '' : rest}`
  return { route, path: `${path === '' ? '/' : path}${query}` }
}

/** A request in origin form on a listener with routes. */
export function resolveRoute(
  line: RequestLine,
  routes: ReverseRoutes,
  listener: ListenerPlace,
): RequestTarget {
  const refused = refuseMethod(line.method) ?? refuseStranger(line, listener)
  if (refused !== undefined) return refused
  const groups = targetText.exec(line.target)?.groups
  if (groups === undefined) return bad('the request target is malformed')
  const match = matchRoute(line.target, routes)
  if (match === undefined) {
    const known = [...routes.keys()].map((key) => `/${key}/`).join(', ')
    const message = `no such route; there is ${known}`
    return { ok: false, status: 404, code: 'unknown-route', message }
  }
  const { rest = '' } = groups
  if (rest.includes('\\') || hasDotDot(rest)) {
    return bad('the path could lead out of the route', 'bad-path')
  }
  const { destination } = match.route
  return {
    ok: true,
    destination,
    path: match.path,
    headers: withHost(
      line.headers,
      destination.authority,
      destination.scheme === 'https' ? 443 : 80,
    ),
  }
}

/** A name that is not ours may have been pointed here (DNS rebinding); another site's page has no business here. */
function refuseStranger(line: RequestLine, listener: ListenerPlace): RequestTarget | undefined {
  const hosts = headerValues(line.headers, 'host')
  if (hosts.length > 1) return bad('more than one Host field')
  if (!isListener(hosts[0] ?? '', listener)) {
    const message = 'routes are served under the address of the listener only'
    return { ok: false, status: 421, code: 'misdirected-request', message }
  }
  const isForeign =
    headerValues(line.headers, 'origin').some((origin) => !isOwnOrigin(origin, listener)) ||
    // Without Origin: what an <img> or a <script> asks for. `none` is what the user typed.
    headerValues(line.headers, 'sec-fetch-site').some(
      (site) => !['same-origin', 'none'].includes(site.toLowerCase()),
    )
  if (!isForeign) return undefined
  const message = 'routes are not for web pages of other sites'
  return { ok: false, status: 403, code: 'foreign-origin', message }
}

function isOwnOrigin(origin: string, listener: ListenerPlace): boolean {
  const authority = /^http:\/\/(?<authority>[^/?#]+)$/iu.exec(origin)?.groups?.['authority']
  return authority !== undefined && isListener(authority, listener)
}

function isListener(text: string, { host, address, port }: ListenerPlace): boolean {
  const parsed = parseAuthority(text, 80)
  if (!parsed.ok || parsed.authority.port !== port) return false
  const named = parsed.authority.host
  // "Any address" is none: pages of public sites can name 0.0.0.0 to reach this machine.
  if (named === '0.0.0.0' || named === '::') return false
  const reached = address.replace(/^::ffff:(?=\d+\.)/iu, '').replace(/%.*$/su, '')
  return ['127.0.0.1', 'localhost', '::1', host, reached].includes(named)
}

function namesLoopback({ host, kind }: Authority): boolean {
  return kind === 'name' ? host === 'localhost' : classifyAddress(host) === 'loopback'
}
