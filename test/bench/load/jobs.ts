/** What the load client can be told to do: plain data, since it crosses a process boundary. */
import type { RouteSettings } from './client-connection.ts'

export type BodyKind = 'none' | 'small' | 'file' | 'context'

export interface RequestShape {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** What the origin is asked to do; see `origin.ts`. */
  readonly wish: string
  readonly body: BodyKind
  /** Size of a `file` or `context` body. */
  readonly bodyBytes?: number
  /** Wanted length of the answer's body, where it is known. */
  readonly answerBytes?: number
}

export interface Job {
  /**
   * `repeat`: each connection sends the request again and again; `streams`: the same, and events
   * and their delays are counted; `slow`: one connection that reads at `readBytesPerSecond` only.
   */
  readonly kind: 'repeat' | 'streams' | 'slow'
  readonly connections: number
  /** A new connection for every request. */
  readonly fresh?: boolean
  readonly request: RequestShape
  /** Exchanges per connection before anything is measured. */
  readonly warmExchanges: number
  /** Sent in the warm-up instead of `request`, where that would take too long. */
  readonly warmRequest?: RequestShape
  readonly readBytesPerSecond?: number
}

export type RoutedJob = Job & RouteSettings

/** One measured stretch: it ends with the first exchange that ends after either bound. */
export interface Stretch {
  readonly durationMs: number
  /** Exchanges per connection. */
  readonly maxExchanges: number
}

/** Percentiles in milliseconds. */
export interface Delays {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly count: number
}

export interface StretchResult {
  readonly exchanges: number
  readonly events: number
  readonly bytes: number
  readonly seconds: number
  /** From the request's last byte handed over to the answer's last byte. */
  readonly exchange: Delays
  /** To the answer's head. */
  readonly head: Delays
  /** From the origin's write to the client's read of an event. */
  readonly event: Delays
}
