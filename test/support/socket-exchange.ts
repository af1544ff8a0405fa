/** The messages of one WebSocket exchange, as the proxy reports them: upgrade, frames, end. */
import type { AnalysisMsg, AnalysisMsgDraft } from '../../src/messages/schema.ts'

/** What one side said: an object as JSON text, or a frame that could not be kept. */
export interface Said {
  readonly by: 'client' | 'server'
  readonly data: object | 'truncated'
  /** Its JSON comes in a binary message. */
  readonly isBinary?: boolean
  /** A close in place of a message, with its reason. */
  readonly closeCode?: number
}

export interface SocketSpec {
  readonly exchangeId?: string
  readonly url: string
  readonly said: readonly Said[]
  /** Milliseconds between messages; default 10. */
  readonly stepMs?: number
  /** The socket breaks in place of closing. */
  readonly isBroken?: boolean
}

export const client = (data: Said['data']): Said => ({ by: 'client', data })
export const server = (data: Said['data']): Said => ({ by: 'server', data })
export const binary = (said: Said): Said => ({ ...said, isBinary: true })
/** The server closes, and says why. */
export const closes = (closeCode: number, reason: string): Said => ({
  by: 'server',
  data: { reason },
  closeCode,
})

export function socketMessages(spec: SocketSpec): AnalysisMsg[] {
  const { url, said, stepMs = 10, isBroken = false, exchangeId = 'w1' } = spec
  const drafts: AnalysisMsgDraft[] = [
    {
      kind: 'request-started',
      method: 'GET',
      url,
      httpVersion: '1.1',
      headers: [['Upgrade', 'websocket']],
      host: new URL(url).host,
    },
    { kind: 'response-started', status: 101, headers: [['Upgrade', 'websocket']], ttfbMs: 1 },
    ...said.map(frameOf),
    isBroken
      ? {
          kind: 'exchange-failed',
          by: 'upstream',
          phase: 'response',
          code: 'ECONNRESET',
          durationMs: 9,
        }
      : {
          kind: 'exchange-completed',
          status: 101,
          requestBytes: 1,
          responseBytes: 1,
          durationMs: 9,
        },
  ]
  return drafts.map((draft, seq): AnalysisMsg => {
    const at = 1_700_000_000_000 + seq * stepMs
    return Object.assign({ v: 1 as const, seq, at, exchangeId }, draft)
  })
}

function frameOf({ by, data, isBinary = false, closeCode }: Said): AnalysisMsgDraft {
  const direction = by === 'client' ? 'request' : 'response'
  if (data === 'truncated') {
    return { kind: 'websocket-message', direction, opcode: 1, bytes: 99, truncated: true }
  }
  if (closeCode !== undefined) {
    const closeReason = 'reason' in data ? String(data.reason) : ''
    return { kind: 'websocket-message', direction, opcode: 8, closeCode, closeReason }
  }
  const text = JSON.stringify(data)
  if (!isBinary) return { kind: 'websocket-message', direction, opcode: 1, text }
  const base64 = Buffer.from(text).toString('base64')
  return { kind: 'websocket-message', direction, opcode: 2, base64 }
}
