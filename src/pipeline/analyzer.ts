/**
 * The contract of an analyzer. Two planes meet here: `onRequest` and `transformRequestBody` act on
 * traffic and fail closed; `onMessage` only watches, and a fault in it costs sight, never bytes.
 */
import type { Duplex, Transform } from 'node:stream'

import type { AnalysisMsg, AnalysisMsgDraft, HeaderPairs } from '../messages/schema.ts'

export interface Analyzer {
  /** Unique within a chain; it stands as `by` in what the analyzer emits. */
  readonly name: string
  /**
   * Inline, in chain order, before anything is dialled and any name looked up: for each CONNECT, and
   * for each plain request that passes unread. It may refuse; throwing refuses with 502. Requests
   * within an intercepted CONNECT come to `onRequest`, one by one.
   */
  onConnect?(connection: OutgoingConnection): void | Refusal
  /**
   * Inline, in chain order, before the upstream is dialled. It may change `path` and `headers`, or
   * refuse by returning a `Refusal`. Throwing, or passing the deadline, refuses with 502.
   */
  onRequest?(request: OutgoingRequest): void | Refusal | Promise<void | Refusal>
  /**
   * Inline and streaming; asked of requests with a body alone. A transformed body is sent with the
   * length that it came to, or, where it is too large to wait for that, chunked. Where the stream
   * fails, so does the exchange: with 502, or as a `RequestRefused` says.
   */
  transformRequestBody?(request: OutgoingRequest): Transform | BodyTransform | undefined
  /**
   * Inline: asked of upgrades to WebSocket. What it returns is given every text and binary message
   * of the client, whole and without a mask, in order. Nothing is compressed then: extensions are
   * taken out of the request.
   */
  transformRequestMessages?(request: OutgoingRequest): MessageTransform | undefined
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

/** Something that asks to be let through, of which nothing but this is known. */
export interface OutgoingConnection {
  readonly connectionId: string
  readonly agent?: string | undefined
  /** Canonical, as in `OutgoingRequest`. */
  readonly host: string
  readonly port: number
  /**
   * What becomes of it unless it is refused: `intercepted`, or passed unread, and why. A plain
   * request that passes unread is `not-allowlisted` and has a method and a path.
   */
  readonly fate: 'intercepted' | 'not-allowlisted' | 'client-rejects-ca' | 'ca-unavailable'
  readonly request?: {
    readonly method: string
    readonly path: string
    readonly headers: HeaderList
  }
  emit: Emit
}

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
  /** The head as the client sent it, before any analyzer; what is set in it is not sent. */
  readonly asSent?: () => { readonly path: string; readonly headers: HeaderList }
  /** Whether the exchange has ended, since its client left say: what is decided now is in vain. */
  readonly isOver?: () => boolean
  /** A request to switch to WebSocket: what is said there is not seen here. */
  readonly isUpgrade?: boolean
  /**
   * The body as the client sent it, in its content coding; empty where there is none. It is kept, at
   * most `maxBytes` of it, and forwarded byte for byte afterwards. Rejects with `BodyUnavailable`
   * for one that is longer, or does not come to its end; an analyzer that does not catch that
   * refuses with its status. The analyzer's deadline does not run while the client is sending.
   */
  readBody(maxBytes: number): Promise<Buffer>
  /** Reports something about this exchange; never a secret value. */
  emit: Emit
  /**
   * Has a value masked in everything that is told of this exchange from now on, in the forms in
   * which an upstream may repeat it; where it does, `credential-echoed` names `secretId`. For
   * whatever is put into the request and must not be seen.
   */
  conceal(value: string, options?: { readonly secretId?: string | undefined }): void
}

export interface BodyTransform {
  readonly stream: Duplex
  /** Whether it undoes content codings: Content-Encoding is then left out of what is sent. */
  readonly decodes: boolean
  /** Once it has ended; where it says no, the body may be sent as it came, coding and all. */
  hasChanged(): boolean
  /** The request's trailers, after the body. */
  trailers(pairs: HeaderPairs): HeaderPairs | Promise<HeaderPairs>
}

export interface SocketMessage {
  /** RFC 6455 §11.8: 1 is text, 2 is binary. */
  readonly opcode: 1 | 2
  readonly payload: Buffer
}

/** The payload to be sent. Where it throws, or rejects, the WebSocket ends on both sides. */
export type MessageTransform = (message: SocketMessage) => Buffer | Promise<Buffer>

export interface Refusal {
  /** HTTP status for the client, 400–599. */
  readonly status: number
  /** Machine-readable, kebab-case. */
  readonly reason: string
  /** One line for the user, without secrets. */
  readonly message: string
  readonly rule?: string
  readonly retryAfterSeconds?: number
  /** More fields for the answer. */
  readonly headers?: HeaderPairs
  /** In place of the usual JSON, where a client understands another better. */
  readonly body?: { readonly contentType: string; readonly text: string }
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
  /** Gives the pair at this place of `pairs()` another value. */
  replace(index: number, value: string): void
  pairs(): ReadonlyArray<readonly [string, string]>
}
