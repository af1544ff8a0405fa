import { describe, expect, test } from 'vitest'

import { HoldSums, leasedAt, leaseMs, nothingHeld } from '../../../src/ledger/holds.ts'

const hold = { rule: 'r', agent: 'a', calls: 1, tokens: 10, nanoUsd: 5 }

describe('what is held', () => {
  test('is told for one agent and for all, and is gone when it is released', () => {
    const sums = new HoldSums()
    sums.hold(hold)
    sums.hold(hold)
    sums.hold({ ...hold, agent: '' })
    sums.hold({ ...hold, rule: 'other' })
    expect(sums.held({ rule: 'r', agent: 'a' })).toMatchObject({
      calls: 2,
      tokens: 20,
      nanoUsd: 10,
    })
    expect(sums.held({ rule: 'r', agent: undefined })).toMatchObject({ calls: 3, tokens: 30 })

    sums.release(hold)
    sums.release(hold)
    sums.release(hold)
    expect(sums.held({ rule: 'r', agent: 'a' })).toEqual(nothingHeld)
    expect(sums.all()).toHaveLength(2)
  })

  test('by others counts for as long as they renew it, and not by a clock that went wrong', () => {
    const query = { rule: 'r', agent: undefined }
    const leases = [{ ...hold, until: 1000 + leaseMs }]

    expect(leasedAt(leases, query, 1000).calls).toBe(1)
    expect(leasedAt(leases, { rule: 'r', agent: 'b' }, 1000).calls).toBe(0)
    expect(leasedAt(leases, query, 1000 + leaseMs).calls).toBe(0)
    expect(leasedAt(leases, query, 1000 - 2 * leaseMs).calls).toBe(0)
  })
})
