/** What an exchange is made of and works with; see `exchange.ts`. */
import type { ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

import type { HeaderPairs } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { Reporter } from './exchange-report.ts'
import type { Destination, Forwarder } from './http-messages.ts'

export interface ExchangeInput {
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string | undefined
  readonly destination: Destination
  readonly method: string
  /** Origin-form target. */
  readonly path: string
  readonly httpVersion: string
  readonly headers: HeaderPairs
  readonly body: Readable
  readonly requestTrailers: () => HeaderPairs
  readonly response: ServerResponse
  /**
   * Holds what is to be told when the client's connection closes: a response that waits behind
   * another on the same connection (pipelining) is not told by node.
   */
  readonly onClientClosed: Set<() => void>
  /** Set when the client asks for a WebSocket: its socket, and bytes that came after the head. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer } | undefined
}

export interface ExchangeServices {
  readonly reporter: Reporter
  readonly forwarder: Forwarder
  readonly analyzers: readonly Analyzer[]
  readonly judgeDeadlineMs: number
  /** False for a plain-HTTP exchange with a host that is not on the allowlist: forwarded unread. */
  readonly isObserved: boolean
}
