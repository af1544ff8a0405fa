/**
 * Every upstream connection starts here: TCP for tunnels, pooled agents for exchanges. The name in
 * SNI and the name verified in the certificate are always those of the authority, whatever address
 * `--connect-to` dials. Verification cannot be switched off: not by option, environment or client.
 */
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'

import type { Authority } from '../policy/authority.ts'
import { formatAuthority } from '../policy/authority.ts'
import type { Destination } from './http-messages.ts'

/** Where to connect instead of an authority; for tests, staging and port forwards, like curl's. */
export interface ConnectTo {
  readonly from: Authority
  readonly to: Authority
}

export interface ConnectorOptions {
  readonly connectTo: readonly ConnectTo[]
  /** PEM certificates trusted in addition to Node's roots. */
  readonly extraRoots: readonly string[]
  /** TCP, and for https the TLS handshake too, in milliseconds. */
  readonly connectTimeoutMs: number
}

/** `code` of the error when `connectTimeoutMs` passes. */
export const connectTimeoutCode = 'ERR_PORTHOLE_CONNECT_TIMEOUT'

interface PooledOptions {
  readonly originKey?: string
}

export class UpstreamConnector {
  readonly #options: ConnectorOptions
  readonly #secureContext: tls.SecureContext
  readonly #httpsAgent: https.Agent
  readonly #httpAgent: http.Agent
  readonly #tunnels = new Set<net.Socket>()

  constructor(options: ConnectorOptions) {
    this.#options = options
    // One context for all connections: parsing the roots for each would cost more than the handshake.
    this.#secureContext = tls.createSecureContext({
      ca: [...tls.getCACertificates('default'), ...options.extraRoots],
      minVersion: 'TLSv1.2',
    })
    this.#httpsAgent = pooled(
      new https.Agent(poolOptions),
      options.connectTimeoutMs,
      'secureConnect',
    )
    this.#httpAgent = pooled(new http.Agent(poolOptions), options.connectTimeoutMs, 'connect')
  }

  /** Dials for a tunnel. Rejects with the socket's error, or one with `connectTimeoutCode`. */
  dial(authority: Authority): Promise<net.Socket> {
    const address = this.#addressFor(authority)
    return new Promise((resolve, reject) => {
      const socket = net.connect({
        host: address.host,
        port: address.port,
        allowHalfOpen: true,
        noDelay: true,
      })
      limitConnecting(socket, this.#options.connectTimeoutMs, 'connect')
      this.#tunnels.add(socket)
      socket.once('close', () => this.#tunnels.delete(socket))
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(socket)
      })
    })
  }

  /** Request options that bind an exchange to its destination. */
  requestOptions(destination: Destination): https.RequestOptions & PooledOptions {
    const { scheme, authority } = destination
    const address = this.#addressFor(authority)
    // The pool is keyed by the authority, so that no connection verified for one host serves another.
    const common = {
      protocol: `${scheme}:`,
      host: address.host,
      port: address.port,
      originKey: `${scheme}://${formatAuthority(authority)}`,
    }
    if (scheme === 'http') return { ...common, agent: this.#httpAgent }
    return {
      ...common,
      agent: this.#httpsAgent,
      servername: authority.kind === 'name' ? authority.host : '',
      checkServerIdentity: (_name, certificate) =>
        tls.checkServerIdentity(authority.host, certificate),
      rejectUnauthorized: true,
      secureContext: this.#secureContext,
      ALPNProtocols: ['http/1.1'],
    } as https.RequestOptions & PooledOptions
  }

  close(): void {
    this.#httpsAgent.destroy()
    this.#httpAgent.destroy()
    for (const socket of this.#tunnels) socket.destroy()
  }

  #addressFor(authority: Authority): Authority {
    const match = this.#options.connectTo.find(
      ({ from }) => from.host === authority.host && from.port === authority.port,
    )
    return match?.to ?? authority
  }
}

/** Idle upstream connections are kept for less time than most servers do (Node's own default: 5 s). */
const poolOptions = { keepAlive: true, maxFreeSockets: 64, timeout: 0, scheduling: 'lifo' } as const

/** Gives an agent the pool key above and a deadline for connecting. */
function pooled<A extends http.Agent>(
  agent: A,
  timeoutMs: number,
  connected: 'connect' | 'secureConnect',
): A {
  const inherited = agent.getName.bind(agent)
  agent.getName = (options) =>
    (options as PooledOptions | undefined)?.originKey ?? inherited(options)
  const create = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = create(options, callback)
    if (socket instanceof net.Socket) limitConnecting(socket, timeoutMs, connected)
    return socket
  }
  return agent
}

function limitConnecting(socket: net.Socket, timeoutMs: number, connected: string): void {
  const timer = setTimeout(() => {
    const error = new Error(`no connection within ${timeoutMs} ms`)
    socket.destroy(Object.assign(error, { code: connectTimeoutCode }))
  }, timeoutMs)
  const clear = (): void => clearTimeout(timer)
  socket.once(connected, clear)
  socket.once('close', clear)
}
