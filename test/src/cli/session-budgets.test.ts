import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { openSessionBudgets } from '../../../src/cli/session-budgets.ts'
import type { SessionBudgets } from '../../../src/cli/session-budgets.ts'
import { ledgerPathIn } from '../../../src/ledger/ledger-path.ts'
import { budgetRule, metered } from '../../support/charges.ts'

let home = ''
const opened: SessionBudgets[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-session-budgets-'))
})
afterEach(async () => {
  for (const budgets of opened.splice(0)) budgets.close()
  await rm(home, { recursive: true, force: true })
})

async function open(isExpected: boolean): Promise<SessionBudgets> {
  const budgets = await openSessionBudgets({
    home,
    clock: { now: Date.now },
    isExpected,
    tell: (line) => expect.unreachable(line),
  })
  opened.push(budgets)
  return budgets
}

const total = budgetRule({ per: 'total' })

test('a budget that is spent in one session is spent in the next', async () => {
  const first = await open(true)
  expect(existsSync(ledgerPathIn(home))).toBe(false)
  expect(first.meter.check(total, metered('x1'))).toBeUndefined()
  first.meter.consume(total, metered('x1'))
  first.meter.answered('x1', { at: Date.now(), model: 'm', tokens: 1, usd: 6 })
  first.close()
  const second = await open(true)

  expect(second.meter.check(total, metered('x2'))).toMatchObject({ spent: 6, limit: 5 })
})

test('a first budget that nobody expected refuses until its ledger is open, and no other does', async () => {
  const { meter } = await open(false)
  expect(meter.check(budgetRule({ per: 'run' }), metered('x1'))).toBeUndefined()
  expect(() => meter.check(total, metered('x1'))).toThrow(/it is being opened; try again/u)

  await expect
    .poll(
      () => {
        try {
          return meter.check(total, metered('x1')) ?? 'passes'
        } catch {
          return 'refused'
        }
      },
      { timeout: 15_000 },
    )
    .toBe('passes')
})
