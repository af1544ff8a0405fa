/**
 * From a parsed request to a running exchange: who sends it, where it may go, and the refusals
 * that need no upstream. Knows node's request and response; nothing after it does.
 */
import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import type { IdSource } from '../base/ids.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import { formatAuthority } from '../policy/authority.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import { refusalFor } from './admission.ts'
import { mayReach, outOfScopeAnswer } from './client-auth.ts'
import { answerClient, answerFor } from './client-response.ts'
import type { InterceptPolicy } from './connect-handler.ts'
import { idsOf } from './connections.ts'
import type { ClientConnection, ConnectionRegistry, InterceptedConnection } from './connections.ts'
import type { Deadlines } from './deadlines.ts'
import { tellOfUnread } from './decisions.ts'
import { Doorkeeper } from './doorkeeper.ts'
import type { DoorServices } from './doorkeeper.ts'
import type { EngineLimits } from './engine-limits.ts'
import type { ExchangeInput } from './exchange-input.ts'
import { shownPath } from './exchange-report.ts'
import { runExchange } from './exchange.ts'
import { moduleAnswer } from './hook-filters.ts'
import { announcesBody, createHeaderList, toPairs } from './http-messages.ts'
import type { Destination, Forwarder } from './http-messages.ts'
import type { HeldBodies } from './request-body.ts'
import { bad, resolveIntercepted, resolvePlain } from './request-target.ts'
import type { RequestLine, RequestTarget } from './request-target.ts'
import { resolveRoute } from './reverse-routes.ts'
import { reportUnread } from './tunnel-report.ts'

export interface RequestServices extends DoorServices {
  readonly decisions?: DecisionLog | undefined
  readonly ids: IdSource
  readonly registry: ConnectionRegistry
  readonly intercepts: InterceptPolicy
  readonly forwarder: Forwarder
  readonly analyzers: readonly Analyzer[]
  readonly limits: EngineLimits
  readonly deadlines: Deadlines
  /** The address to listen on, as the user named it. */
  readonly listenHost: () => string
  readonly isOwnListener: (authority: Authority) => boolean
}

/** A request that may be forwarded, between the decision and the forwarding. */
export interface PendingRequest {
  readonly input: ExchangeInput
  readonly isObserved: boolean
}

/** On one connection: a browser sends none ahead, other clients a handful. */
const mostWaiting = 100

/** Why a request is none that could go on, whoever sends it. */
function problemOf(httpVersion: string, isUpgradeWithBody: boolean): string | undefined {
  // Node's parser lets 0.9 and 2.0 pass, of which neither is what comes on such a connection.
  if (!['1.0', '1.1'].includes(httpVersion)) return 'this proxy speaks HTTP/1.1 and HTTP/1.0'
  // The body would be taken for the other protocol, or the next request on a connection for the body.
  return isUpgradeWithBody ? 'an upgrade has no body' : undefined
}

export class RequestHandler {
  readonly #services: RequestServices
  readonly #door: Doorkeeper
  /** Per connection, the latest request that is not yet answered in full. */
  readonly #unanswered = new WeakMap<Duplex, ServerResponse>()
  /** Per connection, the latest request. */
  readonly #latest = new WeakMap<Duplex, IncomingMessage>()
  /** Per connection, requests that were let through and are not yet answered in full. */
  readonly #waiting = new WeakMap<Duplex, number>()
  readonly #idle = new Set<() => void>()
  readonly #heldBodies: HeldBodies
  #active = 0

