/**
 * What the forwarder, policy, injection and the tee know of HTTP: heads as raw pairs and byte
 * streams. Nothing here names node:http, so that another engine can stand behind the same shapes.
 * Framing rules: RFC 9112 §6; hop-by-hop fields: RFC 9110 §7.6.1.
 */
import type { Duplex, Readable, Writable } from 'node:stream'

import { headerValues, isNamed } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import type { HeaderList } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'

/** Where an exchange goes. `authority` is matched, dialled, named in SNI, verified and sent as Host. */
export interface Destination {
  readonly scheme: 'http' | 'https'
  readonly authority: Authority
  /** The user named this loopback upstream: the address guard lets it pass, but to loopback only. */
  readonly isNamedLoopback?: boolean
}

export interface UpstreamRequest {
  readonly destination: Destination
  readonly method: string
  /** Origin-form target. */
  readonly path: string
  readonly headers: HeaderPairs
}

export interface UpstreamResponse {
  readonly status: number
  readonly statusText: string
  readonly httpVersion: string
  readonly headers: HeaderPairs
  readonly body: Readable
  /** Complete once `body` has ended. */
  trailers(): HeaderPairs
}

/** An upstream that switched protocols (101): from here on, bytes. */
export interface UpstreamUpgrade {
  readonly status: 101
  readonly statusText: string
  readonly headers: HeaderPairs
  readonly socket: Duplex
  /** Bytes of the new protocol that came with the head. */
  readonly head: Buffer
}

/** What it took to reach the upstream, as far as it was measured. */
export interface UpstreamTiming {
  /** DNS and TCP, in milliseconds. */
  connectMs?: number
  tlsMs?: number
  reusedConnection?: boolean
}

export interface UpstreamExchange {
  /** Sink of the request body; ending it ends the request. */
  readonly body: Writable
  /** Sends the request head now, without waiting for the first byte of the body. */
  flushHead(): void
  sendTrailers(pairs: HeaderPairs): void
  /** Rejects when no response head arrives; never hangs past `abort()`. */
  readonly answer: Promise<UpstreamResponse | UpstreamUpgrade>
  /** True once a connection was made and, for https, verified. */
  isConnected(): boolean
  /** Complete once `answer` has settled. */
  readonly timing?: UpstreamTiming
  /** Drops the upstream connection of this exchange at once. */
  abort(): void
}

/** An interim response (RFC 9110 §15.2): 100 Continue, 103 Early Hints and the like, never 101. */
export interface InterimResponse {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderPairs
}

/** Opens one exchange with an upstream. Throws nothing: failures come through `answer`. */
export interface Forwarder {
  /** `onInterim` is called for each interim response, before `answer` settles. */
  open(request: UpstreamRequest, onInterim: (interim: InterimResponse) => void): UpstreamExchange
  /** Drops idle and busy upstream connections. */
  close(): void
}

/** `[name, value, name, value, …]`, as node gives raw headers, in pairs. */
export function toPairs(raw: readonly string[]): Array<[string, string]> {
  const pairs: Array<[string, string]> = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    pairs.push([raw[index] ?? '', raw[index + 1] ?? ''])
  }
  return pairs
}

/** The inverse of `toPairs`: what node writes as it stands. */
export function toRaw(pairs: HeaderPairs): string[] {
  const raw: string[] = []
  for (const pair of pairs) raw.push(pair[0], pair[1])
  return raw
}

export function createHeaderList(initial: HeaderPairs): HeaderList {
  let pairs = initial.slice()
  const is = (name: string) => {
    const lower = name.toLowerCase()
    return ([key]: readonly [string, string]) => isNamed(key, lower)
  }
  return {
    values: (name) => headerValues(pairs, name),
    set(name, value) {
      const first = pairs.findIndex(is(name))
      if (first === -1) {
        pairs.push([name, value])
        return
      }
      const isSame = is(name)
      pairs = pairs.filter((pair, index) => index <= first || !isSame(pair))
      pairs[first] = [pairs[first]?.[0] ?? name, value]
    },
    append(name, value) {
      pairs.push([name, value])
    },
    remove(name) {
      const isSame = is(name)
      pairs = pairs.filter((pair) => !isSame(pair))
    },
    replace(index, value) {
      pairs = pairs.map(([name, old], at) => [name, at === index ? value : old])
    },
    pairs: () => pairs,
  }
}

