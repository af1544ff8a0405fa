/**
 * From a parsed request to a running exchange: who sends it, where it may go, and the refusals
 * that need no upstream. Knows node's request and response; nothing after it does.
 */
import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import type { IdSource } from '../base/ids.ts'
import { headerValues } from '../messages/header-values.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority } from '../policy/authority.ts'
import { refusalFor } from './admission.ts'
import type { Authenticator } from './client-auth.ts'
import {
  mayReach,
  outOfScopeAnswer,
  unauthenticatedAnswer,
  unauthenticatedRouteAnswer,
} from './client-auth.ts'
import { answerClient, answerFor } from './client-response.ts'
import type { ProxyAnswer } from './client-response.ts'
import type { InterceptPolicy } from './connect-handler.ts'
import { idsOf } from './connections.ts'
import type { ClientConnection, ConnectionRegistry } from './connections.ts'
import type { Deadlines } from './deadlines.ts'
import type { EngineLimits } from './engine-limits.ts'
import type { ExchangeInput } from './exchange-input.ts'
import type { Reporter } from './exchange-report.ts'
import { runExchange } from './exchange.ts'
import { moduleAnswer } from './hook-filters.ts'
import { createHeaderList, toPairs } from './http-messages.ts'
import type { Destination, Forwarder } from './http-messages.ts'
import type { HeldBodies } from './request-body.ts'
import { resolveIntercepted, resolvePlain } from './request-target.ts'
import type { RequestLine, RequestTarget } from './request-target.ts'
import { resolveRoute } from './reverse-routes.ts'
import type { ReverseRoutes } from './reverse-routes.ts'
import { reportUnread } from './tunnel-report.ts'

export interface RequestServices {
  readonly reporter: Reporter
  readonly ids: IdSource
  readonly registry: ConnectionRegistry
  readonly authenticator: Authenticator
  readonly intercepts: InterceptPolicy
  readonly forwarder: Forwarder
  readonly analyzers: readonly Analyzer[]
  readonly limits: EngineLimits
  readonly deadlines: Deadlines
  readonly routes: ReverseRoutes
  /** The address to listen on, as the user named it. */
  readonly listenHost: () => string
  readonly isOwnListener: (authority: Authority) => boolean
}

/** A request that may be forwarded, between the decision and the forwarding. */
export interface PendingRequest {
  readonly input: ExchangeInput
  readonly isObserved: boolean
}

export class RequestHandler {
  readonly #services: RequestServices
  /** Per connection, the latest request that is not yet answered in full. */
  readonly #unanswered = new WeakMap<Duplex, ServerResponse>()
  readonly #idle = new Set<() => void>()
  readonly #heldBodies: HeldBodies
  #active = 0

  constructor(services: RequestServices) {
    this.#services = services
    this.#heldBodies = { held: 0, maxBytes: services.limits.heldBodiesBytes }
  }

  /** Exchanges now running. */
  get active(): number {
    return this.#active
  }

