/**
 * The engine: http-mitm-proxy's `Proxy`, with everything that touches a socket replaced. Kept are
 * the class, its request context (`ctx`) and its hooks but for those of WebSockets and
 * certificates. Its own TLS servers, certificate store, WebSocket relay and forwarder are never reached:
 * they listen on extra ports, write keys to disk by host name, route by Host and buffer without
 * bound. A call into any of them is an error, and a contract test watches it.
 */
import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { asError, AppError, describeError, errorCodeOf } from '../base/errors.ts'
import type { IdSource } from '../base/ids.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import type { Authenticator } from './client-auth.ts'
import { malformedAnswer, rawAnswer } from './client-response.ts'
import { handleConnect } from './connect-handler.ts'
import type { ConnectServices, InterceptPolicy } from './connect-handler.ts'
import { ConnectionRegistry } from './connections.ts'
import { Deadlines } from './deadlines.ts'
import { tellOfUnread } from './decisions.ts'
import type { EngineLimits } from './engine-limits.ts'
import type { Reporter } from './exchange-report.ts'
import { brakeClock, GuessBrake } from './guess-brake.ts'
import { hasExchangeHooks, runConnectHooks, throughRequestHooks } from './hooks.ts'
import type { Forwarder } from './http-messages.ts'
import { isWebSocketUpgrade, toPairs } from './http-messages.ts'
import { readByEvents } from './inner-socket.ts'
import { createInnerServer } from './intercept.ts'
import type { LeafSource } from './intercept.ts'
import { namesListener } from './loop-guard.ts'
import type { RequestContext } from './module-surface.ts'
import { ModuleProxy } from './module-surface.ts'
import { RequestHandler } from './request-handler.ts'
import type { PendingRequest } from './request-handler.ts'
import type { ReverseRoutes } from './reverse-routes.ts'
import type { RouteGuard } from './route-auth.ts'
import type { UpstreamConnector } from './upstream-connector.ts'

export interface EngineServices {
  readonly reporter: Reporter
  /** Told of every decision, before anything follows from it. */
  readonly decisions?: DecisionLog | undefined
  readonly ids: IdSource
  readonly authenticator: Authenticator
  readonly intercepts: InterceptPolicy
  readonly leaves: LeafSource | undefined
  readonly tunnelsOnReject: boolean
  readonly connector: UpstreamConnector
  readonly forwarder: Forwarder
  readonly analyzers: readonly Analyzer[]
  readonly routes: ReverseRoutes
  readonly routeGuard?: RouteGuard | undefined
  readonly limits: EngineLimits
}

/** A destroyed socket reports its end within a turn of the loop; longer means that it never will. */
const closeTimeoutMs = 1000

/** An inherited path that must never run; see the header of this file. */
function neverReached(name: string): never {
  throw new AppError('ERR_INTERNAL', { problem: `inherited ${name} was reached` })
}

/** For the answer to a malformed request to be read, in milliseconds. */
const refusedLingerMs = 1000

export class PortholeEngine extends ModuleProxy {
  readonly #services: EngineServices
  readonly #registry: ConnectionRegistry
  readonly #outer: http.Server
  readonly #inner: http.Server
  readonly #requests: RequestHandler
  readonly #connects: ConnectServices
  /** Requests on their way through the inherited path, which knows only node's objects. */
  readonly #hooked = new WeakMap<IncomingMessage, PendingRequest>()
  readonly #unsubscribe: () => void
  readonly #brake: GuessBrake
  #listenHost = ''

