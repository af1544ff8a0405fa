/**
 * What a proxy tells of its decisions and their outcomes, handed to whoever keeps an audit, and
 * kept in memory for a program that asks for it now and then. Bounded: what nobody has asked for
 * goes, the oldest first, and is counted. Values of stored secrets are masked in decisions, which
 * hold names and paths as a client sent them; outcomes are made of messages, where they are already.
 */
import type { Clock } from '../base/clock.ts'
import type { AnalysisMsg, AnalysisMsgDraft, MsgOf } from '../messages/schema.ts'
import type { AuditSink, Decision, Outcome } from '../policy/decision-log.ts'
import { maskValuesIn } from '../policy/value-mask.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import { OutcomeGatherer } from './outcomes.ts'

/** A decision, or how what was let through ended; both name the exchange. */
export type AuditEntry =
  | ({ readonly kind: 'decision'; readonly at: number } & Decision)
  | ({ readonly kind: 'outcome'; readonly at: number } & Outcome)

/** Since the last time. */
export interface DrainedAudit {
  /** The oldest first. */
  readonly entries: readonly AuditEntry[]
  /** Entries that were kept no longer, older than these. */
  readonly dropped: number
}

/** Entries that are kept for `drain`. */
const mostKept = 4096
/** What analysis still makes of an exchange that has ended is waited for this long, in ms. */
const settleMs = 1000

export class AuditFeed implements AuditSink {
  readonly #clock: Pick<Clock, 'now'>
  readonly #sinks: readonly AuditSink[]
  readonly #values: ValueFinder | undefined
  readonly #outcomes = new OutcomeGatherer((outcome) => this.ended(outcome))
  /** Up to twice of what is kept, so that the oldest go all at once. */
  #kept: AuditEntry[] = []
  #dropped = 0
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Pick<Clock, 'now'>, sinks: readonly AuditSink[], values?: ValueFinder) {
    this.#clock = clock
    this.#sinks = sinks
    this.#values = values
  }

  decided(told: Decision): void | Promise<boolean> {
    const decision = this.#masked(told)
    this.#keep({ kind: 'decision', at: this.#clock.now(), ...decision })
    let waiting: Promise<boolean> | undefined
    for (const sink of this.#sinks) {
      const answer = safely(() => sink.decided(decision))
      // One that fails costs its record.
      if (answer instanceof Promise)
        waiting = both(
          waiting,
          answer.catch(() => true),
        )
    }
    return waiting?.then((mayGoOn) => {
      const refused = { decision: 'deny', reason: 'audit-unavailable', status: 503 } as const
      const at = this.#clock.now()
      if (!mayGoOn) this.#keep({ kind: 'decision', at, ...decision, ...refused })
      return mayGoOn
    })
  }

  /** To be called for whatever the traffic plane tells, as it tells it: its refusals are decisions. */
  heard(draft: AnalysisMsgDraft): void {
    // What could not be recorded was a decision before: whoever keeps it knows what became of it.
    const isNews = draft.kind === 'connection-refused' && draft.code !== 'audit-unavailable'
    if (isNews) void this.decided(decisionOf(draft))
  }

  ended(outcome: Outcome): void {
    this.#keep({ kind: 'outcome', at: this.#clock.now(), ...outcome })
    for (const sink of this.#sinks) safely(() => sink.ended?.(outcome))
  }

  /** To be called for every message, once analysis has seen it. */
  readonly saw = (msg: AnalysisMsg): void => {
    this.#outcomes.add(msg)
    if (!this.#outcomes.isWaiting || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#outcomes.settle()
    }, settleMs)
    this.#timer.unref()
  }

  drain(): DrainedAudit {
    this.#forgetOldest()
    const drained = { entries: this.#kept, dropped: this.#dropped }
    this.#kept = []
    this.#dropped = 0
    return drained
  }

  /** After the last message. */
  close(): void {
    clearTimeout(this.#timer)
    this.#outcomes.settle()
  }

  #masked(decision: Decision): Decision {
    const values = this.#values
    if (values === undefined || values.isEmpty) return decision
    const { agent, host, method, path, rule } = decision
    const mask = (text: string | undefined): string | undefined =>
      text === undefined ? undefined : maskValuesIn(text, values)
    return {
      ...decision,
      agent: mask(agent),
      host: mask(host),
      method: mask(method),
      path: mask(path),
      rule: mask(rule),
    }
  }

  #keep(entry: AuditEntry): void {
    this.#kept.push(entry)
    if (this.#kept.length >= 2 * mostKept) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const tooMany = this.#kept.length - mostKept
    if (tooMany <= 0) return
    this.#kept = this.#kept.slice(tooMany)
    this.#dropped += tooMany
  }
}

function decisionOf(refused: Omit<MsgOf<'connection-refused'>, 'v' | 'seq' | 'at'>): Decision {
  const { connectionId = '', exchangeId, agent, host, port, method, path, rule, status } = refused
  return {
    connectionId,
    exchangeId,
    agent,
    subject: method === undefined ? 'connect' : 'request',
    host,
    port,
    method,
    path,
    decision: 'deny',
    reason: refused.code ?? refused.reason,
    rule,
    status,
  }
}

/** A sink is anybody's code: its fault must not become one of the traffic. */
function safely<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

async function both(
  first: Promise<boolean> | undefined,
  second: Promise<boolean>,
): Promise<boolean> {
  const [left, right] = await Promise.all([first ?? true, second])
  return left && right
}
