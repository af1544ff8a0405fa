/**
 * Who sends a request to a route. A program that takes a base URL has one place for what it is
 * given: that of its API key. Where a credential is bound to a route's upstream, the token stands
 * there, and the credential takes its place later; other routes want it as Proxy-Authorization.
 * Tokens are compared as hashes in constant time, and before anything else happens.
 */
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { HeaderList } from '../pipeline/analyzer.ts'
import type { AgentPass } from '../policy/agent-pass.ts'
import type { ReadableRequest, SlotValue } from '../policy/credential-slot.ts'
import { slotValues, tokensIn } from '../policy/credential-slot.ts'
import type { CredentialHost, InjectedLocation, CredentialPlaces } from '../policy/credential.ts'
import { keyPlaceholder, standsForKey } from '../policy/own-token.ts'
import { otherPlaces } from '../policy/provider-keys.ts'
import { isKeyHeader } from '../policy/redaction.ts'
import type { Authenticator, HashedToken, Identity, ProxyToken } from './client-auth.ts'
import { hashTokens, matchToken, sha256, unauthenticatedRouteAnswer } from './client-auth.ts'
import type { ProxyAnswer } from './client-response.ts'
import { createHeaderList } from './http-messages.ts'
import type { RouteMatch } from './reverse-routes.ts'

export type RouteAdmission =
  | {
      readonly ok: true
      readonly identity: Identity
      /** Without credentials of the client's own beside its token. */
      readonly headers: HeaderPairs
    }
  | {
      readonly ok: false
      readonly answer: ProxyAnswer
      /** Whether there was a token, and it was wrong: asking without one is no guess. */
      readonly isGuess: boolean
    }

/** What the client is told who has put something else there, or nothing. */
const wantsRouteToken: ProxyAnswer = {
  ...unauthenticatedRouteAnswer,
  message:
    'this route wants a token of this proxy in place of the API key: that of an agent, or the one ' +
    'that porthole run sets and porthole start --print-env prints',
}

const unreadable: ProxyAnswer = {
  status: 503,
  code: 'credential-unavailable',
  message: 'porthole cannot read its vault, and so not say who may use this route',
}

/** Shorter values are no keys, and could not be hidden without hiding words. */
const leastKeyLength = 8

/** Where credentials of upstreams stand, and who those are that come by a route's own token. */
export interface RouteCredentials {
  readonly places: CredentialPlaces
  readonly agent: string
  readonly pass?: AgentPass | undefined
}

export class RouteGuard {
  readonly #places: CredentialPlaces
  readonly #tokens: ReadonlyMap<string, readonly HashedToken[]>
  readonly #isOpen: boolean

  /**
   * `tokens`: of each route by its name, beside those of agents. With `isOpen` none is demanded; one
   * that is given says who it is even so.
   */
  constructor(
    places: CredentialPlaces,
    tokens: ReadonlyMap<string, ProxyToken>,
    { isOpen = false }: { readonly isOpen?: boolean } = {},
  ) {
    this.#places = places
    this.#isOpen = isOpen
    this.#tokens = new Map([...tokens].map(([name, token]) => [name, hashTokens([token])]))
  }

  /** What a client itself has put where credentials of a host go: nothing of it may be told. */
  keysIn(host: string, port: number, request: ReadableRequest): string[] {
    let places: readonly InjectedLocation[]
    try {
      places = this.#placesOf({ host, port })
    } catch {
      // Where the places are not known, the request is refused before it is sent.
      return []
    }
    return places.flatMap((place) =>
      slotValues(request, place).flatMap((found) => keysOf(found, place)),
    )
  }

  admit(match: RouteMatch, headers: HeaderPairs, authenticator: Authenticator): RouteAdmission {
    const { scheme, authority } = match.route.destination
    const request = { path: match.path, headers: createHeaderList(headers) }
    // Nothing is put into what is not encrypted.
    if (scheme !== 'https') return admitByProxyToken(headers, authenticator)
    const { host, port } = authority
    const target = { host, port, basePath: match.route.basePath }
    try {
      const places = this.#placesOf(target)
      if (places.length === 0) return admitByProxyToken(headers, authenticator)
      const found = this.#find(match.route.name, places, request, authenticator)
      if (found !== undefined) return found
      const other = admitByProxyToken(headers, authenticator)
      if (this.#isOpen) return other
      const agent = other.ok ? other.identity.agent : undefined
      // An agent that gets no credential here uses its own, as on a route without any.
      if (agent !== undefined && this.#places.placesFor(target, agent).length === 0) return other
      const isGuess = places.some((place) =>
        slotValues(request, place).some(({ value }) => isTried(value)),
      )
      return {
        ok: false,
        answer: wantsRouteToken,
        isGuess: isGuess || (!other.ok && other.isGuess),
      }
    } catch {
      return { ok: false, answer: unreadable, isGuess: false }
    }
  }

  /** With those in which clients of the provider may send the same key. */
  #placesOf(target: CredentialHost): readonly InjectedLocation[] {
    const places = this.#places.placesFor(target)
    return [...places, ...otherPlaces(target.host, places)]
  }

  #find(
    route: string,
    places: readonly InjectedLocation[],
    request: { readonly path: string; readonly headers: HeaderList },
    authenticator: Authenticator,
  ): RouteAdmission | undefined {
    for (const place of places) {
      const [found, ...others] = slotValues(request, place)
      // Twice in one place says two things; which of them counts is not for us to choose.
      if (found === undefined || others.length > 0) continue
      const tokens = tokensIn(found.value, place)
      const identity =
        matchToken(this.#tokens.get(route) ?? [], tokens.map(sha256)) ??
        authenticator.identify(tokens)
      if (identity === undefined) continue
      return { ok: true, identity, headers: withoutOtherKeys(request.headers.pairs(), place) }
    }
    return undefined
  }
}

/** By `Proxy-Authorization`, as clients of a proxy send it. */
export function admitByProxyToken(
  headers: HeaderPairs,
  authenticator: Authenticator,
  answer = unauthenticatedRouteAnswer,
): RouteAdmission {
  const values = headerValues(headers, 'proxy-authorization')
  const { ok, ...identity } = authenticator.authenticate(values)
  return ok ? { ok, identity, headers } : { ok, answer, isGuess: values.some(isTried) }
}

/** As written, and what that carries; what only stands for a key is masked by its looks. */
function keysOf({ value, written }: SlotValue, place: InjectedLocation): string[] {
  const tokens = tokensIn(value, place)
  const isKey = !tokens.some(standsForKey)
  if (!isKey && value === written) return []
  return [written, ...(isKey ? [value, ...tokens] : [])].filter(
    (text) => text.length >= leastKeyLength,
  )
}

function isTried(value: string): boolean {
  return value !== '' && !value.endsWith(keyPlaceholder)
}

function withoutOtherKeys(pairs: HeaderPairs, place: InjectedLocation): HeaderPairs {
  const own =
    place.type === 'header'
      ? place.name.toLowerCase()
      : place.type === 'basic'
        ? 'authorization'
        : ''
  return pairs.filter(([name]) => name.toLowerCase() === own || !isKeyHeader(name))
}
