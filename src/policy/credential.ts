/**
 * Which credential goes into which request: where it is bound to (hosts, path), the slot that it
 * fills, and which of several is the most specific. Pure; it never sees a value.
 */
import type { HostPattern } from './host-pattern.ts'
import { isUnambiguousPath, matchesPath, splitTarget } from './request-path.ts'

/** Where a value goes. `ifPresent`: only where the client sent something there itself. */
export type CredentialLocation =
  | {
      readonly type: 'header'
      readonly name: string
      /** `{}` stands for the value. */
      readonly format: string
      readonly ifPresent: boolean
    }
  | { readonly type: 'query'; readonly name: string; readonly ifPresent: boolean }
  | {
      readonly type: 'url-path'
      /** From the beginning of the path; `{}` stands for the value, as in `/bot{}/`. */
      readonly pattern: string
      readonly ifPresent: boolean
    }
  | { readonly type: 'basic'; readonly user: string; readonly ifPresent: boolean }

export interface CredentialBinding {
  /** Names it in messages; never the value. */
  readonly id: string
  readonly hosts: readonly HostPattern[]
  /** `/v1/models`, or `/v1/*` for `/v1` and all below it; undefined for every path. */
  readonly path: string | undefined
  readonly location: CredentialLocation
}

/** The credential is for TLS alone: what a pattern without a port stands for. */
const tlsPort = 443

/** What the credential is about to be put into. `path` is the request target, with its query. */
export interface CredentialRequest {
  readonly host: string
  readonly port: number
  readonly path: string
}

/** A value, and the exact request part that takes it. */
export interface SelectedCredential {
  readonly id: string
  readonly location: CredentialLocation
  /** Rejects, or throws, where there is none to be had: then the request must not go out. */
  reveal(): string | Promise<string>
}

/** Where credentials come from. */
export interface CredentialSource {
  /**
   * At most one for each slot, as of this moment: what changes later does not touch what was given.
   * Throws where that cannot be known.
   */
  select(
    request: CredentialRequest & { readonly agent?: string | undefined },
  ): readonly SelectedCredential[]
}

/** The part of a request that a location fills; two that fill the same cannot both be sent. */
export function slotOf(location: CredentialLocation): string {
  switch (location.type) {
    case 'header':
      return `header ${location.name.toLowerCase()}`
    case 'basic':
      return 'header authorization'
    case 'query':
      return `query ${location.name}`
    case 'url-path':
      return `url-path ${location.pattern}`
  }
}

/** As messages and lists name it: `authorization`, `?key`, `/bot{}/`. */
export function describeLocation(location: CredentialLocation): string {
  switch (location.type) {
    case 'header':
      return location.name.toLowerCase()
    case 'basic':
      return 'authorization'
    case 'query':
      return `?${location.name}`
    case 'url-path':
      return location.pattern
  }
}

/** Host and port as one word; `:443` is what a pattern without a port means. */
export function canonicalHost({ host, wildcard, port }: HostPattern): string {
  return `${wildcard ? '*.' : ''}${host}:${port ?? tlsPort}`
}

/** The hosts that two bindings share, where both fill the same slot for the same path. */
export function ambiguousHost(a: CredentialBinding, b: CredentialBinding): string | undefined {
  if (slotOf(a.location) !== slotOf(b.location) || a.path !== b.path) return undefined
  const others = new Set(b.hosts.map(canonicalHost))
  return a.hosts.find((host) => others.has(canonicalHost(host)))?.text
}

/** Finds credentials by host, so that a thousand cost a request no more than one. */
export class CredentialIndex<T extends CredentialBinding> {
  readonly #byHost = new Map<string, T[]>()

  constructor(credentials: readonly T[]) {
    for (const credential of credentials) {
      for (const host of credential.hosts) {
        const key = canonicalHost(host)
        const known = this.#byHost.get(key)
        if (known === undefined) this.#byHost.set(key, [credential])
        else known.push(credential)
      }
    }
    for (const list of this.#byHost.values()) list.sort(byPath)
  }

  /** The most specific for each slot among those that `may` be used. */
  select(request: CredentialRequest, may: (credential: T) => boolean): T[] {
    const found: T[] = []
    const filled = new Set<string>()
    let target: { path: string; isPlain: boolean } | undefined
    for (const list of this.#candidates(request)) {
      for (const credential of list) {
        const slot =
          credential.location.type === 'url-path' ? 'url-path' : slotOf(credential.location)
        if (filled.has(slot) || !may(credential)) continue
        target ??= readTarget(request.path)
        if (!fits(credential, target)) continue
        filled.add(slot)
        found.push(credential)
      }
    }
    return found
  }

  /** Exact before wildcard, longer wildcard before shorter. */
  *#candidates({ host, port }: CredentialRequest): Generator<readonly T[]> {
    const exact = this.#byHost.get(`${host}:${port}`)
    if (exact !== undefined) yield exact
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const below = this.#byHost.get(`*${host.slice(dot)}:${port}`)
      if (below !== undefined) yield below
    }
  }
}

function readTarget(target: string): { path: string; isPlain: boolean } {
  const { path } = splitTarget(target)
  return { path, isPlain: isUnambiguousPath(path) }
}

/** A path that other parsers may read otherwise takes nothing that is bound to a path. */
function fits(
  { path: bound, location }: CredentialBinding,
  { path, isPlain }: { path: string; isPlain: boolean },
): boolean {
  if (bound === undefined && location.type !== 'url-path') return true
  if (!isPlain) return false
  if (bound !== undefined && !matchesPath(bound, path)) return false
  return location.type !== 'url-path' || holeIn(location.pattern, path) !== undefined
}

/** Exact path, then the longest prefix, then none; among paths to fill, the longest. */
function byPath(a: CredentialBinding, b: CredentialBinding): number {
  return pathRank(b) - pathRank(a) || patternLength(b) - patternLength(a)
}

function pathRank({ path }: CredentialBinding): number {
  if (path === undefined) return -1
  return path.endsWith('/*') ? path.length : Number.MAX_SAFE_INTEGER
}

function patternLength({ location }: CredentialBinding): number {
  return location.type === 'url-path' ? location.pattern.length : 0
}

/** Where in `path` the value of a `url-path` location stands: up to the next slash, or the suffix. */
export function holeIn(
  pattern: string,
  path: string,
): { readonly start: number; readonly end: number } | undefined {
  const [prefix = '', suffix = ''] = pattern.split('{}')
  if (!path.startsWith(prefix)) return undefined
  const start = prefix.length
  const slash = path.indexOf('/', start)
  const segmentEnd = slash === -1 ? path.length : slash
  const end = suffix === '' ? segmentEnd : path.indexOf(suffix, start)
  return end === -1 || end > segmentEnd ? undefined : { start, end }
}
