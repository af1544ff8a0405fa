/** The relay of a tunnel that is open: joined sockets, counted, and closed when nothing moves. */
import type { Socket } from 'node:net'

import type { Deadlines } from './deadlines.ts'
import { describeTunnelFailure, joinSockets } from './tunnel.ts'

/**
 * Joins both sockets and counts into `bytes`. Resolves with why it ended, in one line; undefined where it ended in order.
 */
export async function relayTunnel(
  deadlines: Deadlines,
  socket: Socket,
  upstream: Socket,
  bytes: { up: number; down: number },
): Promise<string | undefined> {
  let unused: string | undefined
  const stopWatching = deadlines.watch({
    state: () => ({
      phase: 'relay',
      bytesUp: bytes.up,
      bytesDown: bytes.down,
      signs: 0,
      isHeldBack: false,
    }),
    expired: ({ message }) => {
      unused = message
      socket.destroy()
      upstream.destroy()
    },
  })
  const failure = await joinSockets(socket, upstream, {
    onUp: (count) => {
      bytes.up += count
    },
    onDown: (count) => {
      bytes.down += count
    },
  })
  stopWatching()
  return unused ?? (failure === undefined ? undefined : describeTunnelFailure(failure))
}
