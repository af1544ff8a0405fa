import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { RateWindow } from '../../../src/tui/rates.ts'

const start = 1_750_000_000_000

it('counts what came in the last minute and forgets what came before', () => {
  const rates = new RateWindow()
  rates.add(start, 1, 100)
  rates.add(start + 30_000, 2, 50)

  expect(rates.perMinute(start + 30_000)).toEqual({ calls: 3, tokens: 150 })
  expect(rates.perMinute(start + 60_000)).toEqual({ calls: 2, tokens: 50 })
  expect(rates.perMinute(start + 3_600_000)).toEqual({ calls: 0, tokens: 0 })
})

it('lets messages of the past alone', () => {
  const rates = new RateWindow()
  rates.add(start, 1, 10)
  rates.add(start - 60_000, 5, 50)

  expect(rates.perMinute(start)).toEqual({ calls: 1, tokens: 10 })
})

test.prop([fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 5 })), { maxLength: 60 })])(
  'agrees with a look at all of them, in order of time',
  (events) => {
    const rates = new RateWindow()
    const sorted = events.toSorted(([a], [b]) => a - b)
    for (const [second, calls] of sorted) rates.add(start + second * 1000, calls, calls * 7)
    const now = sorted.at(-1)?.[0] ?? 0
    const expected = sorted
      .filter(([second]) => now - second < 60)
      .reduce((sum, [, calls]) => sum + calls, 0)

    expect(rates.perMinute(start + now * 1000)).toEqual({ calls: expected, tokens: expected * 7 })
  },
)
