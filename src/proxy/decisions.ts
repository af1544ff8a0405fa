/**
 * What the traffic plane tells the audit by itself: of what is let through, and of what is refused
 * without a message. Refusals that are messages (`connection-refused`) are decisions as they stand,
 * for whoever puts both together. Exactly one decision is told of each request, of each tunnel and
 * of each connection that was refused; of an intercepted CONNECT its requests tell, or one decision
 * where none came.
 */
import type { Duplex } from 'node:stream'

import type { Refusal } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import type { Decision, DecisionLog } from '../policy/decision-log.ts'
import type { ProxyAnswer } from './client-response.ts'
import type { ClientConnection, ConnectionRegistry } from './connections.ts'
import type { ExchangeInput, ExchangeServices } from './exchange-input.ts'
import { shownPath } from './exchange-report.ts'
import type { ExchangeReport } from './exchange-report.ts'
import type { PreparedRequest } from './outgoing-request.ts'

/** Where what was decided must be recorded and cannot be, it is not done. */
export const unrecordedAnswer = {
  status: 503,
  code: 'audit-unavailable',
  message: 'this proxy lets nothing through that it cannot record, and its audit cannot be written',
} as const satisfies ProxyAnswer

const unrecordedRefusal: Refusal = {
  status: unrecordedAnswer.status,
  reason: unrecordedAnswer.code,
  message: unrecordedAnswer.message,
}

type Told = Pick<Decision, 'decision' | 'reason'> & Partial<Omit<Decision, 'connectionId'>>

/** Of a connection; false where it must not go on. */
export function tellOfConnection(
  decisions: DecisionLog | undefined,
  connection: Pick<ClientConnection, 'id' | 'agent'>,
  authority: Authority | undefined,
  told: Told,
): true | Promise<boolean> {
  const answer = decisions?.decided({
    connectionId: connection.id,
    agent: connection.agent,
    subject: 'connect',
    host: authority?.host,
    port: authority?.port,
    ...told,
  })
  return answer ?? true
}

/** Of a request that a module answers itself. */
export const takenByModule = { decision: 'allow', reason: 'module' } as const

/** Tells of a request that was judged, before anything follows; the refusal, where there is one. */
export async function decideRequest(
  { decisions, isObserved }: Pick<ExchangeServices, 'decisions' | 'isObserved'>,
  input: ExchangeInput,
  judged: PreparedRequest,
  failure?: ExchangeReport['failure'],
): Promise<Refusal | undefined> {
  if (judged === 'gone') {
    const { code: reason = 'client-aborted', status } = failure ?? {}
    void tellOfRequest(decisions, input, { decision: 'deny', reason, status })
    return undefined
  }
  if ('refusal' in judged) {
    const { status, reason, rule } = judged.refusal
    void tellOfRequest(decisions, input, { decision: 'deny', reason, rule, status })
    return judged.refusal
  }
  const { rule } = judged
  const told = !isObserved
    ? ({ decision: 'tunnel', reason: 'not-allowlisted' } as const)
    : ({ decision: 'allow', reason: rule === undefined ? 'allowlisted' : 'rule', rule } as const)
  const recorded = tellOfRequest(decisions, input, told)
  // Without an audit, nothing waits.
  return recorded === true || (await recorded) ? undefined : unrecordedRefusal
}

/** Of a request that may be forwarded; false where it must not. */
export function tellOfRequest(
  decisions: DecisionLog | undefined,
  input: ExchangeInput,
  told: Told,
): true | Promise<boolean> {
  const { connectionId, exchangeId, agent, destination } = input
  const { method, path } = input.hooks?.sent ?? input
  const { host, port } = destination.authority
  const answer = decisions?.decided({
    connectionId,
    exchangeId,
    agent,
    subject: 'request',
    host,
    port,
    method,
    path: shownPath(path, input.concealed),
    ...told,
  })
  return answer ?? true
}

/**
 * Of what never became a request of anybody's: the HTTP parser refused it, or we did, and nothing
 * else is told of it.
 */
export function tellOfUnread(
  services: {
    readonly decisions?: DecisionLog | undefined
    readonly registry: Pick<ConnectionRegistry, 'innerOf' | 'outerOf' | 'markSpoken'>
  },
  socket: Duplex,
  { code, status }: Pick<ProxyAnswer, 'code'> & { readonly status?: number },
  method?: string,
): void {
  const { decisions, registry } = services
  const inner = registry.innerOf(socket)
  const connection = inner?.connection ?? registry.outerOf(socket)
  if (connection === undefined) return
  if (inner !== undefined) registry.markSpoken(inner)
  const told = { subject: 'request', decision: 'deny', reason: code, status, method } as const
  void tellOfConnection(decisions, connection, inner?.authority, told)
}