/** Fields that belong to one connection; Transfer-Encoding and Trailer go with the framing we keep. */
const requestHops = new Set([
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
])
const responseHops = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-connection'])
/** A `Connection: authorization` must not strip a field that carries meaning end to end. */
const neverNominated = new Set(['authorization', 'content-length', 'host', 'transfer-encoding'])

/**
 * Request fields for the upstream. A plain `Connection: keep-alive` or `close` stays where it was,
 * so that the upstream sees what it would see directly; any other nomination is honoured and
 * removed. `Upgrade` survives only on a request that is forwarded as an upgrade.
 */
export function forwardableRequestHeaders(pairs: HeaderPairs, isUpgrade: boolean): HeaderPairs {
  const nominated = nominations(pairs)
  const isPlain = [...nominated].every((token) => token === 'keep-alive' || token === 'close')
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase()
    if (requestHops.has(lower) || lower.startsWith('proxy-')) return false
    if (lower === 'connection') return isPlain || isUpgrade
    if (isUpgrade) return true
    if (lower === 'upgrade' || lower === 'http2-settings') return false
    return !nominated.has(lower) || neverNominated.has(lower)
  })
}

/** Response fields for the client: the upstream's own connection handling stays behind. */
export function forwardableResponseHeaders(pairs: HeaderPairs): HeaderPairs {
  const nominated = nominations(pairs)
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase()
    if (responseHops.has(lower)) return false
    return !nominated.has(lower) || neverNominated.has(lower)
  })
}

/** How long a body is, in bytes; undefined where its end is found in another way (RFC 9112 §6.3). */
export function contentLengthOf(pairs: HeaderPairs): number | undefined {
  let length: string | undefined
  for (const pair of pairs) {
    if (isNamed(pair[0], 'transfer-encoding')) return undefined
    if (!isNamed(pair[0], 'content-length')) continue
    if (length !== undefined) return undefined
    length = pair[1]
  }
  return length !== undefined && /^\d{1,15}$/u.test(length) ? Number(length) : undefined
}

/** RFC 9112 §6.3: without Content-Length and Transfer-Encoding a request has no body. */
export function hasBodyFraming(pairs: HeaderPairs): boolean {
  return pairs.some(
    ([name]) => isNamed(name, 'content-length') || isNamed(name, 'transfer-encoding'),
  )
}

/** Whether a request announces that a body follows, if only an empty one of unknown length. */
export function announcesBody(pairs: HeaderPairs): boolean {
  return hasBodyFraming(pairs) && contentLengthOf(pairs) !== 0
}

export function isWebSocketUpgrade(pairs: HeaderPairs): boolean {
  return (
    headerValues(pairs, 'upgrade').some((value) => value.toLowerCase() === 'websocket') &&
    nominations(pairs).has('upgrade')
  )
}

/** What a trailer has no business to say: framing, routing, and what was for this proxy alone. */
const notInTrailers = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Trailers for the other side (RFC 9110 §6.5.1): some recipients merge them into the head. */
export function forwardableTrailers(pairs: HeaderPairs): HeaderPairs {
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase()
    return !notInTrailers.has(lower) && !lower.startsWith('proxy-')
  })
}

/** The fields that `Connection` names as belonging to this connection alone, in lower case. */
function nominations(pairs: HeaderPairs): ReadonlySet<string> {
  const values = headerValues(pairs, 'connection')
  if (values.length === 0) return noNominations
  const tokens = values.flatMap((value) => value.split(','))
  return new Set(tokens.map((token) => token.trim().toLowerCase()).filter((token) => token !== ''))
}

const noNominations: ReadonlySet<string> = new Set()
