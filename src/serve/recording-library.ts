/**
 * Finds the recording that answers a request: by host, method, path, query and canonical body. A
 * request that is the same to the letter is preferred to one that differs in what is volatile. One
 * that was recorded several times is answered in that order; the last of them repeats.
 */
import type { Comparison, Difference } from './body-difference.ts'
import { compareBodies } from './body-difference.ts'
import type { CanonicalBody, Leniency } from './canonical-body.ts'
import {
  canonicalBody,
  canonicalPairs,
  digestOf,
  exactly,
  hasMask,
  leniently,
} from './canonical-body.ts'
import type { JsonPath } from './json-path.ts'
import type { Recording } from './recording.ts'
import { canonicalPath } from './recording.ts'

export interface AskedRequest {
  readonly method: string
  /** Request target as sent: a path with its query, or an absolute URL. */
  readonly target: string
  /** The Host field. */
  readonly host: string
  readonly mediaType: string
  /** Its codings undone. */
  readonly body: Buffer
}

export type MissReason =
  /** Nothing was recorded for this method and path. */
  | 'not-recorded'
  /** The same path was, with another query or body. */
  | 'differs'
  /** It was, and cannot be served. */
  | 'unservable'
  /** It was, and has been answered as often as it was recorded. */
  | 'used-up'

export interface Miss {
  readonly kind: 'miss'
  readonly reason: MissReason
  /** The recording that is nearest. */
  readonly nearest: Recording | undefined
  readonly difference: Difference | undefined
  /** Values that differ from the nearest. */
  readonly differences: number
}

export type Finding =
  | { readonly kind: 'hit'; readonly recording: Recording; readonly place: Place }
  | (Miss & { readonly place: Place })

export interface Place {
  readonly method: string
  /** Undefined where the request names no recorded host. */
  readonly host: string | undefined
  readonly path: string
  readonly query: string
}

interface LibraryOptions {
  readonly ignored: readonly JsonPath[]
  /** Each recording answers one request only. */
  readonly once: boolean
}

interface Entry {
  readonly recording: Recording
  readonly query: string
  readonly lenient: string
  /** Made when two recordings are the same but for what is volatile. */
  exact: string | undefined
  /** Its body was masked by redaction, so that no digest can be equal. */
  readonly isMasked: boolean
  uses: number
}

/** Recordings that a miss is compared with, and their bytes in all. */
const nearestLimit = 64
const nearestBytes = 64 * 1024 * 1024

export class RecordingLibrary {
  readonly #exactly: Leniency
  readonly #leniently: Leniency
  readonly #once: boolean
  /** By method and path, in the order of their requests. */
  readonly #places = new Map<string, Entry[]>()
  readonly #hosts: ReadonlySet<string>
  readonly recordings: readonly Recording[]

