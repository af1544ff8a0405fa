/**
 * Entries that wait to be appended, in order, within a bound in bytes. Some of them hold traffic
 * back: they are told when they have been appended.
 */

/** Those who wait for one transaction. */
export interface Batch {
  /** True once they may go on, false where they must not. */
  readonly settled: Promise<boolean>
  settle(mayGoOn: boolean): void
  /** Entries of it that wait. */
  waiting: number
}

interface Waiting {
  readonly batch: Batch
  /** What is recorded instead, where nothing was appended in time. */
  readonly encodeRefused: () => string
}

interface Item {
  body: string
  waiting: Waiting | undefined
}

/** What an entry counts as beside its text, in bytes. */
const overheadBytes = 200

export class AuditQueue {
  readonly #limitBytes: number
  #items: Item[] = []
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get size(): number {
    return this.#items.length
  }

  /** False, and nothing is kept, where the queue is full. */
  push(body: string, waiting?: Waiting): boolean {
    const bytes = body.length + overheadBytes
    if (this.#bytes + bytes > this.#limitBytes) return false
    this.#bytes += bytes
    this.#items.push({ body, waiting })
    if (waiting !== undefined) waiting.batch.waiting += 1
    return true
  }

  /** The texts of the first `most`. */
  first(most: number): string[] {
    return this.#items.slice(0, most).map(({ body }) => body)
  }

  /** Takes the first `count` away: they have been appended. */
  remove(count: number): void {
    const removed = this.#items.slice(0, count)
    this.#items = this.#items.slice(count)
    for (const { body, waiting } of removed) {
      this.#bytes -= body.length + overheadBytes
      if (waiting === undefined) continue
      waiting.batch.waiting -= 1
      if (waiting.batch.waiting === 0) waiting.batch.settle(true)
    }
  }

  /** Those of a batch were not let through after all. */
  refuse(batch: Batch): void {
    for (const item of this.#items) {
      if (item.waiting?.batch !== batch) continue
      this.#bytes -= item.body.length
      item.body = item.waiting.encodeRefused()
      this.#bytes += item.body.length
      item.waiting = undefined
    }
  }
}
