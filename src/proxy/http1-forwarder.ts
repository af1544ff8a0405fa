/**
 * The HTTP/1.1 forwarder: one request to one upstream over pooled connections, with the request's
 * own field lines, byte for byte and in order. It never retries: a request goes out at most once.
 */
import http from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'

import type { Clock } from '../base/clock.ts'
import { formatAuthority } from '../policy/authority.ts'
import type {
  Forwarder,
  InterimResponse,
  UpstreamExchange,
  UpstreamRequest,
  UpstreamResponse,
  UpstreamTiming,
  UpstreamUpgrade,
} from './http-messages.ts'
import { toPairs, toRaw } from './http-messages.ts'
import { parentFailure } from './parent-proxy.ts'
import type { UpstreamConnector } from './upstream-connector.ts'

export interface ForwarderOptions {
  readonly connector: UpstreamConnector
  /** Upper bound of a response head, in bytes. */
  readonly maxHeaderBytes: number
  /** Without it, connecting is not timed. */
  readonly clock?: Clock
}

export function createHttp1Forwarder(options: ForwarderOptions): Forwarder {
  return {
    open: (request, onInterim) => openExchange(options, request, onInterim),
    close: () => options.connector.close(),
  }
}

function openExchange(
  options: ForwarderOptions,
  request: UpstreamRequest,
  onInterim: (interim: InterimResponse) => void,
): UpstreamExchange {
  const { path, headers, isForParent } = forParent(options.connector, request)
  const outgoing = new http.ClientRequest({
    ...options.connector.requestOptions(request.destination),
    method: request.method,
    path,
    // Node writes an array of fields as it stands; an object would be merged and re-cased.
    headers: toRaw(headers),
    // Nor may it add any: the request's own framing and connection handling are all there is.
    setDefaultHeaders: false,
    maxHeaderSize: options.maxHeaderBytes,
    insecureHTTPParser: false,
  })
  // The bound is on bytes; beyond a thousand fields node would leave some out without a word.
  outgoing.maxHeadersCount = 0
  outgoing.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    onInterim({ status: statusCode, statusText: statusMessage, headers: toPairs(rawHeaders) })
  })
  let connected = outgoing.reusedSocket
  const timing: UpstreamTiming = connected ? { reusedConnection: true } : {}
  if (!connected) {
    const watch = options.clock === undefined ? undefined : watchConnecting(options.clock, timing)
    outgoing.on('socket', (socket) => {
      const event = socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect'
      if (watch !== undefined) watch(socket)
      socket.once(event, () => {
        connected = true
      })
    })
  }
  return {
    body: outgoing,
    flushHead: () => {
      if (!outgoing.destroyed) outgoing.flushHeaders()
    },
    sendTrailers: (pairs) =>
      outgoing.addTrailers(pairs.map(([name, value]): [string, string] => [name, value])),
    answer: answerOf(outgoing, (error) =>
      isForParent && !connected ? parentFailure(error) : error,
    ),
    isConnected: () => connected,
    timing,
    abort: () => {
      outgoing.destroy()
    },
  }
}

/** Times a connection from now on; through a parent proxy, what it takes to reach that. */
function watchConnecting(clock: Clock, timing: UpstreamTiming): (socket: Duplex) => void {
  const startedMs = clock.monotonicMs()
  return (socket) => {
    socket.once('connect', () => {
      timing.connectMs = hundredths(clock.monotonicMs() - startedMs)
    })
    socket.once('secureConnect', () => {
      const { connectMs } = timing
      // A tunnel through a parent was connected before this socket was.
      if (connectMs === undefined) return
      timing.tlsMs = hundredths(Math.max(0, clock.monotonicMs() - startedMs - connectMs))
    })
  }
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100
}

/** Plain HTTP through a parent proxy goes in absolute form, with the credentials for it (RFC 9112 §3.2.2). */
function forParent(
  connector: UpstreamConnector,
  { destination, path, headers }: UpstreamRequest,
): Pick<UpstreamRequest, 'path' | 'headers'> & { readonly isForParent: boolean } {
  const parent = destination.scheme === 'http' ? connector.parentFor(destination) : undefined
  if (parent === undefined) return { path, headers, isForParent: false }
  const { authorization } = parent
  return {
    path: `http://${formatAuthority(destination.authority, 80)}${path}`,
    headers:
      authorization === undefined ? headers : [...headers, ['Proxy-Authorization', authorization]],
    isForParent: true,
  }
}

function answerOf(
  outgoing: http.ClientRequest,
  explain: (error: Error) => Error,
): UpstreamExchange['answer'] {
  const answer = new Promise<UpstreamResponse | UpstreamUpgrade>((resolve, reject) => {
    let hasAnswer = false
    let body: IncomingMessage | undefined
    outgoing.on('response', (incoming) => {
      hasAnswer = true
      body = incoming
      // A later error of the request (a reset after the head) shows on the body; nobody else listens.
      incoming.on('error', ignore)
      if (isSaneStatus(incoming.statusCode)) resolve(responseOf(incoming))
      else reject(Object.assign(new Error('bad status'), { code: 'ERR_PORTHOLE_BAD_STATUS' }))
    })
    outgoing.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      hasAnswer = true
      resolve({
        status: 101,
        statusText: incoming.statusMessage ?? '',
        headers: toPairs(incoming.rawHeaders),
        socket,
        head,
      })
    })
    outgoing.on('error', (error) => {
      // A body without a length would be given its end by the parser, reset or not.
      body?.destroy(error)
      reject(explain(error))
    })
    outgoing.on('close', () => {
      // Every exchange ends here: an error, with its stack, for each would cost more than its head.
      if (hasAnswer) return
      reject(Object.assign(new Error('closed before a response'), { code: 'ECONNRESET' }))
    })
  })
  // The exchange may have ended by the time this rejects; then nobody waits for it any more.
  answer.catch(() => {})
  return answer
}

/** RFC 9110 §15: three digits from 100 to 599; what else an upstream sends cannot be relayed. */
function isSaneStatus(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status <= 599
}

function responseOf(incoming: IncomingMessage): UpstreamResponse {
  return {
    status: incoming.statusCode ?? 0,
    statusText: incoming.statusMessage ?? '',
    httpVersion: incoming.httpVersion,
    headers: toPairs(incoming.rawHeaders),
    body: incoming,
    trailers: () => toPairs(incoming.rawTrailers),
  }
}

function ignore(): void {}
