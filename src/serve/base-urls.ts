/**
 * Under which base URLs the recorded hosts answer. A host answers under its own path, `/v1/…`, and
 * under its name, `/api.openai.com/v1/…`: the latter is told where two hosts have a path in common.
 */
import { basePathOf, shapeOf } from './provider-shapes.ts'
import type { Recording } from './recording.ts'

export interface BaseUrl {
  readonly host: string
  readonly url: string
  /** Environment variable that clients of that host read it from, where there is one. */
  readonly variable: string | undefined
  readonly recordings: number
}

/** `origin` is `http://host:port`. In the order of the recordings. */
export function baseUrlsOf(recordings: readonly Recording[], origin: string): BaseUrl[] {
  const shared = hostsThatShare(recordings)
  const found = new Map<string, BaseUrl>()
  for (const { host, path } of recordings) {
    const shape = shapeOf(path, host)
    const { variable } = shape
    const url = `${origin}${shared.has(host) ? `/${host}` : ''}${basePathOf(path, shape)}`
    const key = `${host} ${url} ${variable ?? ''}`
    const before = found.get(key)?.recordings ?? 0
    found.set(key, { host, url, variable, recordings: before + 1 })
  }
  return [...found.values()]
}

/** Hosts that have a method and path in common with another one. */
function hostsThatShare(recordings: readonly Recording[]): Set<string> {
  const hostsOfPlace = new Map<string, Set<string>>()
  for (const { method, path, host } of recordings) {
    const place = `${method} ${path}`
    hostsOfPlace.set(place, (hostsOfPlace.get(place) ?? new Set()).add(host))
  }
  const shared = new Set<string>()
  for (const hosts of hostsOfPlace.values()) {
    if (hosts.size > 1) for (const host of hosts) shared.add(host)
  }
  return shared
}
