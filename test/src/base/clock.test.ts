import { afterEach, expect, test, vi } from 'vitest'

import { createSystemClock } from '../../../src/base/clock.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('the wall clock is in whole milliseconds and near the real time', () => {
  const clock = createSystemClock()

  const now = clock.now()

  expect(Number.isInteger(now)).toBe(true)
  expect(Math.abs(now - Date.now())).toBeLessThan(1000)
})

test('a step of the system clock moves neither clock back', () => {
  const clock = createSystemClock()
  const before = { wall: clock.now(), monotonic: clock.monotonicMs() }

  vi.spyOn(Date, 'now').mockReturnValue(0)

  expect(clock.now()).toBeGreaterThanOrEqual(before.wall)
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before.monotonic)
})
