import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { MeteredRequest } from '../../../../src/policy/rules/meter.ts'
import { RateMeter } from '../../../../src/policy/rules/rate-meter.ts'
import type { Rule } from '../../../../src/policy/rules/rule.ts'
import { rule } from '../../../support/rules.ts'

function metered(agent?: string): MeteredRequest {
  return { exchangeId: 'x1', agent, host: 'a.example', port: 443, method: 'GET', path: '/' }
}

function passes(meter: RateMeter, of: Rule, agent?: string): boolean {
  const isFree = meter.check(of, metered(agent)) === undefined
  if (isFree) meter.consume(of, metered(agent))
  return isFree
}

test('says how much there is and when to come again, in whole seconds', () => {
  let now = 0
  const meter = new RateMeter(() => now)
  const limit = rule({ action: 'rate', limit: '2/1m' })

  expect(passes(meter, limit)).toBe(true)
  now = 10_000
  expect(passes(meter, limit)).toBe(true)
  now = 20_500
  expect(meter.check(limit, metered())).toEqual({
    message: 'more than 2 requests in 1m',
    retryAfterSeconds: 40,
    resetSeconds: 50,
    limit: 2,
    spent: 2,
  })
  now = 59_999.5
  expect(meter.check(limit, metered())?.retryAfterSeconds).toBe(1)
  now = 60_000
  expect(passes(meter, limit)).toBe(true)
})

test('counts each agent by itself, or all together', () => {
  const meter = new RateMeter(() => 0)
  const each = rule({ action: 'rate', limit: '1/1m' })
  const all = rule({ action: 'rate', limit: '1/1m', scope: 'global' })

  expect(['a', 'b', 'a', undefined, undefined].map((agent) => passes(meter, each, agent))).toEqual([
    true,
    true,
    false,
    true,
    false,
  ])
  expect(['a', 'b'].map((agent) => passes(meter, all, agent))).toEqual([true, false])
})

test('goes on for a rule that is given another limit, and begins anew with another time', () => {
  const meter = new RateMeter(() => 0)
  const before = rule({ action: 'rate', limit: '1/1m' })
  const more = { ...rule({ action: 'rate', limit: '3/1m' }), id: before.id }
  const other = { ...rule({ action: 'rate', limit: '1/1h' }), id: before.id }

  expect([1, 2].map(() => passes(meter, before))).toEqual([true, false])
  expect([1, 2, 3].map(() => passes(meter, more))).toEqual([true, true, false])
  expect(passes(meter, before)).toBe(false)
  expect([1, 2].map(() => passes(meter, other))).toEqual([true, false])
})

test('keeps so many windows and no more, and refuses rather than forget one that counts', () => {
  let now = 0
  const meter = new RateMeter(() => now)
  const limit = rule({ action: 'rate', limit: '1/1m' })
  for (let index = 0; index < 4096; index += 1) passes(meter, limit, `agent-${index}`)

  expect(passes(meter, limit, 'one-more')).toBe(false)
  expect(passes(meter, limit, 'agent-0')).toBe(false)
  now = 60_000
  expect(passes(meter, limit, 'one-more')).toBe(true)
})

describe('whatever comes when', () => {
  property.prop([
    fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 100 }),
    fc.integer({ min: 1, max: 6 }),
  ])('R6 never more than the limit pass within any window', (waits, requests) => {
    let now = 0
    const meter = new RateMeter(() => now)
    const limit = rule({ action: 'rate', limit: `${requests}/1s` })
    const passed: number[] = []
    for (const wait of waits) {
      now += wait
      if (passes(meter, limit)) passed.push(now)
    }

    const most = passed.map((from) => passed.filter((at) => at >= from && at < from + 1000).length)
    expect(Math.max(0, ...most)).toBeLessThanOrEqual(requests)
  })
})
