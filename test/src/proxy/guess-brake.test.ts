import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { brakeClock, GuessBrake } from '../../../src/proxy/guess-brake.ts'
import type { BrakeClock } from '../../../src/proxy/guess-brake.ts'

interface FakeClock extends BrakeClock {
  /** Lets time pass, and runs what is due. */
  advance(ms: number): void
  readonly pending: () => number
}

function fakeClock(): FakeClock {
  let nowMs = 1000
  const timers = new Map<() => void, number>()
  return {
    monotonicMs: () => nowMs,
    schedule: (run, delayMs) => {
      timers.set(run, nowMs + delayMs)
      return () => void timers.delete(run)
    },
    advance: (ms) => {
      nowMs += ms
      for (const [run, atMs] of timers) {
        if (atMs > nowMs) continue
        timers.delete(run)
        run()
      }
    },
    pending: () => timers.size,
  }
}

/** How long the answer to one more guess from there takes, in ms. */
function delayOf(brake: GuessBrake, clock: FakeClock, address = '10.0.0.1'): number {
  let isAnswered = false
  brake.answer(address, true, () => {
    isAnswered = true
  })
  for (let waited = 0; waited <= 5000; waited += 50) {
    if (isAnswered) return waited
    clock.advance(50)
  }
  throw new Error('never answered')
}

describe('A5 a wrong token', () => {
  test('is answered at once at first, then later and later, up to two seconds', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)

    const delays = Array.from({ length: 14 }, () => delayOf(brake, clock))

    expect(delays).toEqual([0, 0, 0, 0, 0, 50, 100, 200, 400, 800, 1600, 2000, 2000, 2000])
  })

  test('is as good as the first after a minute without any', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    for (let count = 0; count < 9; count += 1) delayOf(brake, clock)

    clock.advance(59_000)
    expect(delayOf(brake, clock)).toBeGreaterThan(0)
    clock.advance(60_001)
    expect(delayOf(brake, clock)).toBe(0)
  })

  test('slows down its own address alone', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    for (let count = 0; count < 9; count += 1) delayOf(brake, clock, '10.0.0.1')

    expect(delayOf(brake, clock, '10.0.0.2')).toBe(0)
    expect(delayOf(brake, clock, '::ffff:10.0.0.1')).toBeGreaterThan(0)
  })

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8:0:0:1:2:3:4', true],
    ['fe80::1%eth0', 'fe80::2%eth1', true],
    ['::1', '::1', true],
  ])('from %s and one from %s are of one machine: %s', (one, other, isSame) => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    for (let count = 0; count < 9; count += 1) delayOf(brake, clock, one)

    expect(delayOf(brake, clock, other) > 0).toBe(isSame)
  })

  test('that is none, asking without a token, neither counts nor waits', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    const answered: boolean[] = []

    for (let count = 0; count < 50; count += 1) {
      brake.answer('10.0.0.1', false, (mayStay) => answered.push(mayStay))
    }

    expect(answered).toEqual(Array.from({ length: 50 }, () => true))
    expect(brake.remembered).toBe(0)
    expect(delayOf(brake, clock)).toBe(0)
  })

  test('waits with 63 others at most; one more is answered at once, and loses its connection', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    const answers: boolean[] = []
    for (let count = 0; count < 5 + 64 + 7; count += 1) {
      brake.answer('10.0.0.1', true, (mayStay) => answers.push(mayStay))
    }

    expect(brake.waiting).toBe(64)
    expect(answers.filter((mayStay) => !mayStay)).toHaveLength(7)
    clock.advance(2000)
    expect(brake.waiting).toBe(0)
    expect(answers).toHaveLength(5 + 64 + 7)
  })

  test('is answered when the proxy stops, and no timer is left', () => {
    const clock = fakeClock()
    const brake = new GuessBrake(clock)
    let answered = 0
    const guess = (): void => brake.answer('10.0.0.1', true, () => (answered += 1))
    for (let count = 0; count < 10; count += 1) guess()
    expect(answered).toBe(5)

    brake.close()

    expect({ answered, pending: clock.pending(), waiting: brake.waiting }).toEqual({
      answered: 10,
      pending: 0,
      waiting: 0,
    })
    guess()
    expect(answered).toBe(11)
  })
})

property.prop([
  fc.array(fc.tuple(fc.ipV4(), fc.boolean(), fc.integer({ min: 0, max: 3000 })), {
    maxLength: 2000,
  }),
])('A5 every answer is given once, and what is remembered stays bounded', (steps) => {
  const clock = fakeClock()
  const brake = new GuessBrake(clock)
  const given = new Map<number, number>()
  for (const [index, [address, isGuess, ms]] of steps.entries()) {
    brake.answer(address, isGuess, () => given.set(index, (given.get(index) ?? 0) + 1))
    clock.advance(ms)
    expect(brake.remembered).toBeLessThanOrEqual(1000)
    expect(brake.waiting).toBeLessThanOrEqual(64)
  }
  clock.advance(2000)

  expect([...given.values()].every((count) => count === 1)).toBe(true)
  expect(given.size).toBe(steps.length)
})

test('an address that is quiet for longest is forgotten for the thousand-and-first', () => {
  const clock = fakeClock()
  const brake = new GuessBrake(clock)
  for (let count = 0; count < 9; count += 1) delayOf(brake, clock, '10.0.0.1')

  for (let index = 0; index < 1000; index += 1) {
    brake.answer(`172.16.${index >> 8}.${index & 255}`, true, () => {})
  }

  expect(brake.remembered).toBe(1000)
  expect(delayOf(brake, clock, '10.0.0.1')).toBe(0)
})

test('the real clock’s timers run, and can be taken back', async () => {
  const { schedule, monotonicMs } = brakeClock(() => 7)
  const ran: string[] = []

  schedule(() => ran.push('never'), 1)()
  await new Promise<void>((resolve) => {
    schedule(resolve, 5)
    // The timer alone would let the process end.
    setTimeout(() => {}, 50)
  })

  expect(ran).toEqual([])
  expect(monotonicMs()).toBe(7)
})
