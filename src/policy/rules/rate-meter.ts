/**
 * The meter of rate rules: one sliding window for each rule, or for each rule and agent. In memory:
 * windows begin anew with the process. Checking and consuming happen in one turn of the event loop,
 * so that as many pass as the limit says, however many come at once.
 */
import { formatDuration } from '../../base/units.ts'
import type { Exhausted, Meter, MeteredRequest } from './meter.ts'
import type { RateLimit, Rule } from './rule.ts'
import type { SlidingWindow } from './sliding-window.ts'
import { createSlidingWindow, exactRequests } from './sliding-window.ts'

/** Windows that are kept at a time. With more rules and agents, requests that need one are refused. */
const maxWindows = 4096

interface Counted {
  readonly window: SlidingWindow
  readonly windowMs: number
  readonly isExact: boolean
}

export class RateMeter implements Meter {
  readonly #now: () => number
  readonly #windows = new Map<string, Counted>()

  /** `now` is monotonic, in milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  check(rule: Rule, request: MeteredRequest): Exhausted | undefined {
    if (rule.action !== 'rate') return undefined
    const { requests } = rule.rate
    const now = this.#now()
    const counted = this.#windowOf(rule, rule.rate, request)
    if (counted === undefined) return this.#hasRoom(now) ? undefined : crowded
    const spent = counted.count(now)
    if (spent < requests) return undefined
    return {
      message: `more than ${describeRate(rule.rate)}`,
      retryAfterSeconds: wholeSeconds(counted.untilBelow(requests, now)),
      resetSeconds: wholeSeconds(counted.untilEmpty(now)),
      limit: requests,
      spent,
    }
  }

  consume(rule: Rule, request: MeteredRequest): void {
    if (rule.action !== 'rate') return
    const { requests, windowMs } = rule.rate
    let window = this.#windowOf(rule, rule.rate, request)
    if (window === undefined) {
      window = createSlidingWindow(windowMs, requests)
      const isExact = requests <= exactRequests
      this.#windows.set(keyOf(rule, rule.rate, request), { window, windowMs, isExact })
    }
    window.add(this.#now())
  }

  /**
   * The one that counts for it; a rule that has been given another time, or a limit that is counted
   * in another way, begins anew.
   */
  #windowOf(rule: Rule, rate: RateLimit, request: MeteredRequest): SlidingWindow | undefined {
    const found = this.#windows.get(keyOf(rule, rate, request))
    const isSame =
      found?.windowMs === rate.windowMs && found.isExact === rate.requests <= exactRequests
    return isSame ? found.window : undefined
  }

  #hasRoom(now: number): boolean {
    if (this.#windows.size < maxWindows) return true
    for (const [key, { window }] of this.#windows) {
      if (window.count(now) === 0) this.#windows.delete(key)
    }
    return this.#windows.size < maxWindows
  }
}

const crowded: Exhausted = {
  message: 'more rules and agents are being counted than can be kept',
  retryAfterSeconds: 60,
}

/** As text: `100 requests in 1m`. */
export function describeRate({ requests, windowMs }: RateLimit): string {
  return `${requests} ${requests === 1 ? 'request' : 'requests'} in ${formatDuration(windowMs)}`
}

function keyOf(rule: Rule, { scope }: RateLimit, { agent }: MeteredRequest): string {
  return JSON.stringify(scope === 'agent' ? [rule.id, agent ?? null] : [rule.id])
}

function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
