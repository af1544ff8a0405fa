/**
 * How many requests have passed within a time that slides along. Up to `exactRequests` every one is
 * kept with its time, and the count is exact; beyond, requests are counted in a thousand slots of
 * the window: never more than the limit pass within any window, but a place may become free again
 * a slot (a thousandth of the window) later than it would. Pure; times are monotonic milliseconds.
 */

export interface SlidingWindow {
  /** Requests that count now. */
  count(now: number): number
  add(now: number): void
  /** Milliseconds until fewer than `limit` count. */
  untilBelow(limit: number, now: number): number
  /** Milliseconds until none counts. */
  untilEmpty(now: number): number
}

/** Limits up to here are counted exactly; 80 KB for each that counts at its fullest. */
export const exactRequests = 10_000
const slots = 1000

/** A window for at most `limit` requests. */
export function createSlidingWindow(windowMs: number, limit: number): SlidingWindow {
  return limit <= exactRequests ? createExact(windowMs) : createSlotted(windowMs)
}

function createExact(windowMs: number): SlidingWindow {
  let times: number[] = []
  let first = 0

  function prune(now: number): void {
    while (first < times.length && (times[first] ?? 0) <= now - windowMs) first += 1
    if (first < 64 || first * 2 < times.length) return
    times = times.slice(first)
    first = 0
  }

  return {
    count(now) {
      prune(now)
      return times.length - first
    },
    add(now) {
      times.push(now)
    },
    untilBelow(limit, now) {
      prune(now)
      const leaving = times[times.length - limit]
      return leaving === undefined ? 0 : Math.max(0, leaving + windowMs - now)
    },
    untilEmpty(now) {
      prune(now)
      const last = times.at(-1)
      return last === undefined || first === times.length ? 0 : last + windowMs - now
    },
  }
}

function createSlotted(windowMs: number): SlidingWindow {
  const slotMs = windowMs / slots
  /** By slot number; a slot counts as a whole until the last of its time has left the window. */
  const counts = new Map<number, number>()
  let total = 0

  function prune(now: number): void {
    const oldest = Math.floor(now / slotMs) - slots
    for (const [slot, count] of counts) {
      if (slot >= oldest) break
      counts.delete(slot)
      total -= count
    }
  }
  const leavesAt = (slot: number): number => (slot + slots + 1) * slotMs

  return {
    count(now) {
      prune(now)
      return total
    },
    add(now) {
      const slot = Math.floor(now / slotMs)
      counts.set(slot, (counts.get(slot) ?? 0) + 1)
      total += 1
    },
    untilBelow(limit, now) {
      prune(now)
      let left = total
      if (left < limit) return 0
      for (const [slot, count] of counts) {
        left -= count
        if (left < limit) return Math.max(0, leavesAt(slot) - now)
      }
      return 0
    },
    untilEmpty(now) {
      prune(now)
      const last = [...counts.keys()].at(-1)
      return last === undefined ? 0 : Math.max(0, leavesAt(last) - now)
    },
  }
}
