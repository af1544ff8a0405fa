/** What an exchange is made of and works with; see `exchange.ts`. */
import type { ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

import type { HeaderPairs } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import type { Deadlines } from './deadlines.ts'
import type { EngineLimits } from './engine-limits.ts'
import type { Reporter } from './exchange-report.ts'
import type { Destination, Forwarder, UpstreamResponse } from './http-messages.ts'
import type { HeldBodies } from './request-body.ts'

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
  /** What the client has put where credentials go: masked in whatever is told. */
  readonly concealed?: readonly string[]
  readonly body: Readable
  readonly requestTrailers: () => HeaderPairs
  readonly response: ServerResponse
  /**
   * Holds what is to be told when the client's connection closes: a response that waits behind
   * another on the same connection (pipelining) is not told by node.
   */
  readonly onClientClosed: Set<() => void>
  /** Breaks the client's connection off with a reset, below TLS. */
  readonly resetClient: () => void
  /** Set when the client asks for a WebSocket: its socket, and bytes that came after the head. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer } | undefined
  /** Set where modules have a say in this exchange. */
  readonly hooks?: ExchangeHooks | undefined
}

/** What modules do to one exchange after its request head; what fails has been told to `onError`. */
export interface ExchangeHooks {
  /** The request before modules changed it: the one that is reported. */
  readonly sent: ExchangeInput
  /** True where the request's body runs through modules, and so is framed anew. */
  readonly changesRequestBody: boolean
  requestBody(body: Readable, onFailed: (error: Error) => void): Readable
  /** The end of a request that has no body. Rejects where a hook fails. */
  bodilessRequestEnded(): Promise<void>
  /** The response as the client is to get it. Rejects where a hook fails. */
  response(answer: UpstreamResponse, observer: BodyObserver): Promise<UpstreamResponse>
  /** Called when all of the body was written. Rejects where a hook fails. */
  responseEnded(): Promise<void>
}

export interface BodyObserver {
  /** Sees each chunk as the upstream sent it, where the body runs through modules. */
  readonly onChunk: (chunk: Buffer) => void
  readonly onFailed: (error: Error) => void
}

export interface ExchangeServices {
  readonly reporter: Reporter
  readonly decisions?: DecisionLog | undefined
  readonly forwarder: Forwarder
  readonly analyzers: readonly Analyzer[]
  readonly limits: Pick<
    EngineLimits,
    'judgeDeadlineMs' | 'maxInterims' | 'maxWebSocketMessageBytes'
  >
  readonly deadlines: Deadlines
  /** False for a plain-HTTP exchange with a host that is not on the allowlist: forwarded unread. */
  readonly isObserved: boolean
  /** Shared by all exchanges. */
  readonly heldBodies: HeldBodies
}

export interface ExchangeResult {
  readonly requestBytes: number
  readonly responseBytes: number
  /** Why it failed, in one line; undefined for one that completed. */
  readonly problem: string | undefined
  readonly code: string | undefined
}
