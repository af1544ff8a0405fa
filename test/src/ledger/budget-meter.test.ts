import { fc, test } from '@fast-check/vitest'
import { beforeEach, describe, expect } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import { BudgetMeter } from '../../../src/ledger/budget-meter.ts'
import { SpendSums } from '../../../src/ledger/spend.ts'
import type { SpendBook } from '../../../src/ledger/spend.ts'
import type { Rule } from '../../../src/policy/rules/rule.ts'
import { budgetRule, metered } from '../../support/charges.ts'

const day = 86_400_000
const noon = 20_000 * day + day / 2
let now = noon
let exchanges = 0
/** Of a call of which nothing is known; nothing, where a test does not say. */
let forecast = { tokens: 0, usd: 0 }
beforeEach(() => {
  forecast = { tokens: 0, usd: 0 }
  now = noon
  exchanges = 0
})

function newMeter(book: SpendBook = new SpendSums()): BudgetMeter {
  return new BudgetMeter({
    clock: { now: () => now },
    book,
    forecast: ({ path }) => (path === '/v1/models' ? undefined : forecast),
  })
}

/** Lets a call through, if the budget does; what was said, if not. */
function begin(meter: BudgetMeter, rule: Rule, over = {}): { id: string; refused?: string } {
  const id = `x${exchanges}`
  exchanges += 1
  const request = metered(id, over)
  const exhausted = meter.check(rule, request)
  if (exhausted !== undefined) return { id, refused: exhausted.message }
  meter.consume(rule, request)
  return { id }
}

function end(meter: BudgetMeter, id: string, usd: number | undefined, tokens = 10): void {
  meter.answered(id, { at: now, model: 'm', tokens, usd })
  meter.ended(id)
}

function call(meter: BudgetMeter, rule: Rule, usd: number | undefined, over = {}): boolean {
  const { id, refused } = begin(meter, rule, over)
  if (refused === undefined) end(meter, id, usd)
  return refused === undefined
}

describe('a budget', () => {
  test('lets calls pass until it is spent, and says what and why', () => {
    const meter = newMeter()
    const rule = budgetRule({ amount: 1 })
    const passed = [0.5, 0.25, 0.25, 0.25].map((usd) => call(meter, rule, usd))

    expect(passed).toEqual([true, true, true, false])
    expect(meter.check(rule, metered('y'))).toEqual({
      limit: 1,
      spent: 1,
      message:
        'its budget is spent for a: $1 of $1 today (UTC). It begins anew at midnight UTC, in 12 h 0 min, ' +
        'or allow more: porthole rules set daily --amount AMOUNT.',
    })
  })

  test('of a day begins anew at midnight UTC, one in all does not', () => {
    const meter = newMeter()
    const [daily, total] = [budgetRule(), budgetRule({ per: 'total' }, { id: 't' })]
    expect([call(meter, daily, 6), call(meter, total, 6)]).toEqual([true, true])
    expect([call(meter, daily, 6), call(meter, total, 6)]).toEqual([false, false])
    now = (Math.floor(now / day) + 1) * day

    expect([call(meter, daily, 6), call(meter, total, 6)]).toEqual([true, false])
  })

  test('of a run knows nothing of other runs, and asks no ledger', () => {
    const broken: SpendBook = {
      spent: () => {
        throw new AppError('ERR_LEDGER_UNUSABLE', { path: 'ledger.db', problem: 'it is damaged' })
      },
      charge: () => expect.unreachable(),
      held: () => expect.unreachable(),
      hold: () => expect.unreachable(),
      release: () => expect.unreachable(),
    }
    const rule = budgetRule({ per: 'run' })

    expect([call(newMeter(broken), rule, 6), call(newMeter(broken), rule, 6)]).toEqual([true, true])
    const meter = newMeter(broken)
    expect([call(meter, rule, 6), call(meter, rule, 6)]).toEqual([true, false])
    expect(() => meter.check(budgetRule(), metered('y'))).toThrow(/cannot be used/u)
  })

  test('is each agent’s own, or that of all together', () => {
    const meter = newMeter()
    const [own, shared] = [budgetRule(), budgetRule({ scope: 'global' }, { id: 'g' })]
    call(meter, own, 6, { agent: 'a' })
    call(meter, shared, 6, { agent: 'a' })

    expect(begin(meter, own, { agent: 'a' }).refused).toMatch(/is spent for a:/u)
    expect(begin(meter, own, { agent: undefined }).refused).toBeUndefined()
    expect(begin(meter, shared, { agent: 'b' }).refused).toMatch(/is spent: \$6 of \$5/u)
  })

  test('of tokens counts tokens', () => {
    const meter = newMeter()
    const rule = budgetRule({ unit: 'tokens', amount: 25 })

    expect([0, 0, 0, 0].map((usd) => call(meter, rule, usd))).toEqual([true, true, true, false])
    expect(begin(meter, rule).refused).toMatch(/30 tokens of 25 tokens/u)
  })

  test('does not count what nobody knows the cost of, and says so', () => {
    const meter = newMeter()
    const rule = budgetRule()
    for (const usd of [undefined, undefined, undefined, 5])
      expect(call(meter, rule, usd)).toBe(true)

    expect(begin(meter, rule).refused).toMatch(/3 calls of unknown cost are not in it\./u)
  })

  test('charges every call of a WebSocket', () => {
    const meter = newMeter()
    const { id } = begin(meter, budgetRule())
    for (let index = 0; index < 3; index += 1) {
      meter.answered(id, { at: now, model: 'm', tokens: 1, usd: 2 })
    }

    expect(begin(meter, budgetRule()).refused).toMatch(/\$6 of \$5/u)
  })

  test('takes nothing for what it did not let pass, and leaves other rules alone', () => {
    const meter = newMeter()
    end(meter, 'never-seen', 100)
    meter.consume({ ...budgetRule(), action: 'allow' }, metered('z'))
    end(meter, 'z', 100)

    expect(meter.check(budgetRule(), metered('y'))).toBeUndefined()
    expect(meter.check({ ...budgetRule(), action: 'allow' }, metered('y'))).toBeUndefined()
  })
})

