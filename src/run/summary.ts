/**
 * What a run came to: calls, tokens and cost for each model, and what was not seen. A pure reducer
 * over messages, bounded in memory.
 */
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import type { ModelTotals } from './call-totals.ts'
import { CallTotals } from './call-totals.ts'
import type { ConversationSummary } from './conversation-totals.ts'
import { ConversationTotals } from './conversation-totals.ts'
import { EchoCounter } from './echo-counter.ts'
import type { EchoTotals } from './echo-counter.ts'
import { totalsRow } from './totals-row.ts'

export interface TunnelTotals {
  /** `host`, or `host:port` where that is not 443. */
  readonly host: string
  connections: number
  /** Of `connections`, those that never got a byte from the upstream, for an error. */
  failed: number
  bytesUp: number
  bytesDown: number
}

export interface RefusalTotals {
  /** The host, or the rule that refused a request; empty if neither is known. */
  readonly target: string
  readonly reason: string
  count: number
}

export interface TlsFailureTotals {
  readonly host: string
  readonly side: 'client' | 'upstream'
  readonly code: string
  readonly hint: string
  count: number
}

export interface RunSummary {
  readonly calls: number
  readonly failed: number
  readonly costUsd: number
  readonly hasEstimatedCost: boolean
  readonly callsOfUnknownCost: number
  /** In the order of their first call. */
  readonly models: ReadonlyArray<Readonly<ModelTotals>>
  readonly conversations: ConversationSummary
  /** Most bytes first. */
  readonly tunnels: ReadonlyArray<Readonly<TunnelTotals>>
  readonly refusals: ReadonlyArray<Readonly<RefusalTotals>>
  readonly tlsFailures: ReadonlyArray<Readonly<TlsFailureTotals>>
  /** Credentials that were put into requests and came back, by host. */
  readonly echoes: ReadonlyArray<Readonly<EchoTotals>>
  /** Stored secrets whose values stood in messages, which were masked. */
  readonly withheldSecrets: number
  readonly analyzerFailures: number
  readonly droppedMessages: number
  readonly droppedBytes: number
}

export interface SummaryCollector {
  add(msg: AnalysisMsg): void
  /** May be called at any time; calls without an answer so far count as failed. */
  summarize(): RunSummary
}

/** Names of secrets that are told apart. */
const mostWithheld = 10_000

interface State {
  readonly calls: CallTotals
  readonly conversations: ConversationTotals
  readonly tunnels: Map<string, TunnelTotals>
  readonly refusals: Map<string, RefusalTotals>
  readonly tlsFailures: Map<string, TlsFailureTotals>
  readonly echoes: EchoCounter
  readonly withheld: Set<string>
  readonly health: { analyzerFailures: number; droppedMessages: number; droppedBytes: number }
}

export function createSummary(): SummaryCollector {
  const state: State = {
    calls: new CallTotals(),
    conversations: new ConversationTotals(),
    tunnels: new Map(),
    refusals: new Map(),
    tlsFailures: new Map(),
    echoes: new EchoCounter(),
    withheld: new Set(),
    health: { analyzerFailures: 0, droppedMessages: 0, droppedBytes: 0 },
  }
  return {
    add: (msg) => addMessage(state, msg),
    summarize: () => summarize(state),
  }
}

function addMessage(state: State, msg: AnalysisMsg): void {
  state.echoes.add(msg)
  switch (msg.kind) {
    case 'model-called':
      state.calls.addCall(msg)
      break
    case 'model-answered':
      state.calls.addAnswer(msg)
      break
    case 'call-linked':
      if (!state.calls.isRefused(msg.exchangeId)) state.conversations.add(msg)
      break
    case 'exchange-failed':
      if (msg.phase === 'request' || msg.phase === 'connect') state.calls.addUnsent(msg.exchangeId)
      break
    case 'request-refused':
      state.calls.addRefused(msg.exchangeId)
      addRefusal(state, msg.rule ?? '', msg.reason)
      break
    case 'connection-refused':
      addRefusal(state, authority(msg.host ?? '', msg.port ?? 443), refusedFor(msg))
      break
    case 'tunnel-opened':
      tunnelRow(state, msg).connections += 1
      break
    case 'tunnel-closed':
      addTunnelBytes(state, msg)
      break
    case 'tls-failed':
      addTlsFailure(state, msg)
      break
    default:
      addHealth(state, msg)
  }
}

function addHealth({ health, withheld }: State, msg: AnalysisMsg): void {
  if (msg.kind === 'secret-withheld' && withheld.size < mostWithheld) withheld.add(msg.secretId)
  if (msg.kind === 'analyzer-failed') health.analyzerFailures += 1
  if (msg.kind !== 'messages-dropped') return
  health.droppedMessages += msg.count
  health.droppedBytes += msg.bytes
}

function summarize(state: State): RunSummary {
  const rows = state.calls.totals()
  const sum = (of: (totals: ModelTotals) => number): number =>
    rows.reduce((total, totals) => total + of(totals), 0)
  return {
    calls: sum((totals) => totals.calls),
    failed: sum((totals) => totals.failed),
    costUsd: sum((totals) => totals.costUsd),
    hasEstimatedCost: rows.some((totals) => totals.hasEstimatedCost),
    callsOfUnknownCost: sum((totals) => totals.callsOfUnknownCost),
    models: rows,
    conversations: state.conversations.summarize(),
    tunnels: structuredClone([...state.tunnels.values()]).sort((a, b) => bytesOf(b) - bytesOf(a)),
    echoes: state.echoes.totals(),
    withheldSecrets: state.withheld.size,
    refusals: structuredClone([...state.refusals.values()]),
    tlsFailures: structuredClone([...state.tlsFailures.values()]),
    ...state.health,
  }
}

function refusedFor({ rule, code, reason }: MsgOf<'connection-refused'>): string {
  return rule === undefined ? (code ?? reason) : `rule ${rule}`
}

function addRefusal({ refusals }: State, target: string, reason: string): void {
  totalsRow(refusals, [target, reason], (isOverflow) => ({
    target: isOverflow ? 'others' : target,
    reason: isOverflow ? 'several reasons' : reason,
    count: 0,
  })).count += 1
}

function addTlsFailure({ tlsFailures }: State, msg: MsgOf<'tls-failed'>): void {
  const { side, code, hint } = msg
  totalsRow(tlsFailures, [msg.host, side, code], (isOverflow) => ({
    host: isOverflow ? 'others' : msg.host,
    side,
    code,
    hint,
    count: 0,
  })).count += 1
}

function addTunnelBytes(state: State, msg: MsgOf<'tunnel-closed'>): void {
  const totals = tunnelRow(state, msg)
  totals.bytesUp += msg.bytesUp
  totals.bytesDown += msg.bytesDown
  if (msg.error !== undefined && msg.bytesDown === 0) totals.failed += 1
}

function tunnelRow(
  { tunnels }: State,
  msg: { readonly host: string; readonly port: number },
): TunnelTotals {
  const host = authority(msg.host, msg.port)
  return totalsRow(tunnels, [host], (isOverflow) => ({
    host: isOverflow ? 'others' : host,
    connections: 0,
    failed: 0,
    bytesUp: 0,
    bytesDown: 0,
  }))
}

function authority(host: string, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === 443 || host === '' ? name : `${name}:${port}`
}

function bytesOf(tunnel: TunnelTotals): number {
  return tunnel.bytesUp + tunnel.bytesDown
}
