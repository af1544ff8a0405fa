/** What a line of a capture is, told by its first bytes: most need not be parsed to be passed over. */
import type { ScannedLine } from './scan-lines.ts'

/** What the head of a line takes, up to its kind and its exchange. */
const headBytes = 512
const head =
  /^\{(?:"v":1,|"(?:seq|at)":\d+,|"(?:connectionId|exchangeId|agent|by)":"[^"\\]*",)*"kind":"([a-z-]+)"/u
const exchangeIn = /"exchangeId":"([^"\\]*)"/u

export interface LineHead {
  /** Undefined where a line has another form than Porthole writes: it must be parsed to know. */
  readonly kind: string | undefined
  /** The first that is named in the head; its message may still be another one's. */
  readonly exchangeId: string | undefined
}

export function headOf({ split }: ScannedLine): LineHead {
  if (!split.ok) return { kind: undefined, exchangeId: undefined }
  const text = split.bytes.toString('latin1', 0, headBytes)
  return { kind: head.exec(text)?.[1], exchangeId: exchangeIn.exec(text)?.[1] }
}

/** Bytes of bodies, and what is made of them: most of every capture. */
export const bodyKinds: ReadonlySet<string> = new Set([
  'request-body',
  'response-body',
  'websocket-message',
  'http-parsed',
  'sse-event',
  'stream-merged',
])
