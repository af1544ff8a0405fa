import { expect, test } from 'vitest'

import { explainExhausted, formatAmount } from '../../../src/ledger/budget-text.ts'
import { budgetRule } from '../../support/charges.ts'

const state = {
  agent: 'a',
  now: Date.UTC(2026, 10, 22, 23, 59, 30),
  spent: 5.00019,
  unknown: 0,
  running: undefined,
}

test.each([
  [{ unit: 'usd' }, 0, '$0'],
  [{ unit: 'usd' }, 4.5, '$4.5'],
  [{ unit: 'usd' }, 0.00211, '$0.0021'],
  [{ unit: 'usd' }, 0.000_01, 'less than $0.0001'],
  [{ unit: 'usd' }, 4.999_99, '$4.9999'],
  [{ unit: 'usd' }, 1234.5, '$1,234.5'],
  [{ unit: 'tokens' }, 120_000.9, '120,000 tokens'],
] as const)('an amount of %j, %d, is %s', (budget, amount, text) => {
  expect(formatAmount(budget, amount)).toBe(text)
})

test('what can be done is said for every kind of budget', () => {
  expect(explainExhausted(budgetRule({}, { origin: 'file' }), { ...state, unknown: 1 })).toBe(
    'its budget is spent for a: $5.0001 of $5 today (UTC). 1 call of unknown cost is not in it. ' +
      'It begins anew at midnight UTC, in 1 min, or change the rule in porthole.json.',
  )
  expect(explainExhausted(budgetRule({ per: 'run', scope: 'global' }), state)).toBe(
    'its budget is spent: $5.0001 of $5 in this run. Start a new run, or allow more: porthole rules set daily --amount AMOUNT.',
  )
  const total = budgetRule({ per: 'total', unit: 'tokens', amount: 7 })
  expect(explainExhausted(total, { ...state, agent: undefined, spent: 9, unknown: 2 })).toBe(
    'its budget is spent for nameless clients: 9 tokens of 7 tokens in all. 2 calls of unknown size are ' +
      'not in it. It does not begin anew by itself: make a new rule, or allow more: porthole rules set daily --amount AMOUNT.',
  )
})
