/** Messages as an async iterable with a bounded buffer: a slow reader loses some, and is told. */
import { messageVersion } from '../messages/message-kind.ts'
import type { AnalysisMsg } from '../messages/schema.ts'

export class MessageStream implements AsyncIterable<AnalysisMsg>, AsyncIterator<AnalysisMsg> {
  readonly #limit: number
  readonly #onDone: () => void
  #waiting: AnalysisMsg[] = []
  #reader: ((result: IteratorResult<AnalysisMsg>) => void) | undefined
  #dropped = 0
  #lastLost: AnalysisMsg | undefined
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
    this.#tellDropped()
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
    this.end()
    this.#waiting = []
    return Promise.resolve({ done: true, value: undefined })
  }

  #push(msg: AnalysisMsg): void {
    if (this.#waiting.length >= this.#limit) {
      this.#dropped += 1
      this.#lastLost = msg
      return
    }
    this.#tellDropped()
    this.#hand(msg)
  }

  /** What is told takes the place, and the number, of the last message that was lost. */
  #tellDropped(): void {
    const lost = this.#lastLost
    if (lost === undefined) return
    const { seq, at } = lost
    const count = this.#dropped
    this.#dropped = 0
    this.#lastLost = undefined
    this.#hand({
      v: messageVersion,
      kind: 'messages-dropped',
      where: 'iterator',
      seq,
      at,
      count,
      bytes: 0,
    })
  }

  #hand(msg: AnalysisMsg): void {
    if (this.#reader === undefined) this.#waiting.push(msg)
    else this.#settle({ done: false, value: msg })
  }

  #settle(result: IteratorResult<AnalysisMsg>): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.(result)
  }
}
