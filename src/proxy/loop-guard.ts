/**
 * Connections that lead back to this proxy, through whatever name, address, option or other proxy.
 * Straight back: the place that a connection of ours has reached is looked at, before anything is
 * sent. Through another proxy: what we ask of it, a CONNECT of our own, carries a mark (Via, RFC
 * 9110 §7.6.3), after those that the CONNECT of the client had: proxies that lead in a ring notice
 * it on the first round. Requests of clients carry none: they go out as they came.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'

import { classifyAddress } from '../policy/address-guard.ts'
import type { Authority } from '../policy/authority.ts'

/** `code` of the error of a connection that leads back. */
export const loopCode = 'ERR_PORTHOLE_LOOP'

/** Where a proxy listens. */
export interface ListenerAddress {
  readonly host: string
  readonly port: number
}

/** Whether an authority says by itself that it is this listener; no name is looked up. */
export function namesListener(
  { host, port }: Pick<Authority, 'host' | 'port'>,
  listener: ListenerAddress,
): boolean {
  if (port !== listener.port) return false
  if (host === listener.host || host === 'localhost' || host.endsWith('.localhost')) return true
  // Loopback, IPv4 addresses written as IPv6, and "any", which connects to loopback.
  return /^(?:(?:::ffff:)?127\.|(?:::ffff:)?0\.0\.0\.0$|::1?$)/u.test(host)
}

export class LoopGuard {
  /** Value of `Via` in what is asked of a parent proxy; another in every process. */
  readonly mark: string
  readonly #pseudonym = `porthole-${randomBytes(8).toString('hex')}`
  #listener: ListenerAddress | undefined

  constructor() {
    this.mark = `1.1 ${this.#pseudonym}`
  }

  listensAt(listener: ListenerAddress): void {
    this.#listener = { ...listener, host: plainAddress(listener.host) }
  }

  /** Ends a connection that is being made with `loopCode`, should it arrive here. */
  watch<S extends Socket>(socket: S): S {
    socket.once('connect', () => {
      if (!this.#isOwnEnd(socket)) return
      const error = new Error('the connection leads back to this proxy')
      socket.destroy(Object.assign(error, { code: loopCode }))
    })
    return socket
  }

  /** Whether the values of a request's Via tell that it has been here before. */
  hasPassed(via: readonly string[]): boolean {
    return via.some((value) => value.includes(this.#pseudonym))
  }

  #isOwnEnd({ remoteAddress, remotePort, localAddress }: Socket): boolean {
    if (remotePort === undefined || remotePort !== this.#listener?.port) return false
    const reached = plainAddress(remoteAddress ?? '')
    if (!['::', '0.0.0.0'].includes(this.#listener.host)) return reached === this.#listener.host
    // A connection to an address of this machine comes from the same one, or from loopback.
    return reached === plainAddress(localAddress ?? '') || classifyAddress(reached) === 'loopback'
  }
}

/** An IPv4 address as such, however a socket that speaks both writes it. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/iu, '')
}
