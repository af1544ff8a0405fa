/**
 * Recorded exchanges served under the host names they were recorded from: one HTTPS server that has
 * a certificate for every host its root permits, and one for plain HTTP. It picks the exchange by a
 * request header, answers with nothing that differs between two runs, and keeps what it received.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { createSecureContext } from 'node:tls'

import type { Authority } from '../../ca/authority.ts'
import { decodeBytes } from '../../src/messages/codec.ts'
import type { HeaderPairs } from '../../src/messages/schema.ts'
import { toPairs } from '../../src/proxy/http-messages.ts'
import type { Chunking, ReceivedRequest } from './recorded-provider.ts'
import { cut, recordedIdHeader } from './recorded-provider.ts'

export type Framing = 'chunked' | 'content-length' | 'close'

export interface ServedExchange {
  readonly id: string
  readonly response: {
    readonly status: number
    readonly headers: HeaderPairs
    readonly body?:
      | { readonly text?: string | undefined; readonly base64?: string | undefined }
      | null
      | undefined
  }
}

export interface RecordedHostsOptions {
  /** Issues a certificate for whatever host a client names. */
  readonly root: Authority
  readonly exchanges: readonly ServedExchange[]
  /** Default: the whole body in one write. */
  readonly chunking?: (exchange: ServedExchange) => Chunking | undefined
  /** Default: `chunked`. */
  readonly framing?: (exchange: ServedExchange) => Framing
}

export interface RecordedHosts extends AsyncDisposable {
  readonly httpsPort: number
  readonly httpPort: number
  /** In order of arrival, complete with bodies. */
  readonly requests: readonly ReceivedRequest[]
  close(): Promise<void>
}

/** A request that names no exchange gets a 404. */
export async function startRecordedHosts(options: RecordedHostsOptions): Promise<RecordedHosts> {
  const requests: ReceivedRequest[] = []
  const byId = new Map(options.exchanges.map((exchange) => [exchange.id, exchange]))
  const listener: RequestListener = (request, response) => {
    response.on('error', () => {})
    void serve(options, byId, requests, request, response).catch(() => response.destroy())
  }
  const https = createHttpsServer(
    {
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        const { certificatePem, privateKeyPem } = options.root.issueLeaf(name, new Date())
        done(null, createSecureContext({ cert: certificatePem, key: privateKeyPem }))
      },
    },
    listener,
  )
  https.on('tlsClientError', () => {})
  const http = createHttpServer(listener)
  const [httpsPort, httpPort] = await Promise.all([listen(https), listen(http)])
  const close = async (): Promise<void> => {
    await Promise.all([https, http].map((server) => closeNow(server)))
  }
  return { httpsPort, httpPort, requests, close, [Symbol.asyncDispose]: close }
}

/** Without the fields that whoever serves a body sets itself, or that hold for one connection. */
export function endToEnd(pairs: HeaderPairs): HeaderPairs {
  return pairs.filter(([name]) => !hopByHop.has(name.toLowerCase()))
}

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** One day for all: two runs must not differ. */
const fixedDate = 'Thu, 01 Jan 2026 00:00:00 GMT'

async function serve(
  options: RecordedHostsOptions,
  byId: ReadonlyMap<string, ServedExchange>,
  requests: ReceivedRequest[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const id = request.headers[recordedIdHeader]
  const exchange = typeof id === 'string' ? byId.get(id) : undefined
  requests.push({
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: toPairs(request.rawHeaders),
    body: Buffer.concat(chunks),
    servedId: exchange?.id,
  })
  response.sendDate = false
  if (exchange === undefined) {
    response.writeHead(404, { Date: fixedDate, 'Content-Length': 0 }).end()
    return
  }
  await answer(options, exchange, response)
}

async function answer(
  options: RecordedHostsOptions,
  exchange: ServedExchange,
  response: ServerResponse,
): Promise<void> {
  const bytes = decodeBytes(exchange.response.body ?? {})
  const headers = endToEnd(exchange.response.headers).filter(
    ([name]) => !['content-length', 'date'].includes(name.toLowerCase()),
  )
  const sent = [...headers, ['Date', fixedDate] as const]
  const mayHaveBody = exchange.response.status !== 204 && exchange.response.status !== 304
  const framing = options.framing?.(exchange) ?? 'chunked'
  if (mayHaveBody && framing === 'content-length') sent.push(['Content-Length', `${bytes.length}`])
  if (framing === 'close') {
    sent.push(['Connection', 'close'])
    response.useChunkedEncodingByDefault = false
  }
  response.socket?.setNoDelay(true)
  response.writeHead(exchange.response.status, sent.flat())
  response.flushHeaders()
  for (const part of mayHaveBody ? cut(bytes, options.chunking?.(exchange)) : []) {
    await written(response, part)
  }
  response.end()
}

/** Waits until the part is on its way, so that two parts never share a write. */
async function written(response: ServerResponse, part: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  response.write(part, (error) => (error ? reject(error) : resolve()))
  await promise
}

async function listen(server: Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return (server.address() as AddressInfo).port
}

async function closeNow(server: Server & { closeAllConnections(): void }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  await promise
}
