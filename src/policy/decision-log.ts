/**
 * What the traffic plane says of each decision, at the moment it is taken and before anything is
 * sent, and how what was let through ended: what an audit is made of. Types alone; where it is kept
 * is not known here.
 */
export interface Decision {
  readonly connectionId: string
  /** Of a request, or of a tunnel; absent where a connection was refused. */
  readonly exchangeId?: string | undefined
  readonly agent?: string | undefined
  /** `connect`: the CONNECT itself; `request`: one request, intercepted, plain or routed. */
  readonly subject: 'connect' | 'request'
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly method?: string | undefined
  /** Redacted, with its query. */
  readonly path?: string | undefined
  /** `tunnel`: passed unread. */
  readonly decision: 'allow' | 'deny' | 'tunnel'
  /** Machine-readable, kebab-case: `allowlisted`, `rule`, `budget`, `unauthenticated`, … */
  readonly reason: string
  /** Name of the rule that decided. */
  readonly rule?: string | undefined
  /** What the client was answered, where it was refused. */
  readonly status?: number | undefined
}

export interface DecisionLog {
  /**
   * Never throws: a log that fails costs the record, told elsewhere, not the traffic. A promise has
   * what was let through wait until it is recorded; false refuses it after all, for a record that
   * was demanded and cannot be made.
   */
  decided(decision: Decision): void | Promise<boolean>
}

/** How an exchange or a tunnel ended that was let through. What is absent is not known. */
export interface Outcome {
  readonly connectionId?: string | undefined
  readonly exchangeId: string
  readonly agent?: string | undefined
  /** That the client got; a tunnel has none. */
  readonly status?: number | undefined
  readonly bytesUp?: number | undefined
  readonly bytesDown?: number | undefined
  readonly durationMs: number
  /** Of all model calls in it, as reported or estimated. */
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
  /** US dollars. */
  readonly usd?: number | undefined
  readonly models: readonly string[]
  /** Ids of secrets that were put into the request. */
  readonly secrets: readonly string[]
  /** Opaque tokens that were replaced by secrets, and those that were taken out. */
  readonly tokensReplaced: number
  readonly tokensStripped: number
  /** Code of what went wrong, in one line. */
  readonly error?: string | undefined
}

/** What keeps an audit. */
export interface AuditSink extends DecisionLog {
  /** Never throws. */
  ended?(outcome: Outcome): void
}
