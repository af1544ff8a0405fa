/**
 * Lines for a standard output whose reader may be slow, or gone: beyond a bound whole lines are
 * dropped and counted, never waited for, so that traffic goes on whatever becomes of the reader.
 */
import type { Writable } from 'node:stream'

export interface LostLines {
  readonly count: number
  readonly bytes: number
}

export interface BoundedOutput {
  /** Writes one line, its end included. `tellLost` words what was lost before it, as a line. */
  write(line: string, tellLost: (lost: LostLines) => string): void
}

/** `queueBytes` is what may wait for the reader. */
export function createBoundedOutput(
  output: Pick<Writable, 'writable' | 'writableLength'> & { write(line: string): boolean },
  queueBytes: number,
): BoundedOutput {
  let lost: LostLines = { count: 0, bytes: 0 }
  return {
    write(line, tellLost) {
      if (!output.writable || output.writableLength > queueBytes) {
        lost = { count: lost.count + 1, bytes: lost.bytes + line.length }
        return
      }
      if (lost.count > 0) output.write(tellLost(lost))
      lost = { count: 0, bytes: 0 }
      output.write(line)
    },
  }
}
