/**
 * How much came in the last minute, by the time of the messages: a ring of seconds, so that neither
 * many calls nor a long life cost memory or time.
 */

const seconds = 60

export interface Rates {
  readonly calls: number
  /** Input, cached or not, and output. */
  readonly tokens: number
}

export class RateWindow {
  /** The second, since the epoch, that each place of the ring holds. */
  readonly #second = new Float64Array(seconds)
  readonly #calls = new Float64Array(seconds)
  readonly #tokens = new Float64Array(seconds)

  /** Adds what happened at `at`, in epoch milliseconds. */
  add(at: number, calls: number, tokens: number): void {
    const second = Math.floor(at / 1000)
    const place = second % seconds
    const held = this.#second[place] ?? 0
    // Older than a minute before what is held: it counts no more.
    if (second < held) return
    if (second > held) {
      this.#second[place] = second
      this.#calls[place] = 0
      this.#tokens[place] = 0
    }
    this.#calls[place] = (this.#calls[place] ?? 0) + calls
    this.#tokens[place] = Math.max(0, (this.#tokens[place] ?? 0) + tokens)
  }

  /** What came in the minute before `now`, in epoch milliseconds. */
  perMinute(now: number): Rates {
    const last = Math.floor(now / 1000)
    let calls = 0
    let tokens = 0
    for (let place = 0; place < seconds; place += 1) {
      const age = last - (this.#second[place] ?? 0)
      if (age < 0 || age >= seconds) continue
      calls += this.#calls[place] ?? 0
      tokens += this.#tokens[place] ?? 0
    }
    return { calls, tokens }
  }
}
