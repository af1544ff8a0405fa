/**
 * Makes the next bytes for a capture file of the entries that wait, a bounded part at a time, and
 * remembers which of them are in the file. Refs must lead to blobs in the same file: when another
 * file follows, or it is not known what a file holds, everything counts as unknown again, and an
 * entry that had begun begins anew.
 */
import type { Clock } from '../base/clock.ts'
import type { CaptureEntry } from './capture-entry.ts'
import { KnownPieces } from './known-pieces.ts'
import type { LineGuard } from './line-guard.ts'

/** A string is one line, with its newline. */
export type Entry = string | CaptureEntry

export interface Batch {
  readonly bytes: Buffer
  /** For each entry that is whole in here, where it ends. */
  readonly entryEnds: readonly number[]
  /** The next line does not fit: the file is to be rotated once `bytes` are in it. */
  readonly needsFile: boolean
}

/** Bytes of a batch, and of the entries that are taken from the queue for one. */
const batchBytes = 1024 * 1024
/** Time that encoding may take before the event loop is let go, in milliseconds. */
const encodingMs = 2

export class BatchEncoder {
  readonly #clock: Clock
  readonly #guard: LineGuard | undefined
  readonly #known = new KnownPieces()
  #entries: Entry[] = []
  #waitingBytes = 0
  /** Of the first entry, where a batch ended within it. */
  #begun: Iterator<string, void, undefined> | undefined

  /** `guard` looks at every line. */
  constructor(clock: Clock, guard?: LineGuard) {
    this.#clock = clock
    this.#guard = guard
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** Fills up from `next`, which gives undefined when it has no more. */
  refill(next: () => Entry | undefined): void {
    while (this.#waitingBytes < batchBytes) {
      const entry = next()
      if (entry === undefined) return
      this.#entries.push(entry)
      this.#waitingBytes += bytesOf(entry)
    }
  }

  /**
   * The next part, for a file with `roomBytes` left; empty where the time was up first. The first
   * entry of a file (`isFirst`) is taken whatever its size.
   */
  encode(roomBytes: number, isFirst: boolean): Batch {
    const untilMs = this.#clock.monotonicMs() + encodingMs
    const parts: string[] = []
    const entryEnds: number[] = []
    let size = 0
    while (entryEnds.length < this.#entries.length && size < batchBytes) {
      this.#begun ??= this.#open(entryEnds.length)
      const step = this.#begun.next()
      if (step.done === true) {
        entryEnds.push(size)
        this.#begun = undefined
        continue
      }
      const lines = this.#guard?.cleaned(step.value) ?? step.value
      const length = Buffer.byteLength(lines)
      const isAlone = isFirst && entryEnds.length === 0
      if (size + length > roomBytes && !isAlone) {
        this.restart()
        const whole = entryEnds.at(-1) ?? 0
        const bytes = Buffer.from(parts.join('')).subarray(0, whole)
        return { bytes, entryEnds, needsFile: true }
      }
      parts.push(lines)
      size += length
      const isEncoded = typeof this.#entries[entryEnds.length] === 'string'
      if (!isEncoded && this.#clock.monotonicMs() > untilMs) break
    }
    return { bytes: Buffer.from(parts.join('')), entryEnds, needsFile: false }
  }

  /** The first `count` entries are in the file. */
  drop(count: number): void {
    for (const entry of this.#entries.splice(0, count)) this.#waitingBytes -= bytesOf(entry)
  }

  /** Gives up all entries, and gives them back. */
  takeAll(): Entry[] {
    const entries = this.#entries
    this.#entries = []
    this.#waitingBytes = 0
    this.restart()
    return entries
  }

  /** Nothing is known to be in the file. */
  restart(): void {
    this.#known.clear()
    this.#begun = undefined
  }

  #open(index: number): Iterator<string, void, undefined> {
    const entry = this.#entries[index] ?? ''
    return typeof entry === 'string' ? [entry].values() : entry.encode(this.#known)
  }
}

/** What an entry counts as while it waits. */
export function bytesOf(entry: Entry): number {
  return typeof entry === 'string' ? Buffer.byteLength(entry) : entry.bytes
}
