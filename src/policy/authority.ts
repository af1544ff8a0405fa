/**
 * The one parser of authorities (RFC 3986 §3.2, RFC 9110 §7.2, RFC 9112 §3.2.3). What it returns is
 * computed once per connection and used for matching, dialling, SNI, certificate verification and
 * Host alike. It is stricter than URL parsers on purpose: anything two parsers could read
 * differently (userinfo, percent signs, number-like hosts, ports with leading zeros) is refused.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

export interface Authority {
  /** Lower case, without a trailing dot; an IPv6 address compressed and without brackets. */
  readonly host: string
  readonly port: number
  readonly kind: 'name' | 'ipv4' | 'ipv6'
}

export type ParsedAuthority =
  | { readonly ok: true; readonly authority: Authority }
  | { readonly ok: false; readonly problem: string }

export type ParsedHost =
  | { readonly ok: true; readonly host: string; readonly kind: Authority['kind'] }
  | { readonly ok: false; readonly problem: string }

/** RFC 1035 §2.3.4. */
const maxNameLength = 253
/** Letters, digits, hyphen, and the underscore that real host names carry; 63 octets (RFC 1035). */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/u
/** A last label that an address parser would take for a number (WHATWG URL §3.5 "ends in a number"). */
const numberLike = /^(?:\d+|0x[0-9a-f]*)$/u

/**
 * Parses `host:port`. Without a port, `defaultPort` is used; if there is none either, that is a
 * problem (a CONNECT authority must carry its port).
 */
export function parseAuthority(text: string, defaultPort?: number): ParsedAuthority {
  const split = splitPort(text)
  if (split === undefined) return { ok: false, problem: 'expected HOST:PORT' }
  const host = parseHost(split.host)
  if (!host.ok) return host
  const port = split.port === undefined ? defaultPort : parsePort(split.port)
  if (port === undefined) {
    return { ok: false, problem: split.port === undefined ? 'the port is missing' : 'bad port' }
  }
  return { ok: true, authority: { host: host.host, port, kind: host.kind } }
}

/** Parses an address to listen on: an authority whose port may be 0, "any free one". */
export function parseListenAddress(text: string): ParsedAuthority {
  const anyPort = /^(?<host>.*):0$/su.exec(text)?.groups?.['host']
  if (anyPort === undefined) return parseAuthority(text)
  // No authority may carry port 0, so another stands in for it while the rest is judged.
  const parsed = parseAuthority(`${anyPort}:1`)
  return parsed.ok ? { ok: true, authority: { ...parsed.authority, port: 0 } } : parsed
}

/** Parses a host name, a dotted-quad IPv4 address, or an IPv6 address in brackets. */
export function parseHost(text: string): ParsedHost {
  if (text.startsWith('[')) return parseIPv6(text)
  // ASCII letters only: `toLowerCase` alone would make a k of the Kelvin sign (U+212A).
  let host = text.replaceAll(/[A-Z]/gu, (letter) => letter.toLowerCase())
  if (host.endsWith('.')) host = host.slice(0, -1)
  if (host === '') return { ok: false, problem: 'the host is empty' }
  if (host.length > maxNameLength) return { ok: false, problem: 'the host is too long' }
  if (isIPv4(host)) return { ok: true, host, kind: 'ipv4' }
  const labels = host.split('.')
  if (!labels.every((part) => label.test(part))) {
    return { ok: false, problem: 'the host has characters that no host name has' }
  }
  if (numberLike.test(labels.at(-1) ?? '')) {
    return { ok: false, problem: 'the host looks like a number but is no IPv4 address' }
  }
  return { ok: true, host, kind: 'name' }
}

/** `host:port`, with brackets around an IPv6 address; the port is left out if it is `omitPort`. */
export function formatAuthority(authority: Authority, omitPort?: number): string {
  const host = authority.kind === 'ipv6' ? `[${authority.host}]` : authority.host
  return authority.port === omitPort ? host : `${host}:${authority.port}`
}

export function sameAuthority(a: Authority, b: Authority): boolean {
  return a.host === b.host && a.port === b.port
}

/** 1–65535 without sign, space or leading zero. */
function parsePort(text: string): number | undefined {
  if (!/^[1-9]\d{0,4}$/u.test(text)) return undefined
  const port = Number(text)
  return port <= 65_535 ? port : undefined
}

function splitPort(text: string): { host: string; port: string | undefined } | undefined {
  const match = /^(?<host>\[[^\]]*\]|[^:[\]]*)(?::(?<port>.*))?$/su.exec(text)
  if (match?.groups === undefined) return undefined
  return { host: match.groups['host'] ?? '', port: match.groups['port'] }
}

function parseIPv6(text: string): ParsedHost {
  const inner = text.slice(1, -1)
  // A zone id names an interface of this machine: it has no meaning in a request.
  if (!text.endsWith(']') || inner.includes('%') || !isIPv6(inner)) {
    return { ok: false, problem: 'not an IPv6 address' }
  }
  return {
    ok: true,
    host: new SocketAddress({ address: inner, family: 'ipv6' }).address,
    kind: 'ipv6',
  }
}
