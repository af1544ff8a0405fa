/**
 * Who may send a request, and what those hear who may not. By what a client was let in does not go
 * any further: what comes out of here carries no token of a route's own place beside it.
 */
import type { ServerResponse } from 'node:http'

import type { Authority } from '../policy/authority.ts'
import { unauthenticatedAnswer } from './client-auth.ts'
import type { Authenticator } from './client-auth.ts'
import { answerClient } from './client-response.ts'
import type { ProxyAnswer } from './client-response.ts'
import type { ClientConnection } from './connections.ts'
import type { Reporter } from './exchange-report.ts'
import type { GuessBrake } from './guess-brake.ts'
import { createHeaderList } from './http-messages.ts'
import type { RequestLine, RequestTarget } from './request-target.ts'
import { matchRoute } from './reverse-routes.ts'
import type { ReverseRoutes } from './reverse-routes.ts'
import { admitByProxyToken } from './route-auth.ts'
import type { RouteAdmission, RouteGuard } from './route-auth.ts'

export interface DoorServices {
  readonly reporter: Reporter
  readonly authenticator: Authenticator
  readonly routes: ReverseRoutes
  /** Knows the tokens of routes, and where they stand; undefined where there are none. */
  readonly routeGuard?: RouteGuard | undefined
  readonly brake: GuessBrake
}

export class Doorkeeper {
  readonly #services: DoorServices

  constructor(services: DoorServices) {
    this.#services = services
  }

  /** In origin form a request speaks to us as to a server. */
  isForRoute({ target }: RequestLine): boolean {
    return this.#services.routes.size > 0 && target.startsWith('/')
  }

  /** The request as it may go on; undefined where it may not, and has been answered, or will be. */
  letIn(
    connection: ClientConnection,
    line: RequestLine,
    response: ServerResponse,
  ): RequestLine | undefined {
    const admission = this.#admit(line)
    if (admission.ok) {
      const identity = { ...admission.identity }
      connection.agent = identity.agent
      connection.identity = identity
      connection.underWay.add(identity)
      response.once('close', () => connection.underWay.delete(identity))
      return { ...line, headers: admission.headers }
    }
    this.#tell(connection, response, admission.answer, this.#upstreamOf(line))
    const { remoteAddress } = connection.socket
    this.#services.brake.answer(remoteAddress, admission.isGuess, (mayStay) => {
      if (!mayStay) response.shouldKeepAlive = false
      answerClient(response, admission.answer)
    })
    return undefined
  }

  /** An intercepted connection was let in; whoever it belongs to may have been put out since. */
  isStillKnown(connection: ClientConnection, response: ServerResponse): boolean {
    if (this.#services.authenticator.isCurrent(connection.identity ?? {})) return true
    response.shouldKeepAlive = false
    this.#tell(connection, response, unauthenticatedAnswer)
    answerClient(response, unauthenticatedAnswer)
    return false
  }

  /** Keys that the client sends itself: they are nothing to be told, wherever they stand. */
  keysIn({ destination, path, headers }: Extract<RequestTarget, { ok: true }>): string[] {
    const { routeGuard } = this.#services
    if (routeGuard === undefined || destination.scheme !== 'https') return []
    const { host, port } = destination.authority
    return routeGuard.keysIn(host, port, { path, headers: createHeaderList(headers) })
  }

  #admit(line: RequestLine): RouteAdmission {
    const { authenticator, routes, routeGuard } = this.#services
    if (!this.isForRoute(line)) {
      return admitByProxyToken(line.headers, authenticator, unauthenticatedAnswer)
    }
    const match = matchRoute(line.target, routes)
    return match === undefined || routeGuard === undefined
      ? admitByProxyToken(line.headers, authenticator)
      : routeGuard.admit(match, line.headers, authenticator)
  }

  /** Where a route leads; the path of a stranger's request may hold anything, and is not told. */
  #upstreamOf(line: RequestLine): Authority | undefined {
    if (!this.isForRoute(line)) return undefined
    return matchRoute(line.target, this.#services.routes)?.route.destination.authority
  }

  #tell(
    { id }: ClientConnection,
    { req }: ServerResponse,
    { status, message, code }: ProxyAnswer,
    upstream?: Authority,
  ): void {
    this.#services.reporter.publish({
      kind: 'connection-refused',
      connectionId: id,
      ...(upstream === undefined ? {} : { host: upstream.host, port: upstream.port }),
      status,
      reason: 'unauthenticated',
      message,
      code,
      method: req.method ?? '',
    })
  }
}
