/** Time as an argument: everything that needs the time takes a `Clock`, so that tests can hold it. */

export interface Clock {
  /** Wall-clock milliseconds since the epoch; never goes back within one process. */
  now(): number
  /** Monotonic milliseconds with fractions; comparable with itself only. */
  monotonicMs(): number
}

/**
 * The process's clock. `now()` is the wall clock at start plus monotonic time, so that a clock step
 * cannot make a duration computed from two messages negative.
 */
export function createSystemClock(): Clock {
  const origin = Date.now() - performance.now()
  return {
    now: () => Math.round(origin + performance.now()),
    monotonicMs: () => performance.now(),
  }
}
