/**
 * Blind tunnels: bytes both ways, unchanged and unread, with backpressure. A half-close is passed
 * on as a half-close, a reset ends both sides.
 */
import type { Duplex } from 'node:stream'

export interface TunnelCounters {
  onUp(bytes: number): void
  onDown(bytes: number): void
}

/** Resolves when both sides have closed, with the error that ended it, if one did. */
export function joinSockets(
  client: Duplex,
  upstream: Duplex,
  counters: TunnelCounters,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let open = 2
    let failure: Error | undefined
    const watch = (side: Duplex, other: Duplex): void => {
      side.on('error', (error: Error) => {
        failure ??= error
        other.destroy()
      })
      side.on('close', () => {
        // A side that closed without having ended (a reset) must not leave the other half open.
        if (!side.readableEnded || !side.writableFinished) other.destroy()
        open -= 1
        if (open === 0) resolve(failure)
      })
    }
    watch(client, upstream)
    watch(upstream, client)
    client.on('data', (chunk: Buffer) => counters.onUp(chunk.byteLength))
    upstream.on('data', (chunk: Buffer) => counters.onDown(chunk.byteLength))
    // `pipe` ends the sink when its source ends, which on these sockets is a half-close.
    client.pipe(upstream)
    upstream.pipe(client)
    if (client.destroyed) upstream.destroy()
    if (upstream.destroyed) client.destroy()
  })
}