describe('calls under way', () => {
  test('are taken to cost what those before did', () => {
    const meter = newMeter()
    const rule = budgetRule({ amount: 3 })
    call(meter, rule, 1)
    const first = begin(meter, rule)
    const second = begin(meter, rule)

    expect([first.refused, second.refused]).toEqual([undefined, undefined])
    expect(begin(meter, rule).refused).toBe(
      'its budget has nothing left to begin another call with for a: $1 of $3 today (UTC), and 2 calls ' +
        'under way are expected to take $2. Try again when they have ended, or allow more: porthole rules set daily --amount AMOUNT.',
    )
    end(meter, first.id, 0.1)
    end(meter, second.id, 0.1)
    expect(begin(meter, rule).refused).toBeUndefined()
  })

  test('hold nothing ready once they have ended without an answer', () => {
    const meter = newMeter()
    const rule = budgetRule({ amount: 2 })
    call(meter, rule, 1)
    const { id } = begin(meter, rule)
    expect(begin(meter, rule).refused).toBeDefined()
    meter.ended(id)

    expect(begin(meter, rule).refused).toBeUndefined()
  })

  test('of another agent, and what runs no model, hold nothing ready', () => {
    const meter = newMeter()
    const rule = budgetRule({ amount: 2 })
    call(meter, rule, 1, { agent: 'a' })
    begin(meter, rule, { agent: 'b' })
    begin(meter, rule, { agent: 'a', path: '/v1/models' })

    expect(begin(meter, rule, { agent: 'a' }).refused).toBeUndefined()
  })
})

