/**
 * Asks the inline analyzers about what is going to pass as a whole, before anything is dialled: a
 * CONNECT, or a plain request that nobody reads; and tells of a refusal.
 */
import type { Analyzer, OutgoingConnection, Refusal } from '../pipeline/analyzer.ts'
import type { Authority } from '../policy/authority.ts'
import { idsOf } from './connections.ts'
import type { ClientConnection } from './connections.ts'
import type { Reporter } from './exchange-report.ts'
import { judgeConnection } from './judge.ts'

interface AdmissionServices {
  readonly reporter: Pick<Reporter, 'publish'>
  readonly analyzers: readonly Analyzer[]
}

/** Undefined where it may pass; a refusal has been told of, and is the caller's to answer. */
export function refusalFor(
  { reporter, analyzers }: AdmissionServices,
  connection: ClientConnection,
  { host, port }: Authority,
  what: Pick<OutgoingConnection, 'fate' | 'request'>,
): Refusal | undefined {
  const ids = idsOf(connection)
  const refusal = judgeConnection(analyzers, {
    ...ids,
    host,
    port,
    ...what,
    emit: (draft) => reporter.publish({ ...ids, ...draft }),
  })
  if (refusal === undefined) return undefined
  const { status, message, rule } = refusal
  reporter.publish({
    kind: 'connection-refused',
    ...ids,
    host,
    port,
    status,
    reason: 'rule',
    message,
    ...(rule === undefined ? {} : { rule }),
  })
  return refusal
}
