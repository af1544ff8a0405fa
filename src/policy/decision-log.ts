/**
 * What the traffic plane says of each decision, at the moment it is taken and before anything is
 * sent: what an audit is made of. Types alone; where it is kept is not known here.
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
  /** Never throws: a log that fails costs the record, told elsewhere, not the traffic. */
  decided(decision: Decision): void
}
