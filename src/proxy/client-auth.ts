/**
 * Proxy authentication (RFC 9110 §11.7): Basic, with the token as password or as user name, and
 * Bearer. Tokens are compared as hashes in constant time; a failure says nothing about why.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

import type { ProxyAnswer } from './client-response.ts'

/** Who may use the proxy; `agent` stands in every message of the connection. */
export interface ProxyToken {
  readonly agent: string
  readonly token: string
}

export type Authenticator = (
  /** All values of `Proxy-Authorization`. */
  values: readonly string[],
) => { readonly ok: true; readonly agent?: string } | { readonly ok: false }

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

/** Longest credential that is looked at, in characters. */
const maxCredentialLength = 4096

/** With no tokens everybody is let in, nameless. */
export function createAuthenticator(tokens: readonly ProxyToken[]): Authenticator {
  if (tokens.length === 0) return () => ({ ok: true })
  const known = tokens.map(({ agent, token }) => ({ agent, hash: sha256(token) }))
  return (values) => {
    if (values.length !== 1) return { ok: false }
    const candidates = readCredentials(values[0] ?? '').map(sha256)
    let found: string | undefined
    // Every pair is compared: the time taken does not tell which token came close.
    for (const { agent, hash } of known) {
      for (const candidate of candidates) {
        if (timingSafeEqual(hash, candidate)) found = agent
      }
    }
    return found === undefined ? { ok: false } : { ok: true, agent: found }
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
