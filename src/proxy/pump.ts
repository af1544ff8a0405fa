/**
 * Moves bytes from one stream to another: written first, observed second, and never faster than the
 * slower side takes them. It ends the sink only with the last byte of a body whose length is known:
 * after any other the caller may have trailers to add.
 */
import type { Readable, Writable } from 'node:stream'

export type PumpOutcome =
  | { readonly ended: true }
  | { readonly ended: false; readonly side: 'source' | 'sink'; readonly error: Error }

interface PumpOptions {
  /** What is to come, in bytes, where that is known. */
  readonly length?: number | undefined
  /** Called at the end of the loop's turn, if no byte has come by then to go out with the head. */
  readonly flushHead?: () => void
}

/**
 * Resolves once, when all was handed to the sink, or one side broke. All is what comes before the
 * source ends, or its first `length` bytes: a source of known length has nothing after them.
 */
export function pump(
  source: Readable,
  sink: Writable,
  onChunk: (chunk: Buffer) => void,
  { length = Infinity, flushHead }: PumpOptions = {},
): Promise<PumpOutcome> {
  return new Promise((resolve) => {
    let left = length
    let headWaits = flushHead !== undefined && source.readableLength === 0
    const onData = (chunk: Buffer): void => {
      headWaits = false
      left -= chunk.byteLength
      if (left === 0) {
        // An end that came by itself would cost node a write of its own, of no bytes.
        sink.end(chunk)
        onChunk(chunk)
        settle({ ended: true })
        return
      }
      const hasRoom = sink.write(chunk)
      onChunk(chunk)
      if (!hasRoom) source.pause()
    }
    const onDrain = (): void => {
      source.resume()
    }
    const settle = (outcome: PumpOutcome): void => {
      headWaits = false
      source
        .off('data', onData)
        .off('end', onEnd)
        .off('error', onSourceError)
        .off('close', onSourceClose)
      sink.off('drain', onDrain).off('error', onSinkError).off('close', onSinkClose)
      resolve(outcome)
    }
    const onEnd = (): void => settle({ ended: true })
    const fail =
      (side: 'source' | 'sink') =>
      (error?: Error): void =>
        settle({ ended: false, side, error: error ?? new Error(`${side} closed early`) })
    const onSourceError = fail('source')
    const onSourceClose = (): void => fail('source')()
    const onSinkError = fail('sink')
    const onSinkClose = (): void => fail('sink')()

    if (source.readableEnded) return onEnd()
    if (source.destroyed) return onSourceClose()
    if (sink.destroyed) return onSinkClose()
    source.on('data', onData).on('end', onEnd).on('error', onSourceError).on('close', onSourceClose)
    sink.on('drain', onDrain).on('error', onSinkError).on('close', onSinkClose)
    if (headWaits) setImmediate(() => headWaits && flushHead?.())
    // A stream that was paused by hand does not start flowing for a listener alone.
    source.resume()
  })
}
