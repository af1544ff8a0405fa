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

export interface Authenticator {
  /** `values`: all of `Proxy-Authorization`. */
  authenticate(
    values: readonly string[],
  ): ({ readonly ok: true } & Identity) | { readonly ok: false }
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
 * nameless, until the directory demands a token.
 */
export function createAuthenticator(
  tokens: readonly ProxyToken[],
  directory?: AgentDirectory,
): Authenticator {
  const known = tokens.map(({ agent, token, pass }) => ({ agent, pass, hash: sha256(token) }))
  const demandsToken = (): boolean => known.length > 0 || directory?.demandsToken() === true
  return {
    authenticate(values) {
      if (values.length !== 1) return demandsToken() ? { ok: false } : { ok: true }
      const candidates = readCredentials(values[0] ?? '').map(sha256)
      let found: Identity | undefined
      // Every pair is compared: the time taken does not tell which token came close.
      for (const { agent, pass, hash } of known) {
        for (const candidate of candidates) {
          if (timingSafeEqual(hash, candidate)) found = { agent, pass }
        }
      }
      const pass = directory?.find(candidates)
      found ??= pass === undefined ? undefined : { agent: pass.agent, pass }
      if (found !== undefined && found.pass?.isValid() !== false) return { ok: true, ...found }
      return demandsToken() ? { ok: false } : { ok: true }
    },
    isCurrent: ({ agent, pass }) =>
      pass === undefined ? agent !== undefined || !demandsToken() : pass.isValid(),
    subscribe: (listener) => directory?.subscribe(listener) ?? (() => {}),
  }
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

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
