import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'

import { dayOf, nothing, SpendSums, untilNextDayMs } from '../../../src/ledger/spend.ts'
import { charge } from '../../support/charges.ts'

const day = 86_400_000

describe('sums', () => {
  test('of what nobody charged are nothing', () => {
    const sums = new SpendSums()

    expect(sums.spent({ rule: 'r', agent: undefined, day: undefined })).toEqual(nothing)
    expect(sums.spent({ rule: 'r', agent: 'a', day: 3 })).toEqual(nothing)
  })

  test('keep rules, agents and days apart, and add agents up', () => {
    const sums = new SpendSums()
    sums.charge(charge({ rule: 'r', agent: 'a', at: 10 * day, nanoUsd: 5 }))
    sums.charge(charge({ rule: 'r', agent: 'b', at: 10 * day + 5, nanoUsd: 7 }))
    sums.charge(charge({ rule: 'r', agent: 'a', at: 11 * day, nanoUsd: 11 }))
    sums.charge(charge({ rule: 'other', agent: 'a', at: 10 * day, nanoUsd: 13 }))
    const spent = (agent: string | undefined, on: number | undefined): number =>
      sums.spent({ rule: 'r', agent, day: on }).nanoUsd

    expect([spent('a', 10), spent('a', 11), spent('a', undefined)]).toEqual([5, 11, 16])
    expect([spent('b', 10), spent('b', 11), spent('b', undefined)]).toEqual([7, 0, 7])
    expect([spent(undefined, 10), spent(undefined, 11), spent(undefined, undefined)]).toEqual([
      12, 11, 23,
    ])
  })

  test('hold the days of a year in the room of three', () => {
    const sums = new SpendSums()
    for (let at = 0; at < 365 * day; at += day) sums.charge(charge({ at, tokens: 2 }))

    expect(sums.spent({ rule: 'r', agent: 'a', day: 364 }).tokens).toBe(2)
    expect(sums.spent({ rule: 'r', agent: 'a', day: 0 }).tokens).toBe(0)
    expect(sums.spent({ rule: 'r', agent: 'a', day: undefined }).tokens).toBe(730)
  })

  test.prop([fc.array(fc.record({ agent: fc.constantFrom('a', 'b', ''), usd: fc.nat(1e9) }))])(
    'of all agents are those of each, to the last billionth',
    (calls) => {
      const sums = new SpendSums()
      for (const { agent, usd } of calls) sums.charge(charge({ agent, nanoUsd: usd }))
      const ofEach = ['a', 'b', ''].map(
        (agent) => sums.spent({ rule: 'r', agent, day: undefined }).nanoUsd,
      )
      const all = sums.spent({ rule: 'r', agent: undefined, day: undefined })

      expect(all.nanoUsd).toBe(ofEach.reduce((sum, one) => sum + one, 0))
      expect(all.calls).toBe(calls.length)
    },
  )
})

test('a day begins at midnight UTC', () => {
  const midnight = Date.UTC(2026, 10, 22)

  expect(dayOf(midnight) - dayOf(midnight - 1)).toBe(1)
  expect(untilNextDayMs(midnight)).toBe(day)
  expect(untilNextDayMs(midnight - 1)).toBe(1)
})
