/**
 * Proxy authentication (RFC 9110 §11.7): Basic, with the token as password or as user name, and
 * Bearer. Tokens are compared as hashes in constant time; a failure says nothing about why.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

import type { AgentDirectory, AgentPass } from '../policy/agent-pass.ts'
import type { Authority } from '../policy/authority.ts'
import type { ProxyAnswer } from './client-response.ts'

/** Who may use the proxy; `agent` stands in every message of the connection. */
export interface ProxyToken {
  readonly agent: string
  readonly token: string
  /** Of an agent that this token stands for; without one, it reaches every host for ever. */
  readonly pass?: AgentPass | undefined
}

/** Who a connection is: nobody in particular, where no token is demanded. */
export interface Identity {
  readonly agent?: string | undefined
  readonly pass?: AgentPass | undefined
}

/**
 * When a token is demanded: `auto` as soon as anybody has one, `always` also where nobody does,
 * `off` never; one that is given and right says who it is even so.
 */
export type TokenDemand = 'auto' | 'always' | 'off'

export interface Authenticator {
  /** `values`: all of `Proxy-Authorization`. */
  authenticate(
    values: readonly string[],
  ): ({ readonly ok: true } & Identity) | { readonly ok: false }
  /** The agent whose token is among these, given in another place than `Proxy-Authorization`. */
  identify(tokens: readonly string[]): Identity | undefined
  /** Whether one who was let in would still be: false once a token was revoked or has expired. */
  isCurrent(identity: Identity): boolean
  /** `listener` is called when `isCurrent` may have changed. Returns what ends that. */
  subscribe(listener: () => void): () => void
}

export const unauthenticatedAnswer: ProxyAnswer = {
  status: 407,
  code: 'unauthenticated',
  message: 'this proxy wants a token: use the proxy URL that porthole printed or set',
  headers: [['Proxy-Authenticate', 'Basic realm="porthole"']],
}

/** For a reverse route, whose client speaks to a server and knows nothing of proxies. */
export const unauthenticatedRouteAnswer: ProxyAnswer = {
  status: 401,
  code: 'unauthenticated',
  message: 'routes of this proxy want its token: send it as Proxy-Authorization',
  // Not Basic: a browser would ask its user for a password.
  headers: [['WWW-Authenticate', 'Bearer realm="porthole"']],
}

export const outOfScopeAnswer: ProxyAnswer = {
  status: 403,
  code: 'host-not-in-scope',
  message: 'this agent may not reach that host',
}

/** Whether the agent may speak to that host at all. */
export function mayReach({ pass }: Identity, authority: Authority, schemePort: 80 | 443): boolean {
  return pass === undefined || pass.mayReach(authority, schemePort)
}

/** Longest credential that is looked at, in characters. */
const maxCredentialLength = 4096

/**
 * Tokens given at the start, and agents that come and go. Without the former, everybody is let in,
 * nameless, until the directory demands a token, unless `demand` says otherwise.
 */
export function createAuthenticator(
  tokens: readonly ProxyToken[],
  directory?: AgentDirectory,
  demand: TokenDemand = 'auto',
): Authenticator {
  const known = hashTokens(tokens)
  const demandsToken = (): boolean =>
    demand === 'auto' ? known.length > 0 || directory?.demandsToken() === true : demand === 'always'
  const agentOf = (hashes: readonly Buffer[]): Identity | undefined => {
    const pass = directory?.find(hashes)
    return pass?.isValid() === true ? { agent: pass.agent, pass } : undefined
  }
  return {
    authenticate(values) {
      if (values.length === 1) {
        const candidates = readCredentials(values[0] ?? '').map(sha256)
        const found = matchToken(known, candidates) ?? agentOf(candidates)
        if (found !== undefined) return { ok: true, ...found }
      }
      return demandsToken() ? { ok: false } : { ok: true }
    },
    identify: (texts) => agentOf(texts.map(sha256)),
    isCurrent: ({ agent, pass }) =>
      pass === undefined ? agent !== undefined || !demandsToken() : pass.isValid(),
    subscribe: (listener) => directory?.subscribe(listener) ?? (() => {}),
  }
}

export type HashedToken = Identity & { readonly hash: Buffer }

export function hashTokens(tokens: readonly ProxyToken[]): readonly HashedToken[] {
  return tokens.map(({ agent, token, pass }) => ({ agent, pass, hash: sha256(token) }))
}

/** Every pair is compared: the time taken does not tell which token came close. */
export function matchToken(
  known: readonly HashedToken[],
  candidates: readonly Buffer[],
): Identity | undefined {
  let found: Identity | undefined
  for (const { agent, pass, hash } of known) {
    for (const candidate of candidates) {
      if (timingSafeEqual(hash, candidate)) found = { agent, pass }
    }
  }
  return found?.pass?.isValid() === false ? undefined : found
}

function readCredentials(value: string): string[] {
  const match = /^(?<scheme>basic|bearer) +(?<rest>[\w+/.~=-]+)$/iu.exec(value.trim())
  if (value.length > maxCredentialLength || match?.groups === undefined) return []
  const rest = match.groups['rest'] ?? ''
  if (match.groups['scheme']?.toLowerCase() === 'bearer') return [rest]
  const pair = Buffer.from(rest, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  const parts = colon === -1 ? [pair] : [pair.slice(0, colon), pair.slice(colon + 1)]
  return parts.filter((part) => part !== '')
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
