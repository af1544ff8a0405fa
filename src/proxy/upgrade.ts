/**
 * A switched connection (RFC 9110 §7.8): the upstream's own 101 is relayed, then bytes both ways,
 * unchanged unless an analyzer transforms what the client says, with backpressure and half-close as for a tunnel. The client sees no 101 before the
 * upstream's. Close frames are bytes like any other: each side hears those of its peer.
 */
import type { Duplex } from 'node:stream'

import { errorCodeOf } from '../base/errors.ts'
import type { UpstreamUpgrade } from './http-messages.ts'
import { joinSockets } from './tunnel.ts'

export type UpgradeEnd =
  | { readonly ok: true }
  /** One side was cut off before either had ended. */
  | { readonly ok: false; readonly by: 'client' | 'upstream'; readonly code: string }

/**
 * Resolves when both sides have closed. `onChunk` is told of bytes after they were written, those of
 * the client as it sent them; `through` is what these go through on their way, where anything.
 */
export async function relayUpgrade(
  client: { readonly socket: Duplex; readonly head: Buffer; readonly reset: () => void },
  upstream: UpstreamUpgrade,
  onChunk: (direction: 'request' | 'response', chunk: Buffer) => void,
  through?: Duplex,
): Promise<UpgradeEnd> {
  const lines = upstream.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  client.socket.write(Buffer.from(`HTTP/1.1 101 ${upstream.statusText}\r\n${lines}\r\n`, 'latin1'))
  if (client.head.length > 0) client.socket.unshift(client.head)
  if (upstream.head.length > 0) upstream.socket.unshift(upstream.head)
  // An agent's sockets end themselves when their peer does; the client may still have things to say.
  upstream.socket.allowHalfOpen = true
  const end = watchEnd(client.socket, upstream.socket)
  const counters = { onUp: () => {}, onDown: () => {} }
  const closed = joinSockets(client.socket, upstream.socket, counters, client.reset, through)
  // Listening after the pipes do, so that the bytes have gone out.
  client.socket.on('data', (chunk: Buffer) => onChunk('request', chunk))
  upstream.socket.on('data', (chunk: Buffer) => onChunk('response', chunk))
  await closed
  return end()
}

/**
 * How it ended, by the side that went first. Once a side has ended in order, the conversation is
 * over: that the other one then closes with a reset (it left bytes unread) means nothing.
 */
function watchEnd(client: Duplex, upstream: Duplex): () => UpgradeEnd {
  let end: UpgradeEnd | undefined
  const watch = (by: 'client' | 'upstream', side: Duplex): void => {
    const onCut = (error?: Error): void => {
      const isOrderly = client.readableEnded || upstream.readableEnded
      end ??= isOrderly ? { ok: true } : { ok: false, by, code: errorCodeOf(error) ?? 'ECONNRESET' }
    }
    side.on('error', onCut).on('close', () => onCut())
  }
  watch('client', client)
  watch('upstream', upstream)
  return () => end ?? { ok: true }
}
