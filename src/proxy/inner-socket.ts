/**
 * How Node's HTTP server is made to read a decrypted connection: by its `data` events. Left alone it
 * reads the TLS handle natively, and then pausing, as it does while an earlier answer still waits
 * for its client, comes too late for records that were decrypted together: its parser fails with
 * `HPE_PAUSED`, and a request that is in order would be answered 400.
 */
import type { TLSSocket } from 'node:tls'

function nobody(): void {}

/** To be called right after the server has been given the socket. */
export function readByEvents(socket: TLSSocket): void {
  // A listener is what makes the server let go of the handle; its own stays.
  socket.on('data', nobody)
  socket.off('data', nobody)
}
