/**
 * A switched connection (RFC 9110 §7.8): the upstream's own 101 is relayed, then bytes both ways,
 * unread, with backpressure and half-close as for a tunnel. The client sees no 101 before the
 * upstream's.
 */
import type { Duplex } from 'node:stream'

import type { UpstreamUpgrade } from './http-messages.ts'
import { joinSockets } from './tunnel.ts'

export async function relayUpgrade(
  client: { readonly socket: Duplex; readonly head: Buffer },
  upstream: UpstreamUpgrade,
  onBytes: (direction: 'request' | 'response', bytes: number) => void,
): Promise<void> {
  const lines = upstream.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  client.socket.write(Buffer.from(`HTTP/1.1 101 ${upstream.statusText}\r\n${lines}\r\n`, 'latin1'))
  if (client.head.length > 0) client.socket.unshift(client.head)
  if (upstream.head.length > 0) upstream.socket.unshift(upstream.head)
  await joinSockets(client.socket, upstream.socket, {
    onUp: (bytes) => onBytes('request', bytes),
    onDown: (bytes) => onBytes('response', bytes),
  })
}
