/**
 * One connection of the load client: TCP, CONNECT where the proxy wants one, TLS without session
 * resumption, then one request after the other. It is never reopened behind anybody's back: a
 * connection that ends fails its exchange.
 */
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import tls from 'node:tls'

import { createResponseReader } from './response-reader.ts'

/** How a variant is reached. */
export interface Route {
  /** `direct`: TLS at once, to an origin or to a proxy that wants no CONNECT. */
  readonly kind: 'direct' | 'connect'
  readonly port: number
}

export interface RouteSettings {
  readonly route: Route
  /** The authority that requests are for: always `localhost`, at the origin's port. */
  readonly originPort: number
  /** PEM of the only root that the client trusts. */
  readonly caPem: string
}

export interface ExchangeWatcher {
  onHead?(status: number): void
  onBody?(piece: Buffer): void
}

export interface ClientConnection {
  readonly socket: tls.TLSSocket
  /** Resolves with status and body length; rejects when the connection ends first. */
  exchange(request: Buffer, watcher?: ExchangeWatcher): Promise<ExchangeOutcome>
  /** Ends it gracefully; resolves when it has closed, or was made to. */
  close(): Promise<void>
}

export interface ExchangeOutcome {
  readonly status: number
  readonly bytes: number
}

export type Dial = () => Promise<ClientConnection>

const openTimeoutMs = 15_000
const closeTimeoutMs = 1000

/** A dialler with one TLS context, so that roots are not parsed for each connection. */
export function createDialler({ route, originPort, caPem }: RouteSettings): Dial {
  const secureContext = tls.createSecureContext({ ca: caPem })
  return async () => {
    const socket = net.connect({ host: '127.0.0.1', port: route.port, noDelay: true })
    const failed = once(socket, 'close').then((): never => {
      throw new Error('the connection closed while it was opened')
    })
    failed.catch(() => {})
    socket.on('error', () => {})
    const timer = setTimeout(() => socket.destroy(), openTimeoutMs)
    try {
      await Promise.race([once(socket, 'connect'), failed])
      if (route.kind === 'connect') await Promise.race([askTunnel(socket, originPort), failed])
      const secured = tls.connect({
        socket,
        secureContext,
        servername: 'localhost',
        ALPNProtocols: ['http/1.1'],
      })
      const refused = once(secured, 'error').then(([error]: unknown[]): never => {
        throw error
      })
      refused.catch(() => {})
      secured.on('error', () => {})
      await Promise.race([once(secured, 'secureConnect'), refused, failed])
      return createConnection(secured)
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

function askTunnel(socket: Socket, originPort: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = ''
    const onData = (bytes: Buffer): void => {
      head += bytes.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', onData).pause()
      if (/^HTTP\/1\.\d 200/u.test(head)) resolve()
      else reject(new Error(`CONNECT was answered with ${head.split('\r\n', 1)[0] ?? ''}`))
    }
    socket.on('data', onData)
    const authority = `localhost:${originPort}`
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  })
}

interface Running {
  readonly watcher: ExchangeWatcher
  readonly resolve: (outcome: ExchangeOutcome) => void
  readonly reject: (error: Error) => void
}

function createConnection(socket: tls.TLSSocket): ClientConnection {
  let running: Running | undefined
  let status = 0
  let bytes = 0
  const reader = createResponseReader({
    onHead: (code) => {
      status = code
      running?.watcher.onHead?.(code)
    },
    onBody: (piece) => {
      bytes += piece.length
      running?.watcher.onBody?.(piece)
    },
    onEnd: () => {
      const ended = running
      running = undefined
      ended?.resolve({ status, bytes })
    },
  })
  const fail = (error: Error): void => {
    running?.reject(error)
    running = undefined
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk)
    } catch (error) {
      fail(error as Error)
      socket.destroy()
    }
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the connection closed in an exchange')))
  return {
    socket,
    exchange: (request, watcher = {}) =>
      new Promise((resolve, reject) => {
        bytes = 0
        running = { watcher, resolve, reject }
        if (socket.destroyed) fail(new Error('the connection had closed before the exchange'))
        else socket.write(request)
      }),
    close: async () => {
      running = undefined
      if (socket.destroyed) return
      const timer = setTimeout(() => socket.destroy(), closeTimeoutMs)
      socket.resume().end()
      await once(socket, 'close').catch(() => {})
      clearTimeout(timer)
    },
  }
}
