/** Messages as an async iterable with a bounded buffer: a slow reader loses some, and is told. */
import type { AnalysisMsg } from '../messages/schema.ts'
import { messageVersion } from '../messages/schema.ts'

export class MessageStream implements AsyncIterable<AnalysisMsg>, AsyncIterator<AnalysisMsg> {
  readonly #limit: number
  readonly #onDone: () => void
  #waiting: AnalysisMsg[] = []
  #reader: ((result: IteratorResult<AnalysisMsg>) => void) | undefined
  #dropped = 0
  #ended = false
  #detach: () => void = () => {}

  /** Keeps at most `limit` messages that were not read yet; `onDone` runs once, when it ends. */
  constructor(limit: number, onDone: () => void) {
    this.#limit = limit
    this.#onDone = onDone
  }

  attach(subscribe: (listener: (msg: AnalysisMsg) => void) => () => void): void {
    this.#detach = subscribe((msg) => this.#push(msg))
  }

  /** No more will come; what waits can still be read. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#detach()
    this.#onDone()
    if (this.#waiting.length === 0) this.#settle({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): AsyncIterator<AnalysisMsg> {
    return this
  }

  next(): Promise<IteratorResult<AnalysisMsg>> {
    const msg = this.#waiting.shift()
    if (msg !== undefined) return Promise.resolve({ done: false, value: msg })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => {
      this.#reader = resolve
    })
  }

  return(): Promise<IteratorResult<AnalysisMsg>> {
    this.#waiting = []
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  #push(msg: AnalysisMsg): void {
    if (this.#reader !== undefined) {
      this.#settle({ done: false, value: msg })
      return
    }
    if (this.#waiting.length >= this.#limit) {
      this.#dropped += 1
      return
    }
    if (this.#dropped > 0) {
      // It takes the place, and the number, of the last message that was lost.
      const lost = { seq: msg.seq - 1, at: msg.at, count: this.#dropped, bytes: 0 }
      this.#dropped = 0
      this.#waiting.push({
        v: messageVersion,
        kind: 'messages-dropped',
        where: 'iterator',
        ...lost,
      })
    }
    this.#waiting.push(msg)
  }

  #settle(result: IteratorResult<AnalysisMsg>): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.(result)
  }
}
