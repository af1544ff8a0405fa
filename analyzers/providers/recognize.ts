/**
 * Which requests are model calls and which format an answer has. The host names the provider; it
 * decides whether a request is a model call only where the same path means different things.
 */
import type { JsonRecord } from '../wire/json.ts'
import type { Endpoint } from './endpoints.ts'
import { endpoints, sockets, streamFormats } from './endpoints.ts'
import { modelBeforeMethod } from './gemini-model.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import type { SocketDialect } from './socket-dialect.ts'
import type { StreamFormat } from './stream-format.ts'
import { errorIn } from './stream-format.ts'

/** What has been found out about places: several analyzers ask for each, and programs use few. */
const knownEndpoints = new Map<string, Endpoint | undefined>()
const maxKnownEndpoints = 512
/** Longer paths hold what is new each time. */
const knownPathLength = 200

function endpointOf(target: CallTarget): Endpoint | undefined {
  const key = `${target.host} ${target.path}`
  if (key.length > knownPathLength) return findEndpoint(target)
  const known = knownEndpoints.get(key)
  if (known !== undefined || knownEndpoints.has(key)) return known
  if (knownEndpoints.size >= maxKnownEndpoints) knownEndpoints.clear()
  const found = findEndpoint(target)
  knownEndpoints.set(key, found)
  return found
}

function findEndpoint({ host, path }: CallTarget): Endpoint | undefined {
  return endpoints.find((row) => row.path.test(path) && (row.host?.test(host) ?? true))
}

/** The wire format of a model call, or undefined if method and path are not of one. */
export function recognizeCall(method: string, target: CallTarget): ModelWire | undefined {
  return method.toUpperCase() === 'POST' ? endpointOf(target)?.wire : undefined
}

/** The streamed format that answers on this path have; a stored response can be replayed too. */
export function streamFormatByPath(url: string, host: string = ''): StreamFormat | undefined {
  const target = targetOf(host, url)
  if (/\/responses\/[^/]+$/u.test(target.path)) return openaiResponses
  return endpointOf(target)?.wire.stream
}

/**
 * The format of an event's data: the one of its path if the shape fits, else the one that does. An
 * error has no shape of its own, and so the format of its path.
 */
export function recognizeStream(
  byPath: StreamFormat | undefined,
  data: JsonRecord,
): StreamFormat | undefined {
  if (byPath?.matches(data) === true) return byPath
  const byShape = streamFormats.find((format) => format.matches(data))
  return byShape ?? (errorIn(data) === undefined ? undefined : byPath)
}

/** The wire format whose streams are named so in `stream-merged`. */
export function wireOfStream(name: string): ModelWire | undefined {
  return endpoints.find((endpoint) => endpoint.wire.stream?.name === name)?.wire
}

/** How model calls are told apart on a WebSocket to this place, or undefined if it has none. */
export function dialectOf(target: CallTarget): SocketDialect | undefined {
  return sockets.find((socket) => socket.path.test(target.path))?.open(target)
}

/** The model that a path names: Azure calls it a deployment, Replicate gives it an owner. */
export function modelInPath(target: CallTarget): string | undefined {
  const { path } = target
  const owned = /\/v1\/models\/([^/]+\/[^/]+)\/predictions$/u.exec(path)?.[1]
  if (owned !== undefined) return owned
  const named = modelBeforeMethod(target)
  if (named !== undefined) return named
  const name = /\/deployments\/([^/]+)\//u.exec(path)?.[1]
  if (name === undefined) return undefined
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** Reads an absolute or origin-form URL; `host` as in `request-started`, with or without a port. */
export function targetOf(host: string, url: string): CallTarget {
  const path = pathOf(url)
  const query = /\?([^#]*)/u.exec(url)?.[1] ?? ''
  return { host: host.toLowerCase().replace(/:\d+$/u, ''), path, query }
}

/** The path of an absolute or origin-form URL, without its query. */
function pathOf(url: string): string {
  const start = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/iu.exec(url)?.[0].length ?? 0
  return url.slice(start).replace(/[?#].*$/su, '')
}