describe('a first burst', () => {
  const burst = (meter: BudgetMeter, rule: Rule, count: number): ReturnType<typeof begin>[] =>
    Array.from({ length: count }, () => begin(meter, rule))
  const passed = (calls: ReturnType<typeof begin>[]): string[] =>
    calls.flatMap(({ id, refused }) => (refused === undefined ? [id] : []))

  test.each(['run', 'day', 'total'] as const)(
    'passes a budget for each %s as far as its calls are forecast to fit',
    (per) => {
      forecast = { tokens: 100, usd: 1 }
      const meter = newMeter()
      expect(passed(burst(meter, budgetRule({ per, amount: 3 }), 20))).toHaveLength(3)
      const tokens = budgetRule({ per, unit: 'tokens', amount: 450 }, { id: 't' })
      expect(passed(burst(meter, tokens, 20))).toHaveLength(5)
    },
  )

  test('is never refused as a whole, however much its calls are forecast to take', () => {
    forecast = { tokens: 100, usd: 100 }
    const meter = newMeter()
    const rule = budgetRule({ amount: 3 })
    const [first, ...others] = burst(meter, rule, 3)

    expect(first?.refused).toBeUndefined()
    expect(others.map(({ refused }) => refused)).toEqual([
      expect.stringContaining('1 call under way is expected to take $100. Try again when'),
      expect.stringContaining('1 call under way is expected to take $100. Try again when'),
    ])
  })

  test('goes on by what its first answer took', () => {
    forecast = { tokens: 100, usd: 1 }
    const meter = newMeter()
    const rule = budgetRule({ amount: 3 })
    const [first = ''] = passed(burst(meter, rule, 20))
    end(meter, first, 0.1)

    expect(passed(burst(meter, rule, 100))).toHaveLength(27)
  })

  test('leaves the budget as it was when all of it breaks off', () => {
    forecast = { tokens: 100, usd: 1 }
    const meter = newMeter()
    const rule = budgetRule({ amount: 3 })
    for (const id of passed(burst(meter, rule, 20))) meter.ended(id)

    expect(passed(burst(meter, rule, 20))).toHaveLength(3)
  })

  test('takes no more than it did from a budget whose calls cost nobody knows what', () => {
    forecast = { tokens: 100, usd: 1 }
    const meter = newMeter()
    const rule = budgetRule({ amount: 3 })
    call(meter, rule, undefined)

    expect(passed(burst(meter, rule, 20))).toHaveLength(20)
  })
})

test.prop([
  fc.integer({ min: 1, max: 500 }),
  fc.integer({ min: 1, max: 100 }),
  fc.array(fc.constantFrom('begin', 'answer', 'break'), { maxLength: 200 }),
])('what is held is what is under way, whatever happens in between', (cents, each, steps) => {
  forecast = { tokens: each, usd: each / 100 }
  const meter = newMeter()
  const rule = budgetRule({ amount: cents / 100 })
  const running: string[] = []
  let spent = 0
  for (const step of steps) {
    if (step === 'begin') {
      const { id, refused } = begin(meter, rule)
      const left = cents - spent - running.length * each
      expect(refused === undefined).toBe(left > 0)
      if (refused === undefined) running.push(id)
      continue
    }
    const id = running.shift()
    if (id === undefined) continue
    if (step === 'break') {
      meter.ended(id)
      continue
    }
    end(meter, id, each / 100)
    spent += each
  }
  for (const id of running) meter.ended(id)

  const { expected } = meter.level(rule, metered('y'))
  expect(expected).toBe(0)
})

test.prop([
  fc.array(fc.record({ usd: fc.integer({ min: 1, max: 200 }), after: fc.nat(6) }), {
    minLength: 1,
    maxLength: 200,
  }),
  fc.integer({ min: 1, max: 2000 }),
])(
  'a budget is passed by the last call, and by what others differ from the mean',
  (calls, cents) => {
    const meter = newMeter()
    const rule = budgetRule({ amount: cents / 100 })
    const running: Array<{ id: string; usd: number }> = []
    const answered: number[] = []
    const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0)
    const settle = (): void => {
      const next = running.shift()
      if (next === undefined) return
      end(meter, next.id, next.usd / 100)
      answered.push(next.usd)
    }
    let bound = 0
    for (const { usd, after } of calls) {
      for (let index = 0; index < after; index += 1) settle()
      const { id, refused } = begin(meter, rule)
      if (refused !== undefined) continue
      const mean = answered.length === 0 ? 0 : sum(answered) / answered.length
      bound = sum(running.map((one) => one.usd - mean)) + usd
      running.push({ id, usd })
    }
    while (running.length > 0) settle()

    expect(sum(answered) - cents).toBeLessThan(bound + 1e-6)
  },
)
