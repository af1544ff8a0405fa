/**
 * Whether a token may become its secret in a request. Pure. The host is the one that was matched,
 * dialled and verified, never the Host header; a pattern without a port stands for 443 alone.
 */
import { isIPv4, isIPv6 } from 'node:net'

import type { Authority } from '../authority.ts'
import { coversTarget } from '../credential.ts'
import type { HostPattern } from '../host-pattern.ts'
import { matchesAny } from '../host-pattern.ts'
import type { TokenMismatch, TokenRequest } from './token-source.ts'

const tlsPort = 443

export interface TokenFacts {
  /** Both must hold: those of the token, and those of its secret at the time of use. */
  readonly hosts: readonly HostPattern[]
  readonly secretHosts: readonly HostPattern[]
  /** Of the secret: `/v1/*`; undefined for every path. */
  readonly path: string | undefined
  /** The only agent that it is for; undefined for every one that has the secret. */
  readonly agent: string | undefined
  /** Whether the agent of the request has the secret. */
  readonly isGranted: boolean
  /** Epoch milliseconds; undefined for never. */
  readonly expiresAt: number | undefined
}

/** `now` in epoch milliseconds. */
export function decideToken(
  facts: TokenFacts,
  request: TokenRequest,
  now: number,
): 'replace' | TokenMismatch {
  const { agent } = request
  if (agent === undefined || !facts.isGranted) return 'agent'
  if (facts.agent !== undefined && facts.agent !== agent) return 'agent'
  if (facts.expiresAt !== undefined && facts.expiresAt <= now) return 'expired'
  const authority = authorityOf(request)
  if (!matchesAny(facts.hosts, authority, tlsPort)) return 'host'
  if (!matchesAny(facts.secretHosts, authority, tlsPort)) return 'host'
  if (!isSafeWay(request)) return 'plain-http'
  return facts.path === undefined || coversTarget(facts.path, request.path) ? 'replace' : 'path'
}

/** Verified TLS, or no network at all. */
export function isSafeWay({ scheme, host }: Pick<TokenRequest, 'scheme' | 'host'>): boolean {
  return scheme === 'https' || isLoopback(host)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

export function authorityOf({ host, port }: Pick<TokenRequest, 'host' | 'port'>): Authority {
  return { host, port, kind: isIPv4(host) ? 'ipv4' : isIPv6(host) ? 'ipv6' : 'name' }
}

/** The first of `inner` that reaches where none of `outer` does; undefined if there is none. */
export function firstOutside(
  inner: readonly HostPattern[],
  outer: readonly HostPattern[],
): HostPattern | undefined {
  return inner.find((pattern) => !outer.some((wide) => isWithin(pattern, wide)))
}

function isWithin(inner: HostPattern, outer: HostPattern): boolean {
  if ((inner.port ?? tlsPort) !== (outer.port ?? tlsPort)) return false
  if (!outer.wildcard) return !inner.wildcard && inner.host === outer.host
  if (inner.host.endsWith(`.${outer.host}`)) return true
  return inner.wildcard && inner.host === outer.host
}
