/**
 * Entries of the audit as they are stored and hashed: JSON with its fields in one order, versioned,
 * every text bounded. No entry holds a value of a secret or a token: those who make them are handed
 * none.
 */
import { hash, randomBytes } from 'node:crypto'

import type { Decision, Outcome } from '../policy/decision-log.ts'

/** Version of the form of an entry, in each as `v`. */
export const entryVersion = 1

/** The process that wrote an entry. */
export interface AuditSession {
  readonly pid: number
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** What the command line, or the proxy itself, did to what decides. */
export interface Act {
  /** Name of the user as the operating system has it. */
  readonly user: string
  /** `secrets add`, `agents revoke`, `audit prune`, … */
  readonly action: string
  /** What it was done to. */
  readonly target?: string | undefined
  /** Never a value of a secret. */
  readonly details?: ActDetails | undefined
}

export type ActDetails = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>

/** Characters of one text that an entry keeps, and of a path: it is the client's. */
const mostText = 256
const mostPath = 2048

/** `at`: epoch milliseconds. */
export function encodeDecision(decision: Decision, at: number, session: AuditSession): string {
  return JSON.stringify({
    v: entryVersion,
    kind: 'decision',
    at,
    pid: session.pid,
    startedAt: session.startedAt,
    connectionId: decision.connectionId,
    exchangeId: decision.exchangeId,
    agent: cut(decision.agent),
    subject: decision.subject,
    host: cut(decision.host),
    port: decision.port,
    method: cut(decision.method),
    path: cut(decision.path, mostPath),
    decision: decision.decision,
    reason: cut(decision.reason),
    rule: cut(decision.rule),
    status: decision.status,
  })
}

export function encodeOutcome(outcome: Outcome, at: number, session: AuditSession): string {
  return JSON.stringify({
    v: entryVersion,
    kind: 'outcome',
    at,
    pid: session.pid,
    startedAt: session.startedAt,
    of: outcome.exchangeId,
    status: outcome.status,
    bytesUp: outcome.bytesUp,
    bytesDown: outcome.bytesDown,
    durationMs: outcome.durationMs,
    inputTokens: outcome.inputTokens,
    outputTokens: outcome.outputTokens,
    usd: outcome.usd,
    models: someOf(outcome.models),
    secrets: someOf(outcome.secrets),
    tokensReplaced: outcome.tokensReplaced === 0 ? undefined : outcome.tokensReplaced,
    tokensStripped: outcome.tokensStripped === 0 ? undefined : outcome.tokensStripped,
    error: cut(outcome.error),
  })
}

/** `id`: what its outcome refers to. */
export function encodeAct(act: Act, id: string, at: number, session: AuditSession): string {
  return JSON.stringify({
    v: entryVersion,
    kind: 'act',
    at,
    pid: session.pid,
    startedAt: session.startedAt,
    id,
    user: cut(act.user),
    action: cut(act.action),
    target: cut(act.target),
    details: act.details === undefined ? undefined : detailsOf(act.details),
  })
}

export interface ActEnd {
  /** The code of an error; undefined where it was done. */
  readonly error?: string | undefined
  /** The hash of all that the vault then said, where the act was on it. */
  readonly vault?: string | undefined
}

/** How an act ended: done, or failed. */
export function encodeActOutcome(
  id: string,
  { error, vault }: ActEnd,
  at: number,
  session: AuditSession,
): string {
  return JSON.stringify({
    v: entryVersion,
    kind: 'outcome',
    at,
    pid: session.pid,
    startedAt: session.startedAt,
    of: id,
    error: cut(error),
    vault,
  })
}

/** What the outcome of an act refers to. */
export function newActId(): string {
  return `act_${randomBytes(9).toString('base64url')}`
}

/** The hash of entry `number`, whose form the first line names; a body has no line breaks. */
export function hashEntry(previous: string, number: number, body: string): string {
  return hash('sha256', `porthole-audit-${entryVersion}\n${previous}\n${number}\n${body}`)
}

function cut(text: string | undefined, most = mostText): string | undefined {
  return text === undefined || text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

/** Models and secrets of one exchange that an entry names. */
const mostNames = 16

function someOf(names: readonly string[]): string[] | undefined {
  return names.length === 0 ? undefined : names.slice(0, mostNames).map((name) => cut(name) ?? '')
}

function detailsOf(details: ActDetails): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => {
      if (typeof value === 'string') return [key, cut(value)]
      return [key, Array.isArray(value) ? value.map((item: string) => cut(item)) : value]
    }),
  )
}