  /** Decides on a request. Undefined means that it has been answered. */
  accept(
    isSsl: boolean,
    request: IncomingMessage,
    response: ServerResponse,
  ): PendingRequest | undefined {
    const { socket } = request
    this.#unanswered.set(socket, response)
    response.on('finish', () => {
      if (this.#unanswered.get(socket) === response) this.#unanswered.delete(socket)
    })
    return this.#resolve(isSsl, request, response, undefined)
  }

  /** A request to switch protocols: node has let go of its socket, so it runs from here. */
  acceptUpgrade(isSsl: boolean, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    if (this.#unanswered.has(socket)) {
      // Sent ahead behind another request: two answers cannot share the socket, and no client does it.
      socket.destroy()
      return
    }
    const response = new ServerResponse(request)
    response.assignSocket(socket as Socket)
    response.shouldKeepAlive = false
    response.on('finish', () => (socket as Socket).destroySoon())
    const pending = this.#resolve(isSsl, request, response, { socket, head })
    if (pending !== undefined) this.run(pending)
  }

  run(pending: PendingRequest): void {
    const { reporter, forwarder, analyzers, limits, deadlines } = this.#services
    this.#active += 1
    const services = {
      reporter,
      forwarder,
      analyzers,
      limits,
      deadlines,
      isObserved: pending.isObserved,
      heldBodies: this.#heldBodies,
    }
    const end = pending.isObserved ? undefined : reportUnread(reporter, pending.input)
    void runExchange(pending.input, services).then((result) => {
      end?.(result)
      this.#active -= 1
      if (this.#active === 0) for (const resolve of this.#idle) resolve()
    })
  }

  /** Answers 403 for a module that refused, and 502 for one that never called back. */
  refuse(pending: PendingRequest, error: unknown): void {
    const { connectionId, exchangeId, destination, response } = pending.input
    const { host, port } = destination.authority
    const answer = moduleAnswer(error, 'request')
    const { status, message } = answer
    const ids = { connectionId, exchangeId }
    const { reporter } = this.#services
    if (status === 502) {
      reporter.publish({ kind: 'analyzer-failed', ...ids, analyzer: 'module', error: message })
    }
    reporter.publish({
      kind: 'connection-refused',
      ...ids,
      host,
      port,
      status,
      reason: 'rule',
      message,
    })
    answerClient(response, answer)
  }

  /** Resolves when no exchange runs, or after `deadlineMs`. */
  async drained(deadlineMs: number): Promise<void> {
    if (this.#active === 0 || deadlineMs <= 0) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#idle.add(resolve)
      timer = setTimeout(resolve, deadlineMs)
    })
    clearTimeout(timer)
  }

  #resolve(
    isSsl: boolean,
    request: IncomingMessage,
    response: ServerResponse,
    upgrade: ExchangeInput['upgrade'],
  ): PendingRequest | undefined {
    const headers = toPairs(request.rawHeaders)
    const line = { method: request.method ?? '', target: request.url ?? '', headers }
    const inner = this.#services.registry.innerOf(request.socket)
    if (inner !== undefined) this.#services.registry.markSpoken(inner)
    const connection = inner?.connection ?? this.#services.registry.outerOf(request.socket)
    // No identity, no service: a socket that came by another way than the listener is closed.
    if (connection === undefined || isSsl !== (inner !== undefined)) {
      response.destroy()
      return undefined
    }
    const isRouted = inner === undefined && this.#isForRoute(line)
    if (!this.#isKnown(connection, line, response, inner !== undefined)) return undefined
    const target = this.#inScope(
      connection,
      inner === undefined
        ? this.#resolveOuter(line, request.socket)
        : resolveIntercepted(line, inner.authority),
    )
    if (!target.ok) {
      this.#refuseTarget(connection, target, response)
      return undefined
    }
    // A route is named by the user, as the hosts of the allowlist are.
    const isObserved = inner !== undefined || isRouted || this.#intercepts(target.destination)
    if (!isObserved && !this.#mayPassUnread(connection, line.method, target, response)) {
      return undefined
    }
    return {
      isObserved,
      input: {
        connectionId: connection.id,
        exchangeId: this.#services.ids.next('x'),
        agent: connection.agent,
        destination: target.destination,
        method: line.method,
        path: target.path,
        httpVersion: request.httpVersion,
        headers: target.headers,
        body: request,
        requestTrailers: () => toPairs(request.rawTrailers),
        response,
        onClientClosed: connection.onClosed,
        resetClient: () => connection.socket.resetAndDestroy(),
        upgrade,
      },
    }
  }

