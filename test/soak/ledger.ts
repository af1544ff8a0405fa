/**
 * The soak's own books: what clients and origins saw of every exchange and every tunnel, to be held
 * against what the proxy recorded. Knows nothing of captures.
 */
import type { BodyName } from './bodies.ts'

/** `broken`: the connection ended before the answer did. `left`: the client's own doing. */
export type Outcome = 'running' | 'complete' | 'left' | 'broken' | 'stuck'

/** One exchange or tunnel, as its client saw it. */
export interface ClientEntry {
  readonly id: string
  readonly kind: 'exchange' | 'tunnel' | 'websocket'
  /** What was asked, for people to read. */
  readonly what: string
  readonly request: BodyName
  readonly answer: BodyName
  /** Of the client's socket, to find a tunnel by. */
  localPort: number
  openedAt: number
  status: number
  /** Bytes of the body, or of the tunnel, or of WebSocket payloads. */
  sent: number
  received: number
  sentMessages: number
  endedAt: number
  outcome: Outcome
  /** What was wrong with it in the client's eyes. */
  problem: string | undefined
}

/** What the origin saw of it. */
export interface OriginEntry {
  attempts: number
  received: number
  receivedAll: boolean
  receivedMessages: number
  sent: number
  sentAll: boolean
  problem: string | undefined
}

export class Ledger {
  readonly clients = new Map<string, ClientEntry>()
  readonly origins = new Map<string, OriginEntry>()
  #next = 0

  open(
    kind: ClientEntry['kind'],
    what: string,
    bodies: { readonly request?: BodyName; readonly answer?: BodyName } = {},
  ): ClientEntry {
    this.#next += 1
    const entry: ClientEntry = {
      id: `x${this.#next}`,
      kind,
      what,
      request: bodies.request ?? 'none',
      answer: bodies.answer ?? 'none',
      localPort: 0,
      openedAt: Date.now(),
      status: 0,
      sent: 0,
      received: 0,
      sentMessages: 0,
      endedAt: 0,
      outcome: 'running',
      problem: undefined,
    }
    this.clients.set(entry.id, entry)
    return entry
  }

  /** The origin's page for an id; made at the first look. */
  atOrigin(id: string): OriginEntry {
    const known = this.origins.get(id)
    if (known !== undefined) return known
    const made: OriginEntry = {
      attempts: 0,
      received: 0,
      receivedAll: false,
      receivedMessages: 0,
      sent: 0,
      sentAll: false,
      problem: undefined,
    }
    this.origins.set(id, made)
    return made
  }
}
