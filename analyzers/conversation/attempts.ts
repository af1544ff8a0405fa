/**
 * Repeats of one request: the same body again, soon after it was turned away for a reason that may
 * pass, or said by the client's SDK to be a retry.
 */
import { keptAttempts, retryWindowMs } from '../wire/bounds.ts'
import { RecentMap } from './recent-map.ts'

/** One sending of a request; `P` is what its repeat takes over from it. */
export interface Attempt<P> {
  readonly key: string
  readonly exchangeId: string | undefined
  readonly number: number
  readonly placement: P
  /** Set once it has ended in a way after which clients try again. Epoch milliseconds. */
  failedAt?: number
}

export class Attempts<P> {
  readonly #last = new RecentMap<Attempt<P>>(keptAttempts)

  /** The attempt that a request repeats. `retryCount` is what its head says. */
  find(key: string, at: number, retryCount: number | undefined): Attempt<P> | undefined {
    const last = this.#last.get(key)
    if (last === undefined) return undefined
    if ((retryCount ?? 0) >= 1) return last
    if (last.failedAt === undefined) return undefined
    return at - last.failedAt <= retryWindowMs ? last : undefined
  }

  add(attempt: Attempt<P>): void {
    this.#last.set(attempt.key, attempt)
  }
}

/** Whether a client may send the same again: time-outs, conflicts, limits, faults of the server. */
export function mayBeRetried(status: number | undefined, isFailed: boolean): boolean {
  if (status === undefined || status < 400) return isFailed
  return status === 408 || status === 409 || status === 429 || status >= 500
}