  constructor(recordings: readonly Recording[], options: LibraryOptions) {
    this.#exactly = exactly(options.ignored)
    this.#leniently = leniently(options.ignored)
    this.#once = options.once
    this.recordings = recordings.toSorted((a, b) => a.startedAt - b.startedAt)
    this.#hosts = new Set(recordings.map(({ host }) => host))
    for (const recording of this.recordings) {
      const { method, path } = recording
      const entries = this.#places.get(placeKey(method, path)) ?? []
      entries.push(this.#entry(recording))
      this.#places.set(placeKey(method, path), entries)
    }
  }

  /** Whether requests for this host were recorded; `host` as in a Host field. */
  knowsHost(host: string): boolean {
    return this.#hosts.has(host.toLowerCase())
  }

  /** Recordings that no request was answered with so far. */
  unused(): Recording[] {
    return [...this.#places.values()]
      .flat()
      .filter(({ uses, recording }) => uses === 0 && recording.answer.kind !== 'unservable')
      .map(({ recording }) => recording)
  }

  find(asked: AskedRequest): Finding {
    const places = this.#placesOf(asked)
    const place = places.find((candidate) => this.#entriesAt(candidate).length > 0) ?? places[0]
    if (place === undefined) throw new RangeError('a request has a place')
    const entries = this.#entriesAt(place)
    const query = queryKey(place.query)
    const lenient = canonicalBody(asked.body, asked.mediaType, this.#leniently)
    const same = this.#matches(entries, asked, query, lenient)
    const servable = same.filter(({ recording }) => recording.answer.kind !== 'unservable')
    const next = servable.find(({ uses }) => uses === 0)
    const chosen = next ?? (this.#once ? undefined : servable.at(-1))
    if (chosen !== undefined) {
      chosen.uses += 1
      return { kind: 'hit', recording: chosen.recording, place }
    }
    const [known] = servable.length > 0 ? servable : same
    if (known !== undefined) {
      const reason = servable.length > 0 ? 'used-up' : 'unservable'
      const { recording: nearest } = known
      return { kind: 'miss', reason, place, nearest, difference: undefined, differences: 0 }
    }
    return { kind: 'miss', place, ...this.#nearest(entries, query, lenient) }
  }

  #entry(recording: Recording): Entry {
    const { body, mediaType } = recording
    return {
      recording,
      query: queryKey(recording.query),
      lenient: digestOf(canonicalBody(body, mediaType, this.#leniently)),
      exact: undefined,
      isMasked: hasMask(body),
      uses: 0,
    }
  }

  /** Where a request may have been meant to go, likeliest first; there is always one. */
  #placesOf({ method, target, host }: AskedRequest): Place[] {
    const absolute = /^https?:\/\//iu.test(target)
    const url = URL.parse(absolute ? target : `http://recorded${target}`)
    const path = canonicalPath(url?.pathname ?? target)
    const common = { method: method.toUpperCase(), query: url?.search.slice(1) ?? '' }
    if (absolute) return [{ ...common, path, host: url?.host }]
    const [, first = '', ...rest] = path.split('/')
    const named = decodeSegment(first)
    const places: Place[] = []
    if (this.knowsHost(host)) places.push({ ...common, path, host: host.toLowerCase() })
    if (this.knowsHost(named)) {
      places.push({ ...common, path: `/${rest.join('/')}`, host: named.toLowerCase() })
    }
    return [...places, { ...common, path, host: undefined }]
  }

  #entriesAt({ method, path, host }: Place): readonly Entry[] {
    const entries = this.#places.get(placeKey(method, path)) ?? []
    return host === undefined ? entries : entries.filter(({ recording }) => recording.host === host)
  }

  #matches(
    entries: readonly Entry[],
    asked: AskedRequest,
    query: string,
    body: CanonicalBody,
  ): readonly Entry[] {
    const lenient = digestOf(body)
    const same = entries.filter(
      (entry) =>
        entry.query === query &&
        (entry.lenient === lenient ||
          (entry.isMasked && this.#compare(entry, body, 1).count === 0)),
    )
    if (same.length < 2) return same
    const exact = this.#exactDigest(asked)
    const identical = same.filter((entry) => {
      entry.exact ??= this.#exactDigest(entry.recording)
      return entry.exact === exact
    })
    return identical.length > 0 ? identical : same
  }

  #exactDigest({ body, mediaType }: Pick<AskedRequest, 'body' | 'mediaType'>): string {
    return digestOf(canonicalBody(body, mediaType, this.#exactly))
  }

  #compare(entry: Entry, body: CanonicalBody, limit?: number): Comparison {
    const { recording } = entry
    const recorded = canonicalBody(recording.body, recording.mediaType, this.#leniently)
    return compareBodies(recorded, body, limit)
  }

  /** The recording of the same place that differs least, and where. */
  #nearest(entries: readonly Entry[], query: string, body: CanonicalBody): Omit<Miss, 'kind'> {
    let best: { entry: Entry; comparison: Comparison } | undefined
    let bytes = 0
    // The newest first: a program that goes astray does so late.
    for (const entry of entries.toReversed().slice(0, nearestLimit)) {
      bytes += entry.recording.body.length
      if (best !== undefined && bytes > nearestBytes) break
      const comparison = withQuery(this.#compare(entry, body, best?.comparison.count), entry, query)
      if (best === undefined || comparison.count < best.comparison.count) {
        best = { entry, comparison }
      }
    }
    if (best === undefined) {
      return { reason: 'not-recorded', nearest: undefined, difference: undefined, differences: 0 }
    }
    const { recording } = best.entry
    return {
      reason: 'differs',
      nearest: recording,
      difference: best.comparison.first,
      differences: best.comparison.count,
    }
  }
}

/** A query that differs counts as one value, and is told first. */
function withQuery(comparison: Comparison, entry: Entry, query: string): Comparison {
  if (entry.query === query) return comparison
  const { first } = compareBodies(
    { kind: 'json', value: Object.fromEntries(canonicalPairs(entry.query)) },
    { kind: 'json', value: Object.fromEntries(canonicalPairs(query)) },
    1,
  )
  const named =
    first === undefined ? undefined : { ...first, path: first.path.replace('$', 'query') }
  return { count: comparison.count + 1, first: named ?? comparison.first }
}

function queryKey(query: string): string {
  return new URLSearchParams(canonicalPairs(query)).toString()
}

function placeKey(method: string, path: string): string {
  return `${method} ${path}`
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
