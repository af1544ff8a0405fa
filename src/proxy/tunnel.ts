/**
 * Blind tunnels: bytes both ways, unchanged and unread, with backpressure. A half-close is passed
 * on as a half-close, and a reset as a reset, so that what was cut never looks complete.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

import { errorCodeOf } from '../base/errors.ts'

export interface TunnelCounters {
  onUp(bytes: number): void
  onDown(bytes: number): void
}

/** The side that broke, and how. */
export interface TunnelFailure {
  readonly by: 'client' | 'upstream'
  readonly error: Error
}

/** Resolves when both sides have closed, with what ended it, if it did not end in order. */
export function joinSockets(
  client: Duplex,
  upstream: Duplex,
  counters: TunnelCounters,
  resetClient: () => void = () => resetSocket(client),
  /** What the client sends goes through it; it never fails. */
  through?: Duplex,
): Promise<TunnelFailure | undefined> {
  return new Promise((resolve) => {
    let open = 2
    let failure: TunnelFailure | undefined
    const watch = (by: TunnelFailure['by'], side: Duplex, other: Duplex): void => {
      const resetOther = by === 'upstream' ? resetClient : () => resetSocket(other)
      side.on('error', (error: Error) => {
        failure ??= { by, error }
        if (isReset(error)) resetOther()
        other.destroy()
      })
      side.on('close', () => {
        // A side that closed without having ended (a shutdown) must not leave the other half open.
        if (!side.readableEnded || !side.writableFinished) other.destroy()
        open -= 1
        if (open === 0) resolve(failure)
      })
    }
    watch('client', client, upstream)
    watch('upstream', upstream, client)
    client.on('data', (chunk: Buffer) => counters.onUp(chunk.byteLength))
    upstream.on('data', (chunk: Buffer) => counters.onDown(chunk.byteLength))
    // `pipe` ends the sink when its source ends, which on these sockets is a half-close.
    if (through === undefined) client.pipe(upstream)
    else client.pipe(through).pipe(upstream)
    upstream.pipe(client)
    if (client.destroyed) upstream.destroy()
    if (upstream.destroyed) client.destroy()
  })
}

/** Closes with a reset where that can be done: TLS has none, its socket below has. */
export function resetSocket(socket: Duplex): void {
  if (socket.destroyed) return
  if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  else socket.destroy()
}

/** A reset that came, or the pipe that it leaves broken. */
function isReset(error: Error): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(errorCodeOf(error) ?? '')
}

/** One line on what broke a tunnel. */
export function describeTunnelFailure({ by, error }: TunnelFailure): string {
  return isReset(error) ? `the ${by} reset the connection` : `${by}: ${error.message}`
}

/**
 * Aborts when the client leaves before its tunnel is there. Bytes that come early stay where they
 * are; a client that has sent some and then closed its side may still be waiting for the answer.
 */
export function watchForLeaving(socket: Socket): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const leave = (): void => controller.abort()
  const onReadable = (): void => {
    // Where nothing is there to be read, this asks whether there ever will be.
    if (socket.readableLength === 0) socket.read()
  }
  socket.on('readable', onReadable).once('end', leave).once('close', leave)
  if (socket.destroyed || socket.readableEnded) leave()
  return {
    signal: controller.signal,
    stop: () => socket.off('readable', onReadable).off('end', leave).off('close', leave),
  }
}
