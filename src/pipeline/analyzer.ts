/**
 * The contract of an analyzer. Two planes meet here: `onRequest` and `transformRequestBody` act on
 * traffic and fail closed; `onMessage` only watches, and a fault in it costs sight, never bytes.
 */
import type { Transform } from 'node:stream'

import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'

export interface Analyzer {
  /** Unique within a chain; it stands as `by` in what the analyzer emits. */
  readonly name: string
  /**
   * Inline, in chain order, before the upstream is dialled. It may change `path` and `headers`, or
   * refuse by returning a `Refusal`. Throwing, or passing the deadline, refuses with 502.
   */
  onRequest?(request: OutgoingRequest): void | Refusal | Promise<void | Refusal>
  /** Inline and streaming. A transformed body is sent chunked, without its Content-Length. */
  transformRequestBody?(request: OutgoingRequest): Transform | undefined
  /**
   * Observes one message. What it emits goes to the analyzers after it, then to the sinks; it
   * inherits `at`, `connectionId`, `exchangeId` and `agent` from `msg` unless it sets its own.
   * It must not depend on a clock, so that a replay gives the same messages. A throw becomes
   * `analyzer-failed`, and the chain goes on.
   *
   * What would take more than some milliseconds is returned as work, a generator say: the chain
   * runs it to its end before anything else is shown to any analyzer, but lets the event loop go
   * between its steps. It may emit as long as it runs.
   */
  onMessage?(msg: AnalysisMsg, emit: Emit): void | Work
  /**
   * The only kinds of messages that `onMessage` is called for, where it has no use for others; all
   * of them unless told. Read when the first message of a kind comes.
   */
  readonly kinds?: ReadonlyArray<AnalysisMsg['kind']> | undefined
  /** Called once at shutdown, after the last message. */
  close?(): Promise<void>
}

/** Work in steps; what they give is ignored. */
export type Work = Iterator<unknown, unknown, undefined>

export type Emit = (msg: AnalysisMsgDraft) => void

/** A request on its way upstream, after the capture has seen it: what is set here is not recorded. */
export interface OutgoingRequest {
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string | undefined
  /** `https` means over verified TLS to `host` and `port`. */
  readonly scheme: 'http' | 'https'
  /** Canonical: lower case, no trailing dot; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  readonly method: string
  /** Origin-form request target, as it will be sent (RFC 9112 §3.2.1). */
  path: string
  readonly headers: HeaderList
  /** Reports something about this exchange; never a secret value. */
  emit: Emit
  /**
   * Has a value masked in everything that is told of this exchange from now on, in the forms in
   * which an upstream may repeat it. For whatever is put into the request and must not be seen.
   */
  conceal(value: string): void
}

export interface Refusal {
  /** HTTP status for the client, 400–599. */
  readonly status: number
  /** Machine-readable, kebab-case. */
  readonly reason: string
  /** One line for the user, without secrets. */
  readonly message: string
  readonly rule?: string
  readonly retryAfterSeconds?: number
}

/** Ordered header pairs; names compare without case, order and spelling are kept. */
export interface HeaderList {
  /** All values of a name, in order. */
  values(name: string): string[]
  /** Replaces the first pair of that name in place and drops the others; appends if there is none. */
  set(name: string, value: string): void
  append(name: string, value: string): void
  /** Removes every pair of that name. */
  remove(name: string): void
  pairs(): ReadonlyArray<readonly [string, string]>
}
