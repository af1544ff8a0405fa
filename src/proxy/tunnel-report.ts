/** What one tunnel tells the observation plane: that it opened and why, how it ended, how many bytes. */
import type { MsgOf } from '../messages/schema.ts'
import type { Authority } from '../policy/authority.ts'
import type { ExchangeInput, ExchangeResult } from './exchange-input.ts'
import type { Reporter } from './exchange-report.ts'

/** What is told of one tunnel. */
export interface TunnelReport {
  readonly bytes: { up: number; down: number }
  opened(): void
  closed(error: string | undefined, code?: string): void
}

interface TunnelIds {
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string
}

export function reportTunnel(
  reporter: Pick<Reporter, 'clock' | 'publish'>,
  ids: TunnelIds,
  { host, port }: Authority,
  reason: MsgOf<'tunnel-opened'>['reason'],
): TunnelReport {
  const startedMs = reporter.clock.monotonicMs()
  const bytes = { up: 0, down: 0 }
  return {
    bytes,
    opened: () => reporter.publish({ kind: 'tunnel-opened', ...ids, host, port, reason }),
    closed: (error, code) =>
      reporter.publish({
        kind: 'tunnel-closed',
        ...ids,
        host,
        port,
        bytesUp: bytes.up,
        bytesDown: bytes.down,
        durationMs: Math.round(reporter.clock.monotonicMs() - startedMs),
        ...(error === undefined ? {} : { error }),
        ...(code === undefined ? {} : { code }),
      }),
  }
}

/**
 * Plain HTTP to a host that is not on the allowlist shows as what it is: bytes that pass unread.
 * Returns what tells of its end.
 */
export function reportUnread(
  reporter: Pick<Reporter, 'clock' | 'publish'>,
  { connectionId, exchangeId, agent, destination }: ExchangeInput,
): (end: ExchangeResult) => void {
  const ids = { connectionId, exchangeId, ...(agent === undefined ? {} : { agent }) }
  const report = reportTunnel(reporter, ids, destination.authority, 'not-allowlisted')
  report.opened()
  return ({ requestBytes, responseBytes, problem, code }) => {
    report.bytes.up = requestBytes
    report.bytes.down = responseBytes
    report.closed(problem, code)
  }
}
