/** What proxies of one folder hold ready for calls under way, told to each other by the ledger. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { leaseMs } from '../../../src/ledger/holds.ts'
import { ledgerPathIn } from '../../../src/ledger/ledger-path.ts'
import { Ledger } from '../../../src/ledger/ledger.ts'
import { migrations } from '../../../src/ledger/schema.ts'
import { charge } from '../../support/charges.ts'

let home = ''
let now = 1_000_000
const open: Ledger[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-holds-'))
  now = 1_000_000
})
afterEach(async () => {
  for (const ledger of open.splice(0)) ledger.close()
  await rm(home, { recursive: true, force: true })
})

function openLedger(): Ledger {
  const ledger = new Ledger({
    path: ledgerPathIn(home),
    now: () => now,
    onUnwritable: (error) => expect.unreachable(error.message),
  })
  open.push(ledger)
  return ledger
}

const hold = { rule: 'r', agent: 'a', calls: 1, tokens: 10, nanoUsd: 5 }

/** As a meter asks: what is spent, and then what is held. */
function heldBy(ledger: Ledger, agent?: string): number {
  ledger.spent({ rule: 'r', agent, day: undefined })
  return ledger.held({ rule: 'r', agent }).calls
}

describe('what a proxy holds for calls under way', () => {
  test('counts with others of its folder, until it is free again', () => {
    const [one, two] = [openLedger(), openLedger()]
    one.hold(hold)
    one.hold({ ...hold, agent: '' })
    expect(heldBy(one)).toBe(2)
    one.flush()
    two.hold(hold)

    expect([heldBy(two), heldBy(two, 'a'), heldBy(two, 'b')]).toEqual([3, 2, 0])
    one.release(hold)
    one.flush()
    expect([heldBy(two), heldBy(two, 'a')]).toEqual([2, 1])
  })

  test('becomes what was spent in one step', () => {
    const [one, two] = [openLedger(), openLedger()]
    one.hold(hold)
    one.flush()
    expect(heldBy(two)).toBe(1)
    one.charge(charge({ at: now, nanoUsd: 7 }))
    one.release(hold)
    expect(heldBy(two)).toBe(1)
    one.flush()

    expect(two.spent({ rule: 'r', agent: undefined, day: undefined }).nanoUsd).toBe(7)
    expect(two.held({ rule: 'r', agent: undefined }).calls).toBe(0)
  })

  test('is free when it stops in order', () => {
    const [one, two] = [openLedger(), openLedger()]
    one.hold(hold)
    one.flush()
    expect(heldBy(two)).toBe(1)
    one.close()

    expect(heldBy(two)).toBe(0)
  })

  test('is free a while after it was killed, and leaves no row behind', () => {
    const [killed, two] = [openLedger(), openLedger()]
    killed.hold(hold)
    killed.flush()
    // Nothing renews it, as nothing does of a process that is gone.
    now += leaseMs - 1
    expect(heldBy(two)).toBe(1)
    now += 1
    expect(heldBy(two)).toBe(0)
    two.hold(hold)
    two.flush()

    const raw = new Sqlite(ledgerPathIn(home))
    const rows = raw.prepare('select until from holds').all()
    raw.close()
    expect(rows).toEqual([{ until: now + leaseMs }])
  })
})

test('a ledger from before there were holds is brought up to date, and keeps its sums', () => {
  const before = openLedger()
  before.charge(charge({ at: now, nanoUsd: 7 }))
  before.close()
  const raw = new Sqlite(ledgerPathIn(home))
  raw.exec('drop table holds')
  raw.pragma('user_version = 1')
  raw.close()
  const ledger = openLedger()
  ledger.hold(hold)
  ledger.flush()

  expect(migrations).toHaveLength(2)
  expect(ledger.spent({ rule: 'r', agent: undefined, day: undefined }).nanoUsd).toBe(7)
  expect(heldBy(openLedger())).toBe(1)
})
