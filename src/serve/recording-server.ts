/**
 * The provider that a capture makes: plain HTTP on one address, every recorded upstream under its
 * own paths. What was recorded holds prompts and answers, so that web pages are kept out: a foreign
 * Origin, or a Host that is a name of neither this machine nor a recorded one, is refused.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isIP } from 'node:net'

import { createContentDecoder, parseContentEncoding } from '../base/content-decoder.ts'
import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { parseHost } from '../policy/authority.ts'
import { describeMiss } from './miss-text.ts'
import { playAnswer } from './playback.ts'
import { shapeOf } from './provider-shapes.ts'
import type { Finding, RecordingLibrary } from './recording-library.ts'

/** What one request came to. */
export type ServedEvent =
  | {
      readonly kind: 'hit'
      readonly method: string
      readonly path: string
      readonly host: string
      /** The recording's `exchangeId`. */
      readonly recording: string
      /** Undefined where the recorded connection broke off before any answer. */
      readonly status: number | undefined
    }
  | {
      readonly kind: 'miss'
      readonly method: string
      readonly path: string
      readonly reason: string
      /** One line, safe to print. */
      readonly message: string
      readonly nearest: string | undefined
      /** JSON path of the first difference, with both values shortened. */
      readonly difference:
        | { readonly path: string; readonly recorded?: string; readonly asked?: string }
        | undefined
    }

export interface RecordingServerOptions {
  readonly library: RecordingLibrary
  readonly listen: { readonly host: string; readonly port: number }
  /** Infinity: at once. */
  readonly speed: number
  onServed(event: ServedEvent): void
}

export interface RecordingServer {
  /** `http://host:port`. */
  readonly url: string
  readonly port: number
  /** Cuts what is under way. */
  close(): Promise<void>
}

/** Bytes of one request's body, as sent and with its codings undone. */
const maxBodyBytes = 16 * 1024 * 1024
const maxHeaderSize = 64 * 1024