  constructor(services: EngineServices) {
    super()
    // The inherited request path reads its options; none of them is set.
    this.options = {}
    this.#services = services
    this.#registry = new ConnectionRegistry(services.reporter, services.ids)
    const serverOptions = {
      maxHeaderSize: services.limits.maxHeaderBytes,
      headersTimeout: services.limits.headersTimeoutMs,
      // An upload may take as long as it likes; only its head has a deadline.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(
        100,
        Math.min(5000, Math.round(services.limits.headersTimeoutMs / 3)),
      ),
      keepAliveTimeout: services.limits.keepAliveMs,
      insecureHTTPParser: false,
      noDelay: true,
      shouldUpgradeCallback: (request: IncomingMessage) =>
        isWebSocketUpgrade(toPairs(request.rawHeaders)),
    }
    this.#outer = http.createServer(serverOptions)
    this.#inner = createInnerServer(serverOptions)
    const isOwnListener = (authority: Authority): boolean =>
      namesListener(authority, { host: this.httpHost ?? '', port: this.httpPort })
    const deadlines = new Deadlines(services.limits, () => services.reporter.clock.monotonicMs())
    this.#brake = new GuessBrake(brakeClock(() => services.reporter.clock.monotonicMs()))
    this.#requests = new RequestHandler({
      ...services,
      brake: this.#brake,
      deadlines,
      registry: this.#registry,
      listenHost: () => this.#listenHost,
      isOwnListener,
    })
    this.#connects = {
      ...services,
      brake: this.#brake,
      deadlines,
      handshakeTimeoutMs: services.limits.handshakeTimeoutMs,
      registry: this.#registry,
      isOwnListener,
      runHooks: (request, socket, head) => this.#runConnectHooks(request, socket, head),
      resumeHttp: (socket) => this.#outer.emit('connection', socket),
      serveInner: (socket) => {
        this.#inner.emit('connection', socket)
        readByEvents(socket)
      },
    }
    this.#wire(this.#outer, false)
    this.#wire(this.#inner, true)
    this.#outer.on('connection', (socket: Socket) => this.#onConnection(socket))
    this.#unsubscribe = this.#registry.closeWhenNotCurrent(services.authenticator)
  }

  /** Listens; port 0 picks a free one. Throws `ERR_LISTEN_IN_USE` or `ERR_LISTEN`. */
  start(host: string, port: number): Promise<AddressInfo> {
    this.#listenHost = host
    return new Promise((resolve, reject) => {
      const onError = (error: Error): void => {
        const isUsed = errorCodeOf(error) === 'EADDRINUSE'
        const details = { host, port, problem: describeError(error) }
        reject(new AppError(isUsed ? 'ERR_LISTEN_IN_USE' : 'ERR_LISTEN', details, error))
      }
      this.#outer.once('error', onError)
      this.#outer.listen({ host, port }, () => {
        this.#outer.off('error', onError)
        // EMFILE on accept, say: the connection is lost, the proxy is not.
        this.#outer.on('error', (error) => this._onError('HTTP_SERVER_ERROR', null, error))
        this.httpServer = this.#outer
        const address = this.#outer.address()
        if (address === null || typeof address === 'string') neverReached('pipe listener')
        this.httpHost = address.address
        this.httpPort = address.port
        this.#services.connector.loops.listensAt({ host: address.address, port: address.port })
        resolve(address)
      })
    })
  }

  /** Stops accepting, lets running exchanges finish for `drainMs`, then closes what is left. */
  async shutdown(drainMs: number): Promise<void> {
    this.#outer.close()
    this.#outer.closeIdleConnections()
    this.#inner.close()
    this.#brake.close()
    await this.#requests.drained(drainMs)
    this.#outer.closeAllConnections()
    this.#inner.closeAllConnections()
    this.#services.forwarder.close()
    await this.#registry.destroyAll(closeTimeoutMs)
    this.#unsubscribe()
  }

  get openConnections(): number {
    return this.#registry.size
  }

  get activeExchanges(): number {
    return this.#requests.active
  }

  override listen(): this {
    return neverReached('listen')
  }

  override close(): this {
    void this.shutdown(0)
    return this
  }

  override _onHttpServerConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A CONNECT inside a tunnel would hide its target from policy.
    if (this.#registry.outerOf(socket) === undefined) {
      const message = 'CONNECT inside an intercepted connection is refused'
      const answer = { status: 405, code: 'nested-connect', message }
      tellOfUnread(this.#connects, socket, answer, 'CONNECT')
      socket.end(rawAnswer(answer, 'Method Not Allowed', false))
      return
    }
    handleConnect(this.#connects, request, socket as Socket, head).catch((error: unknown) => {
      this._onError('ON_CONNECT_ERROR', null, asError(error))
      if (!socket.writable) return
      const message = 'the connection could not be intercepted'
      socket.end(
        rawAnswer({ status: 502, code: 'intercept-failed', message }, 'Bad Gateway', false),
      )
    })
  }

  override _onHttpServerRequest(
    isSsl: boolean,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const pending = this.#requests.accept(isSsl, request, response)
    if (pending === undefined) return
    // The inherited context is for hooks: without any, nobody would see it made.
    if (!hasExchangeHooks(this) && this.onErrorHandlers.length === 0) {
      this.#requests.run(pending)
      return
    }
    this.#hooked.set(request, pending)
    // The inherited context reads the host from here; the decision about it has been made.
    const { destination, path } = pending.input
    request.headers.host = destination.authority.host
    // A route's path is another than the client's; anything else in origin form is the same.
    if (request.url?.startsWith('/') === true) request.url = path
    super._onHttpServerRequest(destination.scheme === 'https', request, response)
  }

  /** Takes over from the inherited path: hooks in order, then our own forwarder. */
  override _onRequest(ctx: RequestContext): void {
    const pending = this.#hooked.get(ctx.clientToProxyRequest)
    if (pending === undefined) return neverReached('_onRequest')
    const { hookDeadlineMs } = this.#services.limits
    throughRequestHooks(this, ctx, pending, hookDeadlineMs).then(
      (changed) => this.#requests.run(changed),
      (error: unknown) => {
        this._onError('ON_REQUEST_ERROR', ctx, asError(error))
        this.#requests.refuse(pending, error)
      },
    )
  }

  /** Tells the `onError` hooks. Writes nothing: a started response must not gain a byte. */
  override _onError(kind: string, ctx: RequestContext | null, error: Error): void {
    for (const handler of [...this.onErrorHandlers, ...(ctx?.onErrorHandlers ?? [])]) {
      try {
        handler(ctx, error, kind)
      } catch {
        // A faulty error hook must not turn one failed connection into a dead proxy.
      }
    }
  }

  override _onSocketError(description: string, error: NodeJS.ErrnoException): void {
    this._onError(`${description}_ERROR`, null, error)
  }

  override _createHttpsServer(): void {
    neverReached('_createHttpsServer')
  }

  override _onHttpServerConnectData(): void {
    neverReached('_onHttpServerConnectData')
  }

  override _onWebSocketServerConnect(): void {
    neverReached('_onWebSocketServerConnect')
  }

  override onCertificateRequired(): void {
    neverReached('onCertificateRequired')
  }

  override onCertificateMissing(): void {
    neverReached('onCertificateMissing')
  }

  async #runConnectHooks(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    try {
      await runConnectHooks(this, request, socket, head, this.#services.limits.hookDeadlineMs)
    } catch (error) {
      this._onError('ON_CONNECT_ERROR', null, asError(error))
      throw error
    }
  }

  #wire(server: http.Server, isSsl: boolean): void {
    // The block's size is the bound; a bound on fields would drop the later ones on some versions.
    server.maxHeadersCount = 0
    server.on('request', (request, response) => this._onHttpServerRequest(isSsl, request, response))
    // The upstream says whether it wants the body: its 100, or its refusal, is what the client gets.
    server.on('checkContinue', (request, response) =>
      this._onHttpServerRequest(isSsl, request, response),
    )
    // Any other expectation is the upstream's to refuse; Node would, untold and whoever asks.
    server.on('checkExpectation', (request, response) =>
      this._onHttpServerRequest(isSsl, request, response),
    )
    server.on('connect', (request, socket, head: Buffer) =>
      this._onHttpServerConnect(request, socket, head),
    )
    server.on('upgrade', (request, socket, head: Buffer) => {
      this.#requests.acceptUpgrade(isSsl, request, socket, head)
    })
    server.on('clientError', (error, socket) => this.#onClientError(error, socket))
  }

  #onConnection(socket: Socket): void {
    if (this.#registry.outerOf(socket) !== undefined) return
    const connection = this.#registry.admit(socket)
    if (this.#registry.size <= this.#services.limits.maxConnections) return
    const message = 'too many connections; try again'
    this.#services.reporter.publish({
      kind: 'connection-refused',
      connectionId: connection.id,
      status: 503,
      reason: 'limit',
      message,
      code: 'too-many-connections',
    })
    const headers = [['Retry-After', '1']] as const
    const answer = { status: 503, code: 'too-many-connections', message, headers }
    socket.end(rawAnswer(answer, 'Service Unavailable', false))
    socket.destroySoon()
  }

  /** Malformed requests (RFC 9112 §2.2): told once, then closed. The error's raw packet is never read. */
  #onClientError(error: Error, socket: Duplex): void {
    const code = errorCodeOf(error)
    const inner = this.#registry.innerOf(socket)
    if (inner !== undefined && code !== 'ECONNRESET') this.#registry.markSpoken(inner)
    if (!socket.writable || code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const { answer, phrase } = malformedAnswer(code)
    if (!this.#requests.isWithinRequest(socket)) tellOfUnread(this.#connects, socket, answer)
    socket.end(rawAnswer(answer, phrase, false))
    // Who does not hang up on that keeps no exchange waiting.
    setTimeout(() => socket.destroy(), refusedLingerMs).unref()
  }
}
