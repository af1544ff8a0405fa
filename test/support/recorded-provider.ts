/**
 * A provider for tests: serves given exchanges over HTTP or HTTPS on loopback, with the chunk
 * boundaries and the framing that the test chooses, and keeps what it received as it came.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import type { RecordedExchange } from '../../src/demo/recordings.ts'
import { bodyBytes, servableHeaders } from '../../src/demo/recordings.ts'

/** Sizes are used in turn, again from the start when they run out; a seed gives 1 to `maxSize`. */
export type Chunking =
  | { readonly sizes: readonly number[] }
  | { readonly seed: number; readonly maxSize: number }

export interface RecordedProviderOptions {
  readonly exchanges: readonly RecordedExchange[]
  /** Without it the provider speaks plain HTTP. */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string }
  /** Default: the whole body in one write. */
  readonly chunking?: Chunking
  /** Default `chunked`; `close` ends the body with the connection. */
  readonly framing?: 'chunked' | 'content-length' | 'close'
}

export interface ReceivedRequest {
  readonly method: string
  readonly url: string
  /** As sent: order, spelling, repetitions. */
  readonly rawHeaders: ReadonlyArray<readonly [string, string]>
  readonly body: Buffer
  /** The exchange it was answered with; undefined for a 404. */
  readonly servedId: string | undefined
}

export interface RecordedProvider extends AsyncDisposable {
  readonly port: number
  /** `http(s)://127.0.0.1:PORT`. */
  readonly url: string
  /** In order of arrival, complete with bodies. */
  readonly requests: readonly ReceivedRequest[]
  close(): Promise<void>
}

/** A request with this header is answered by the exchange of that id. */
export const recordedIdHeader = 'x-recorded-id'

/**
 * Requests without the header get the exchanges of their method and path in turn, the last of them
 * again and again; others get a 404.
 */
export async function startRecordedProvider(
  options: RecordedProviderOptions,
): Promise<RecordedProvider> {
  const requests: ReceivedRequest[] = []
  const pick = createPicker(options.exchanges)
  const listener: RequestListener = (request, response) => {
    void serve(options, pick, requests, request, response).catch(() => response.destroy())
  }
  const server =
    options.tls === undefined
      ? createHttpServer(listener)
      : createHttpsServer(
          { cert: options.tls.certificatePem, key: options.tls.privateKeyPem },
          listener,
        )
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    const closed = Promise.withResolvers<void>()
    server.close(() => closed.resolve())
    server.closeAllConnections()
    await closed.promise
  }
  return {
    port,
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Cuts bytes as `chunking` says; joined, the parts are the bytes again. */
export function cut(bytes: Buffer, chunking: Chunking | undefined): Buffer[] {
  if (chunking === undefined) return bytes.length === 0 ? [] : [bytes]
  const nextSize = 'sizes' in chunking ? inTurn(chunking.sizes) : random(chunking)
  const parts: Buffer[] = []
  for (let start = 0; start < bytes.length;) {
    const size = Math.max(1, nextSize())
    parts.push(bytes.subarray(start, start + size))
    start += size
  }
  return parts
}

type Pick = (request: IncomingMessage) => RecordedExchange | undefined

function createPicker(exchanges: readonly RecordedExchange[]): Pick {
  const waiting = Map.groupBy(exchanges, ({ request }) =>
    place(request.method, new URL(request.url).pathname),
  )
  return (request) => {
    const id = request.headers[recordedIdHeader]
    if (id !== undefined) return exchanges.find((exchange) => exchange.id === id)
    const path = (request.url ?? '').replace(/^https?:\/\/[^/]*/u, '').replace(/\?.*$/u, '')
    const rest = waiting.get(place(request.method ?? '', path))
    return rest !== undefined && rest.length > 1 ? rest.shift() : rest?.[0]
  }
}

function place(method: string, path: string): string {
  return `${method} ${path}`
}

async function serve(
  options: RecordedProviderOptions,
  pick: Pick,
  requests: ReceivedRequest[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const exchange = pick(request)
  requests.push({
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: pairs(request.rawHeaders),
    body: Buffer.concat(chunks),
    servedId: exchange?.id,
  })
  if (exchange === undefined) {
    response.writeHead(404, { 'Content-Length': 0 }).end()
    return
  }
  const bytes = bodyBytes(exchange.response.body)
  const headers = servableHeaders(exchange)
  const mayHaveBody = exchange.response.status !== 204 && exchange.response.status !== 304
  if (mayHaveBody && options.framing === 'content-length') {
    headers.push(['Content-Length', String(bytes.length)])
  } else if (options.framing === 'close') {
    headers.push(['Connection', 'close'])
    response.useChunkedEncodingByDefault = false
  }
  response.socket?.setNoDelay(true)
  response.writeHead(exchange.response.status, headers.flat())
  response.flushHeaders()
  if (mayHaveBody) {
    for (const part of cut(bytes, options.chunking)) await written(response, part)
  }
  response.end()
}

/** Waits until the part is on its way, so that two parts never share a write. */
async function written(response: ServerResponse, part: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  response.write(part, (error) => (error ? reject(error) : resolve()))
  await promise
}

function pairs(raw: readonly string[]): Array<readonly [string, string]> {
  return raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : [],
  )
}

function inTurn(sizes: readonly number[]): () => number {
  let index = 0
  return () => {
    const size = sizes[index % sizes.length] ?? 1
    index += 1
    return size
  }
}

/** mulberry32: the same seed gives the same boundaries on every machine. */
function random({ seed, maxSize }: { readonly seed: number; readonly maxSize: number }) {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return 1 + (((mixed ^ (mixed >>> 14)) >>> 0) % maxSize)
  }
}