/** Throws `ERR_LISTEN` or `ERR_LISTEN_IN_USE`. */
export async function startRecordingServer(
  options: RecordingServerOptions,
): Promise<RecordingServer> {
  const server = createServer({ maxHeaderSize }, (request, response) => {
    handle(options, request, response).catch(() => response.destroy())
  })
  // An answer may take as long as it took.
  server.timeout = 0
  const { host, port } = options.listen
  await listen(server, host, port)
  const address = server.address() as AddressInfo
  return {
    url: `http://${nameOf(address.address)}:${address.port}`,
    port: address.port,
    close: async () => {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(port, host, listening.resolve)
  try {
    await listening.promise
  } catch (error) {
    const isTaken = errorCodeOf(error) === 'EADDRINUSE'
    const problem = describeError(error)
    throw new AppError(isTaken ? 'ERR_LISTEN_IN_USE' : 'ERR_LISTEN', { host, port, problem }, error)
  }
}

function nameOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}

async function handle(
  options: RecordingServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { library } = options
  if (!isForProgram(request, library)) {
    refuse(options, request, response, 403, 'foreign', 'web pages are not answered')
    return
  }
  const body = await readBody(request)
  if (!body.ok) {
    response.setHeader('Connection', 'close')
    request.resume()
    refuse(options, request, response, body.status, 'body', body.problem)
    return
  }
  const finding = library.find({
    method: request.method ?? '',
    target: request.url ?? '',
    host: request.headers.host ?? '',
    mediaType: request.headers['content-type'] ?? '',
    body: body.bytes,
  })
  const { method, path } = finding.place
  if (finding.kind === 'miss') {
    tellMiss(options, request, response, finding)
    return
  }
  const { id, host, answer } = finding.recording
  if (answer.kind === 'unservable') throw new RangeError('what cannot be served is a miss')
  const status = answer.kind === 'answer' ? answer.answer.status : undefined
  options.onServed({ kind: 'hit', method, path, host, recording: id, status })
  await playAnswer(answer, response, options.speed)
}

function tellMiss(
  options: RecordingServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  miss: Extract<Finding, { kind: 'miss' }>,
): void {
  const { path, recorded, asked } = miss.difference ?? {}
  const { library } = options
  const nearest = describeMiss(miss, library.recordings)
  const isUpgrade = request.headers.upgrade !== undefined
  const message = isUpgrade ? `${nearest}; WebSockets are not served` : nearest
  options.onServed({
    kind: 'miss',
    method: miss.place.method,
    path: miss.place.path,
    reason: miss.reason,
    message,
    nearest: miss.nearest?.id,
    difference:
      path === undefined
        ? undefined
        : {
            path,
            ...(recorded === undefined ? {} : { recorded }),
            ...(asked === undefined ? {} : { asked }),
          },
  })
  sendError(request, response, 404, message, miss.place.host ?? miss.nearest?.host)
}

/** Refusals are misses too: whoever asked has got no recording. */
function refuse(
  options: RecordingServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  reason: string,
  message: string,
): void {
  const { method = '', url = '' } = request
  const path = url.slice(0, 200)
  options.onServed({
    kind: 'miss',
    method,
    path,
    reason,
    message,
    nearest: undefined,
    difference: undefined,
  })
  sendError(request, response, status, message)
}

/** In the shape that clients of that path expect; marked so that they do not try again. */
function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  message: string,
  host?: string,
): void {
  const path = (request.url ?? '').replace(/[?#].*$/su, '')
  const shape = shapeOf(path, host)
  const bytes = Buffer.from(JSON.stringify(shape.error(status, `porthole serve: ${message}`)))
  const headers: Array<readonly [string, string]> = [
    ['Content-Type', 'application/json'],
    ['Content-Length', String(bytes.length)],
    ['X-Should-Retry', 'false'],
    ['X-Porthole-Error', status === 404 ? 'not-recorded' : 'refused'],
    ...(shape.errorHeaders ?? []),
  ]
  for (const [name, value] of headers) response.setHeader(name, value)
  response.writeHead(status).end(request.method === 'HEAD' ? undefined : bytes)
}

type ReadBody =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly status: number; readonly problem: string }

async function readBody(request: IncomingMessage): Promise<ReadBody> {
  const tooLarge = {
    ok: false,
    status: 413,
    problem: 'the request is larger than 16 MiB',
  } as const
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return tooLarge
  const chunks: Buffer[] = []
  let size = 0
  // Left open when it is too large: the answer has still to be written.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > maxBodyBytes) return tooLarge
    chunks.push(chunk)
  }
  const codings = parseContentEncoding([request.headers['content-encoding'] ?? ''])
  if (codings.length === 0) return { ok: true, bytes: Buffer.concat(chunks) }
  const decoder = createContentDecoder(codings, { outputBytes: maxBodyBytes })
  const bytes = Buffer.concat(chunks.map((chunk) => decoder.push(chunk)))
  const state = decoder.end()
  if (state.kind === 'limit') return tooLarge
  if (state.kind === 'ended') return { ok: true, bytes }
  return { ok: false, status: 400, problem: 'the content coding of the request is damaged' }
}

function isForProgram(request: IncomingMessage, library: RecordingLibrary): boolean {
  const { origin, host = '' } = request.headers
  if (library.knowsHost(host)) return origin === undefined || isOwnName(URL.parse(origin)?.hostname)
  const isOwn = isOwnName(URL.parse(`http://${host}`)?.hostname)
  return isOwn && (origin === undefined || isOwnName(URL.parse(origin)?.hostname))
}

/** Names that no stranger can make lead here: literals, and those of this machine by convention. */
function isOwnName(hostname: string | undefined): boolean {
  if (hostname === undefined) return false
  const parsed = parseHost(hostname)
  if (!parsed.ok) return false
  return (
    isIP(parsed.host) !== 0 ||
    /^(?:.+\.)?localhost$|^host\.(?:docker|containers)\.internal$/u.test(parsed.host)
  )
}