  constructor(services: RequestServices) {
    this.#services = services
    this.#door = new Doorkeeper(services)
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
    // Of what was already read of a connection that has been closed here.
    if (socket.destroyed) return undefined
    if (this.#isAhead(socket)) return undefined
    this.#latest.set(socket, request)
    this.#unanswered.set(socket, response)
    response.on('finish', () => {
      if (this.#unanswered.get(socket) === response) this.#unanswered.delete(socket)
    })
    const pending = this.#resolve(isSsl, request, response, undefined)
    if (pending !== undefined) this.#count(socket, response)
    return pending
  }

  /** Whether too many requests wait on one connection: its client does not read, or means no good. */
  #isAhead(socket: Socket): boolean {
    if ((this.#waiting.get(socket) ?? 0) < mostWaiting) return false
    tellOfUnread(this.#services, socket, { code: 'too-many-pipelined' })
    socket.destroy()
    return true
  }

  #count(socket: Socket, response: ServerResponse): void {
    this.#waiting.set(socket, (this.#waiting.get(socket) ?? 0) + 1)
    response.once('close', () => this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1))
  }

  /** A request to switch protocols: node has let go of its socket, so it runs from here. */
  acceptUpgrade(isSsl: boolean, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    if (this.#unanswered.has(socket)) {
      tellOfUnread(this.#services, socket, { code: 'pipelined-upgrade' }, request.method)
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

  /** Whether what comes on a connection belongs to a request that was decided on by its head. */
  isWithinRequest(socket: Duplex): boolean {
    return this.#latest.get(socket)?.complete === false
  }

  run(pending: PendingRequest): void {
    this.#active += 1
    const services = {
      ...this.#services,
      isObserved: pending.isObserved,
      heldBodies: this.#heldBodies,
    }
    const end = pending.isObserved
      ? undefined
      : reportUnread(this.#services.reporter, pending.input)
    void runExchange(pending.input, services).then((result) => {
      end?.(result)
      this.#active -= 1
      if (this.#active === 0) for (const resolve of this.#idle) resolve()
    })
  }

  /** Answers 403 for a module that refused, and 502 for one that never called back. */
  refuse(pending: PendingRequest, error: unknown): void {
    const { connectionId, exchangeId, agent, destination, method, path, response, concealed } =
      pending.input
    const { host, port } = destination.authority
    const answer = moduleAnswer(error, 'request')
    const { status, code, message } = answer
    const ids = { ...idsOf({ id: connectionId, agent }), exchangeId }
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
      code,
      method,
      path: shownPath(path, concealed),
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
    const sent = { method: request.method ?? '', target: request.url ?? '', headers }
    const inner = this.#services.registry.innerOf(request.socket)
    if (inner !== undefined) this.#services.registry.markSpoken(inner)
    const connection = inner?.connection ?? this.#services.registry.outerOf(request.socket)
    // No identity, no service: a socket that came by another way than the listener is closed.
    if (connection === undefined || isSsl !== (inner !== undefined)) {
      response.destroy()
      return undefined
    }
    const isRouted = inner === undefined && this.#door.isForRoute(sent)
    const hasUpgrade = upgrade !== undefined
    const target = this.#targetOf(sent, { connection, inner, response, hasUpgrade })
    if (target === undefined) return undefined
    if (!target.ok) {
      this.#refuseTarget(connection, target, response)
      return undefined
    }
    // A route is named by the user, as the hosts of the allowlist are.
    const isObserved = inner !== undefined || isRouted || this.#intercepts(target.destination)
    if (!isObserved && !this.#mayPassUnread(connection, sent.method, target, response)) {
      return undefined
    }
    return {
      isObserved,
      input: {
        connectionId: connection.id,
        exchangeId: this.#services.ids.next('x'),
        agent: connection.agent,
        destination: target.destination,
        method: sent.method,
        path: target.path,
        httpVersion: request.httpVersion,
        headers: target.headers,
        concealed: this.#door.keysIn(target),
        body: request,
        requestTrailers: () => toPairs(request.rawTrailers),
        response,
        onClientClosed: connection.onClosed,
        resetClient: () => connection.socket.resetAndDestroy(),
        upgrade,
      },
    }
  }

  /** Where a request leads that its sender may send; undefined where that has been answered. */
  #targetOf(
    sent: RequestLine,
    {
      connection,
      inner,
      response,
      hasUpgrade,
    }: {
      readonly connection: ClientConnection
      readonly inner: InterceptedConnection | undefined
      readonly response: ServerResponse
      readonly hasUpgrade: boolean
    },
  ): RequestTarget | undefined {
    const problem = problemOf(response.req.httpVersion, hasUpgrade && announcesBody(sent.headers))
    if (problem !== undefined) return bad(problem)
    if (inner !== undefined) {
      if (!this.#door.isStillKnown(connection, response)) return undefined
      return this.#inScope(connection, resolveIntercepted(sent, inner.authority))
    }
    const line = this.#door.letIn(connection, sent, response)
    return line && this.#inScope(connection, this.#resolveOuter(line, response.req.socket))
  }

  /** Where a request on the listener itself leads: to a route's upstream, or where it says. */
  #resolveOuter(line: RequestLine, socket: Socket): RequestTarget {
    if (!this.#door.isForRoute(line)) return resolvePlain(line)
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

  #inScope({ identity = {} }: ClientConnection, target: RequestTarget): RequestTarget {
    if (!target.ok) return target
    const { authority, scheme } = target.destination
    if (mayReach(identity, authority, scheme === 'https' ? 443 : 80)) return target
    const { code, message } = outOfScopeAnswer
    return { ok: false, status: 403, code, message, authority }
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
    const authority = inner?.authority ?? target.authority
    this.#services.reporter.publish({
      kind: 'connection-refused',
      ...idsOf(connection),
      ...(authority === undefined ? {} : { host: authority.host, port: authority.port }),
      status: target.status,
      reason: target.status === 403 ? 'rule' : 'bad-authority',
      message:
        inner === undefined
          ? target.message
          : `${target.message} (${formatAuthority(inner.authority)})`,
      code: target.code,
      method: response.req.method ?? '',
    })
    answerClient(response, { status: target.status, code: target.code, message: target.message })
  }
}
