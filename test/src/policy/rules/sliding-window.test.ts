import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { createSlidingWindow, exactRequests } from '../../../../src/policy/rules/sliding-window.ts'

const steps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 60 })

describe('an exact window', () => {
  property.prop([steps, fc.integer({ min: 1, max: 5 })])(
    'counts as a list of times does, and says when there is room again',
    (waits, limit) => {
      const window = createSlidingWindow(1000, limit)
      let now = 0
      let times: number[] = []
      for (const wait of waits) {
        now += wait
        times = times.filter((time) => time > now - 1000)
        expect(window.count(now)).toBe(times.length)
        const leaving = times[times.length - limit]
        expect(window.untilBelow(limit, now)).toBe(leaving === undefined ? 0 : leaving + 1000 - now)
        expect(window.untilEmpty(now)).toBe((times.at(-1) ?? now - 1000) + 1000 - now)
        if (times.length < limit) {
          window.add(now)
          times.push(now)
        }
      }
    },
  )
})

describe('a window for many requests', () => {
  const limit = exactRequests + 1

  property.prop([
    fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.nat(40)), { maxLength: 80 }),
  ])(
    'counts no fewer than there are, and forgets each within a thousandth of the window',
    (bursts) => {
      const window = createSlidingWindow(1000, limit)
      let now = 0
      const times: number[] = []
      for (const [wait, count] of bursts) {
        now += wait
        const least = times.filter((time) => time > now - 1000).length
        const most = times.filter((time) => time >= now - 1001 - 1).length
        expect(window.count(now)).toBeGreaterThanOrEqual(least)
        expect(window.count(now)).toBeLessThanOrEqual(most)
        for (let index = 0; index < count; index += 1) {
          window.add(now)
          times.push(now)
        }
      }
    },
  )

  test('says when there is room again', () => {
    const window = createSlidingWindow(60_000, limit)
    for (let index = 0; index < limit; index += 1) window.add(index)

    const wait = window.untilBelow(limit, limit)

    expect(window.count(limit)).toBe(limit)
    expect(window.count(limit + wait - 61)).toBe(limit)
    expect(window.count(limit + wait)).toBeLessThan(limit)
    expect(window.count(limit + window.untilEmpty(limit))).toBe(0)
  })
})
