/** The limits that the traffic plane reads: milliseconds (`…Ms`; Infinity is never), bytes, counts. */
export interface EngineLimits {
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly handshakeTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly judgeDeadlineMs: number
  readonly hookDeadlineMs: number
  readonly requestProgressMs: number
  readonly requestProgressBytes: number
  readonly answerTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly tunnelIdleTimeoutMs: number
  readonly maxInterims: number
  readonly keepAliveMs: number
  readonly upstreamKeepAliveMs: number
  readonly maxIdleUpstreams: number
  readonly maxWebSocketMessageBytes: number
  readonly heldBodiesBytes: number
}