  /** In origin form a request speaks to us as to a server. */
  #isForRoute({ target }: RequestLine): boolean {
    return this.#services.routes.size > 0 && target.startsWith('/')
  }

  /** Where a request on the listener itself leads: to a route's upstream, or where it says. */
  #resolveOuter(line: RequestLine, socket: Socket): RequestTarget {
    if (!this.#isForRoute(line)) return resolvePlain(line)
    const { routes, listenHost, isOwnListener } = this.#services
    const { localAddress = '', localPort = 0 } = socket
    const place = { host: listenHost(), address: localAddress, port: localPort }
    const target = resolveRoute(line, routes, place)
    if (!target.ok || !isOwnListener(target.destination.authority)) return target
    const message = 'the proxy does not connect to itself'
    return { ok: false, status: 403, code: 'loop', message }
  }

  #intercepts({ authority, scheme }: Destination): boolean {
    return this.#services.intercepts(authority, scheme === 'http' ? 80 : 443)
  }

  #isKnown(
    connection: ClientConnection,
    line: RequestLine,
    response: ServerResponse,
    isInner: boolean,
  ): boolean {
    return isInner
      ? this.#isStillKnown(connection, response)
      : this.#isAuthenticated(connection, line, response)
  }

  #isAuthenticated(
    connection: ClientConnection,
    line: RequestLine,
    response: ServerResponse,
  ): boolean {
    const identity = this.#services.authenticator.authenticate(
      headerValues(line.headers, 'proxy-authorization'),
    )
    if (identity.ok) {
      connection.agent = identity.agent
      connection.identity = identity
      return true
    }
    const answer = this.#isForRoute(line) ? unauthenticatedRouteAnswer : unauthenticatedAnswer
    this.#refuseStranger(connection, answer, response)
    return false
  }

  /** An intercepted connection was let in; whoever it belongs to may have been put out since. */
  #isStillKnown(connection: ClientConnection, response: ServerResponse): boolean {
    if (this.#services.authenticator.isCurrent(connection.identity ?? {})) return true
    response.shouldKeepAlive = false
    this.#refuseStranger(connection, unauthenticatedAnswer, response)
    return false
  }

  #refuseStranger(
    connection: ClientConnection,
    answer: ProxyAnswer,
    response: ServerResponse,
  ): void {
    this.#services.reporter.publish({
      kind: 'connection-refused',
      connectionId: connection.id,
      status: answer.status,
      reason: 'unauthenticated',
      message: answer.message,
    })
    answerClient(response, answer)
  }

  #inScope({ identity = {} }: ClientConnection, target: RequestTarget): RequestTarget {
    if (!target.ok) return target
    const { authority, scheme } = target.destination
    if (mayReach(identity, authority, scheme === 'https' ? 443 : 80)) return target
    const { code, message } = outOfScopeAnswer
    return { ok: false, status: 403, code, message }
  }

  /** Of what is not read, the head is all that is looked at. */
  #mayPassUnread(
    connection: ClientConnection,
    method: string,
    { destination, path, headers }: Extract<RequestTarget, { ok: true }>,
    response: ServerResponse,
  ): boolean {
    const refusal = refusalFor(this.#services, connection, destination.authority, {
      fate: 'not-allowlisted',
      request: { method, path, headers: createHeaderList(headers) },
    })
    if (refusal !== undefined) answerClient(response, answerFor(refusal))
    return refusal === undefined
  }

  #refuseTarget(
    connection: ClientConnection,
    target: Extract<RequestTarget, { ok: false }>,
    response: ServerResponse,
  ): void {
    const inner = this.#services.registry.innerOf(response.req.socket)
    this.#services.reporter.publish({
      kind: 'connection-refused',
      ...idsOf(connection),
      ...(inner === undefined ? {} : { host: inner.authority.host, port: inner.authority.port }),
      status: target.status,
      reason: target.status === 403 ? 'rule' : 'bad-authority',
      message:
        inner === undefined
          ? target.message
          : `${target.message} (${formatAuthority(inner.authority)})`,
    })
    answerClient(response, { status: target.status, code: target.code, message: target.message })
  }
}
