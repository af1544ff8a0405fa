/**
 * Every upstream connection starts here: TCP for tunnels, pooled agents for exchanges. The name in
 * SNI and the name verified in the certificate are always those of the authority, whatever address
 * `--connect-to` dials. Verification cannot be switched off: not by option, environment or client.
 */
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { LookupFunction } from 'node:net'
import tls from 'node:tls'

import { asError } from '../base/errors.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority } from '../policy/authority.ts'
import type { EngineLimits } from './engine-limits.ts'
import {
  checkLiteral,
  createAddressPolicy,
  createGuardedLookup,
  isLoopbackAddress,
} from './guarded-lookup.ts'
import type { AddressPolicy } from './guarded-lookup.ts'
import type { Destination } from './http-messages.ts'
import { LoopGuard } from './loop-guard.ts'
import type { ParentProxy } from './parent-proxy.ts'
import { connectThroughParent, openParent, usesParent } from './parent-proxy.ts'
import { identityOf } from './upstream-identity.ts'

/** Where to connect instead of an authority; for tests, staging and port forwards, like curl's. */
export interface ConnectTo {
  readonly from: Authority
  readonly to: Authority
}

export interface ConnectorOptions {
  readonly connectTo: readonly ConnectTo[]
  /** PEM certificates trusted in addition to Node's roots. */
  readonly extraRoots: readonly string[]
  readonly bounds: Pick<
    EngineLimits,
    'connectTimeoutMs' | 'maxHeaderBytes' | 'maxIdleUpstreams' | 'upstreamKeepAliveMs'
  >
  /** Loopback, link-local and private addresses may be dialled; metadata services never are. */
  readonly allowPrivate: boolean
  readonly parent: ParentProxy | undefined
}

/** `code` of the error when `connectTimeoutMs` passes. */
export const connectTimeoutCode = 'ERR_PORTHOLE_CONNECT_TIMEOUT'

/** What a request carries for the pool; node copies it four times, so it is no more than this. */
interface PooledOptions {
  readonly originKey: string
  readonly destination: Destination
}

