/**
 * Writes to a descriptor from Node's thread pool, one piece after the other. For a standard output
 * that a child shares: for the child Node makes it blocking, and a stream of ours would then hold
 * up the whole process for as long as nobody reads. Here a thread waits, and the traffic does not.
 */
import { write } from 'node:fs'

import { errorCodeOf } from '../base/errors.ts'

export interface PooledOutput {
  /** False once a write has failed: the reader has gone. */
  readonly writable: boolean
  /** Bytes that wait, those at the thread included. */
  readonly writableLength: number
  write(text: string): boolean
}

/** Before a child makes it blocking, a full pipe says so instead: asked again after so long, in ms. */
const retryMs = 20

export function createPooledOutput(fd: number): PooledOutput {
  const waiting: Buffer[] = []
  let length = 0
  let isWriting = false
  let isOpen = true

  const next = (): void => {
    const piece = waiting[0]
    if (piece === undefined || !isOpen) {
      isWriting = false
      return
    }
    isWriting = true
    write(fd, piece, (error, written) => {
      if (error !== null && errorCodeOf(error) === 'EAGAIN') {
        setTimeout(next, retryMs)
        return
      }
      if (error !== null) {
        isOpen = false
        waiting.length = 0
        length = 0
      } else {
        length -= written
        if (written < piece.length) waiting[0] = piece.subarray(written)
        else waiting.shift()
      }
      next()
    })
  }

  return {
    get writable() {
      return isOpen
    },
    get writableLength() {
      return length
    },
    write(text) {
      const bytes = Buffer.from(text)
      waiting.push(bytes)
      length += bytes.length
      if (!isWriting) next()
      return false
    },
  }
}
