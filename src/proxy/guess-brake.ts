/**
 * Slows down whoever guesses tokens: after some wrong ones from an address, the answer to the next
 * wrong one waits, longer each time. A right token never comes here, so that nobody is locked out,
 * though all programs of a machine share an address. What waits, and what is remembered, is bounded.
 */
/** What it takes to wait; a timer must not keep the process alive. */
export interface BrakeClock {
  readonly monotonicMs: () => number
  /** Calls `run` after that time, in milliseconds. Returns what prevents it. */
  readonly schedule: (run: () => void, delayMs: number) => () => void
}

/** The real one, beside the proxy's own clock. */
export function brakeClock(monotonicMs: () => number): BrakeClock {
  return {
    monotonicMs,
    schedule: (run, delayMs) => {
      const timer = setTimeout(run, delayMs).unref()
      return () => clearTimeout(timer)
    },
  }
}

/** As many wrong tokens are answered at once: a mistyped one, a stale one in several programs. */
const freeGuesses = 5
const firstDelayMs = 50
const longestDelayMs = 2000
/** Without a wrong token for so long, an address is as good as new, in ms. */
const forgottenAfterMs = 60_000
const mostAddresses = 1000
/** Answers that wait at a time; each holds a connection. */
const mostWaiting = 64

interface Guesser {
  count: number
  lastMs: number
}

export class GuessBrake {
  readonly #clock: BrakeClock
  readonly #guessers = new Map<string, Guesser>()
  readonly #waiting = new Map<() => void, () => void>()
  #isClosed = false

  constructor(clock: BrakeClock) {
    this.#clock = clock
  }

  /** Answers that wait now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Addresses that are remembered. */
  get remembered(): number {
    return this.#guessers.size
  }

  /**
   * Somebody there was not let in: calls `answer` once, now or, after a guess, later. Asking without
   * a token is how many clients begin; it is no guess. `mayStay` is false where the connection must
   * end with the answer: too many wait already, and a new connection takes its time.
   */
  answer(address: string | undefined, isGuess: boolean, answer: (mayStay: boolean) => void): void {
    const delayMs = isGuess ? this.#delayFor(address ?? '') : 0
    if (delayMs === 0 || this.#isClosed) {
      answer(true)
      return
    }
    if (this.#waiting.size >= mostWaiting) {
      answer(false)
      return
    }
    const run = (): void => {
      this.#waiting.delete(run)
      answer(true)
    }
    this.#waiting.set(run, this.#clock.schedule(run, delayMs))
  }

  /** Answers all who wait, and makes nobody wait any more. */
  close(): void {
    this.#isClosed = true
    for (const [run, cancel] of this.#waiting) {
      cancel()
      run()
    }
    this.#guessers.clear()
  }

  #delayFor(address: string): number {
    const now = this.#clock.monotonicMs()
    const key = networkOf(address)
    const known = this.#guessers.get(key)
    const isFresh = known === undefined || now - known.lastMs > forgottenAfterMs
    const guesser = { count: isFresh ? 1 : known.count + 1, lastMs: now }
    // Moved to the end: the first is the one that has been quiet for longest.
    this.#guessers.delete(key)
    this.#guessers.set(key, guesser)
    const [oldest] = this.#guessers.keys()
    if (this.#guessers.size > mostAddresses && oldest !== undefined) this.#guessers.delete(oldest)
    const over = guesser.count - freeGuesses
    return over <= 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(over - 1, 10))
  }
}

/** IPv4 also where it is written as IPv6; of IPv6 the /64, for one machine has all of that. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/iu, '').replace(/%.*$/su, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return groups.slice(0, 4).join(':')
}