export class UpstreamConnector {
  /** Told by the listener where it is. */
  readonly loops = new LoopGuard()
  readonly #options: ConnectorOptions
  readonly #secureContext: tls.SecureContext
  readonly #isAllowed: AddressPolicy
  readonly #lookup: LookupFunction
  readonly #loopbackLookup = createGuardedLookup(isLoopbackAddress)
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
    this.#isAllowed = createAddressPolicy(options.allowPrivate)
    this.#lookup = createGuardedLookup(this.#isAllowed)
    const poolOptions = {
      keepAlive: true,
      maxFreeSockets: options.bounds.maxIdleUpstreams,
      timeout: options.bounds.upstreamKeepAliveMs,
      scheduling: 'lifo',
    } as const
    this.#httpsAgent = this.#pooled(new https.Agent(poolOptions), 'secureConnect')
    this.#httpAgent = this.#pooled(new http.Agent(poolOptions), 'connect')
  }

  /**
   * Dials for a tunnel. Rejects with the socket's error, or one with `connectTimeoutCode`,
   * `addressDeniedCode` or `parentRefusedCode`; as soon as `signal` says so, too. `via` is told to
   * a parent proxy: the values of Via that the tunnel was asked for with.
   */
  async dial(
    authority: Authority,
    signal?: AbortSignal,
    via: readonly string[] = [],
  ): Promise<net.Socket> {
    const route = this.#routeTo(authority)
    const socket =
      route.viaParent === undefined
        ? await this.#dialDirect(route, signal)
        : await this.#chain(authority, signal, via)
    this.#tunnels.add(socket)
    socket.once('close', () => this.#tunnels.delete(socket))
    return socket
  }

  /** Request options that bind an exchange to its destination. */
  requestOptions(destination: Destination): https.RequestOptions & PooledOptions {
    const { scheme, authority, isNamedLoopback } = destination
    // The pool is keyed by the authority, so that no connection verified for one host serves another,
    // and none that only a named upstream may have serves a request that the guard would refuse.
    const named = isNamedLoopback === true ? ' named' : ''
    return {
      agent: scheme === 'http' ? this.#httpAgent : this.#httpsAgent,
      protocol: `${scheme}:`,
      host: authority.host,
      port: authority.port,
      originKey: `${scheme}://${formatAuthority(authority)}${named}`,
      destination,
    }
  }

  /** What a new connection of the pool is made with: where it is dialled, and who must answer. */
  connectionOptions(destination: Destination): tls.ConnectionOptions & Route {
    const { scheme, authority, isNamedLoopback } = destination
    const route = this.#routeTo(authority, isNamedLoopback)
    if (scheme === 'http') return route
    return { ...route, ...identityOf(authority), secureContext: this.#secureContext }
  }

  /** The parent proxy that a plain-HTTP request goes to, in absolute form; undefined for none. */
  parentFor({ authority, isNamedLoopback }: Destination): ParentProxy | undefined {
    const { viaParent } = this.#routeTo(authority, isNamedLoopback)
    return viaParent === undefined ? undefined : this.#options.parent
  }

  close(): void {
    this.#httpsAgent.destroy()
    this.#httpAgent.destroy()
    for (const socket of this.#tunnels) socket.destroy()
  }

  #routeTo(authority: Authority, isNamedLoopback = false): Route {
    const named = this.#options.connectTo.find(
      ({ from }) => from.host === authority.host && from.port === authority.port,
    )
    if (named !== undefined) {
      return { host: named.to.host, port: named.to.port, isTrustedAddress: true }
    }
    const { host, port } = authority
    // A parent's loopback is another machine's.
    if (isNamedLoopback) {
      return { host, port, lookup: this.#loopbackLookup, isTrustedAddress: true }
    }
    if (usesParent(this.#options.parent, authority)) return { host, port, viaParent: authority }
    return { host, port, lookup: this.#lookup }
  }

  #dialDirect(route: Route, signal?: AbortSignal): Promise<net.Socket> {
    const denied = this.#deniedLiteral(route)
    if (denied !== undefined) return Promise.reject(denied)
    return new Promise((resolve, reject) => {
      const socket = net.connect({
        ...route,
        allowHalfOpen: true,
        noDelay: true,
        ...(signal === undefined ? {} : { signal }),
      })
      limitConnecting(socket, this.#options.bounds.connectTimeoutMs, 'connect')
      this.loops.watch(socket)
      socket.once('error', reject)
      socket.once('connect', () => {
        // Its error is still to come.
        if (socket.destroyed) return
        socket.off('error', reject)
        resolve(socket)
      })
    })
  }

  #deniedLiteral({
    host,
    isTrustedAddress,
  }: Pick<Route, 'host' | 'isTrustedAddress'>): Error | undefined {
    return isTrustedAddress === true ? undefined : checkLiteral(host, this.#isAllowed)
  }

  #chain(
    authority: Authority,
    signal?: AbortSignal,
    via: readonly string[] = [],
  ): Promise<net.Socket> {
    const { parent, bounds } = this.#options
    // A literal is judged even here: the parent may well reach the same metadata service.
    const denied = checkLiteral(authority.host, this.#isAllowed)
    if (parent === undefined || denied !== undefined) {
      return Promise.reject(denied ?? new Error('no upstream proxy'))
    }
    return connectThroughParent(parent, authority, {
      secureContext: this.#secureContext,
      timeoutMs: bounds.connectTimeoutMs,
      maxHeaderBytes: bounds.maxHeaderBytes,
      signal,
      via: [...via, this.loops.mark],
      loops: this.loops,
    })
  }

  /** Gives an agent the pool key, the address guard, the parent proxy and a deadline. */
  #pooled<A extends http.Agent>(agent: A, connected: 'connect' | 'secureConnect'): A {
    agent.getName = (options) => (options as unknown as PooledOptions).originKey
    const create = agent.createConnection.bind(agent)
    const createDirect = (
      options: http.ClientRequestArgs,
      callback?: Parameters<typeof create>[1],
    ): ReturnType<typeof create> => {
      const socket = create(options, callback)
      if (socket instanceof net.Socket) {
        limitConnecting(socket, this.#options.bounds.connectTimeoutMs, connected)
        this.loops.watch(socket)
      }
      return socket
    }
    const secureThroughParent = async (
      authority: Authority,
      options: http.ClientRequestArgs,
      callback: Parameters<typeof create>[1],
    ): Promise<void> => {
      try {
        const socket = await this.#chain(authority)
        const secured = createDirect({ ...options, socket } as http.ClientRequestArgs)
        callback?.(null, secured as net.Socket)
      } catch (error) {
        callback?.(asError(error), undefined as never)
      }
    }
    agent.createConnection = (wanted, callback) => {
      const bound = this.connectionOptions((wanted as unknown as PooledOptions).destination)
      const options = { ...wanted, ...bound } as http.ClientRequestArgs
      const { viaParent } = bound
      const denied = this.#deniedLiteral(bound)
      if (denied !== undefined) {
        callback?.(denied, undefined as never)
        return undefined
      }
      if (viaParent === undefined) return createDirect(options, callback)
      const { parent } = this.#options
      if (connected === 'connect' && parent !== undefined) {
        const socket = openParent(parent, { secureContext: this.#secureContext, loops: this.loops })
        limitConnecting(
          socket,
          this.#options.bounds.connectTimeoutMs,
          parent.scheme === 'https' ? 'secureConnect' : 'connect',
        )
        return socket
      }
      void secureThroughParent(viaParent, options, callback)
      return undefined
    }
    return agent
  }
}

interface Route {
  readonly host: string
  readonly port: number
  readonly lookup?: LookupFunction
  /** Set by `--connect-to` and for a named loopback upstream: the user named this address. */
  readonly isTrustedAddress?: boolean
  /** Set for an authority that is reached through the parent proxy. */
  readonly viaParent?: Authority
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
