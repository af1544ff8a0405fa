/**
 * Who is connected: identity is tied to the socket object (a WeakMap), never to ports or headers.
 * Reports opening and closing with byte counts, and keeps the number of connections bounded.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { IdSource } from '../base/ids.ts'
import type { Authority } from '../policy/authority.ts'
import type { Authenticator, Identity } from './client-auth.ts'
import type { Reporter } from './exchange-report.ts'

export interface ClientConnection {
  readonly id: string
  readonly socket: Socket
  /** Set by the first authenticated CONNECT or request. */
  agent: string | undefined
  /** Who that was, of the latest one; undefined before. */
  identity: Identity | undefined
  /** Whose requests are under way, each with a token of its own: they may be sent ahead. */
  readonly underWay: Set<Identity>
  /** Called once each when the connection has closed. */
  readonly onClosed: Set<() => void>
}

/** An inner, decrypted connection: its client, and the only place its requests may go. */
export interface InterceptedConnection {
  readonly connection: ClientConnection
  readonly authority: Authority
  /** Whether anything that looked like a request has come; a client that distrusts us sends none. */
  hasSpoken: boolean
}

/** Clients and hosts remembered as trusting, and as rejecting; the oldest is forgotten first. */
const maxRemembered = 1000

type ClientAndHost = Pick<InterceptedConnection, 'connection' | 'authority'>

/** What every message about a connection carries. */
export function idsOf({ id, agent }: Pick<ClientConnection, 'id' | 'agent'>): {
  connectionId: string
  agent?: string
} {
  return { connectionId: id, ...(agent === undefined ? {} : { agent }) }
}

export class ConnectionRegistry {
  readonly #reporter: Reporter
  readonly #ids: IdSource
  readonly #outer = new WeakMap<Duplex, ClientConnection>()
  readonly #inner = new WeakMap<Duplex, InterceptedConnection>()
  readonly #open = new Set<ClientConnection>()
  readonly #trusting = new Set<string>()
  readonly #rejecting = new Set<string>()

  constructor(reporter: Reporter, ids: IdSource) {
    this.#reporter = reporter
    this.#ids = ids
  }

  get size(): number {
    return this.#open.size
  }

  /** Registers a socket once; a socket that is handed back to the HTTP server keeps its identity. */
  admit(socket: Socket): ClientConnection {
    const known = this.#outer.get(socket)
    if (known !== undefined) return known
    const connection: ClientConnection = {
      id: this.#ids.next('c'),
      socket,
      agent: undefined,
      identity: undefined,
      underWay: new Set(),
      onClosed: new Set(),
    }
    this.#outer.set(socket, connection)
    this.#open.add(connection)
    const openedMs = this.#reporter.clock.monotonicMs()
    this.#reporter.publish({
      kind: 'connection-opened',
      connectionId: connection.id,
      clientAddress: socket.remoteAddress ?? '',
      clientPort: socket.remotePort ?? 0,
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#open.delete(connection)
      for (const tell of connection.onClosed) tell()
      this.#reporter.publish({
        kind: 'connection-closed',
        ...idsOf(connection),
        bytesIn: socket.bytesRead,
        bytesOut: socket.bytesWritten,
        durationMs: Math.round(this.#reporter.clock.monotonicMs() - openedMs),
      })
    })
    return connection
  }

  outerOf(socket: Duplex): ClientConnection | undefined {
    return this.#outer.get(socket)
  }

  bindInner(socket: TLSSocket, intercepted: InterceptedConnection): void {
    this.#inner.set(socket, intercepted)
  }

  innerOf(socket: Duplex): InterceptedConnection | undefined {
    return this.#inner.get(socket)
  }

  /** A request came over this connection: its client trusts the CA for that host. */
  markSpoken(inner: InterceptedConnection): void {
    if (inner.hasSpoken) return
    inner.hasSpoken = true
    remember(this.#trusting, trustKey(inner))
  }

  /** A client of this agent and address rejected the certificate for this host. */
  markRejecting(inner: ClientAndHost): void {
    remember(this.#rejecting, rejectKey(inner))
  }

  isKnownToReject(inner: ClientAndHost): boolean {
    return this.#rejecting.has(rejectKey(inner))
  }

  /**
   * Whether a client of the same agent has sent requests to the same host. Connection pools open
   * spare connections and drop them half way through TLS (undici does, after an aborted stream):
   * from a client known to trust us, a silent end means nothing.
   */
  isKnownToTrust(inner: ClientAndHost): boolean {
    return this.#trusting.has(trustKey(inner))
  }

  /**
   * From now on, closes the connections of those who would no longer be let in, whatever runs on
   * them. Returns what ends that.
   */
  closeWhenNotCurrent(authenticator: Pick<Authenticator, 'isCurrent' | 'subscribe'>): () => void {
    return authenticator.subscribe(() => {
      for (const { identity, underWay, socket } of this.#open) {
        // Whoever has been answered is not on it any more, unless nobody else is.
        const present = underWay.size > 0 || identity === undefined ? [...underWay] : [identity]
        if (!present.every((one) => authenticator.isCurrent(one))) socket.destroy()
      }
    })
  }

  /** Closes every connection; resolves when each has reported its end, or after `deadlineMs`. */
  async destroyAll(deadlineMs: number): Promise<void> {
    const ended = [...this.#open].map(({ socket }) => {
      const closed = once(socket, 'close')
      socket.destroy()
      return closed
    })
    if (ended.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs)
    })
    await Promise.race([Promise.allSettled(ended), late])
    clearTimeout(timer)
  }
}

function remember(keys: Set<string>, key: string): void {
  keys.add(key)
  const [oldest] = keys
  if (keys.size > maxRemembered && oldest !== undefined) keys.delete(oldest)
}

function trustKey({ connection, authority }: ClientAndHost): string {
  return `${connection.agent ?? ''} ${authority.host}`
}

/** Narrower than trust: where agents are nameless, at least one machine's clients do not decide for another's. */
function rejectKey({ connection, authority }: ClientAndHost): string {
  return `${connection.agent ?? ''} ${connection.socket.remoteAddress ?? ''} ${authority.host}`
}
