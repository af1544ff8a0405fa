import { expect, test } from 'vitest'

import { createIdSource } from '../../../src/base/ids.ts'

test('ids count up for each kind behind one prefix', () => {
  const ids = createIdSource()

  const made = [ids.next('c'), ids.next('x'), ids.next('x'), ids.next('c')]

  const prefix = made[0]?.slice(0, 6) ?? ''
  expect(prefix).toMatch(/^[0-9a-z]{6}$/u)
  expect(made).toEqual([`${prefix}-c1`, `${prefix}-x1`, `${prefix}-x2`, `${prefix}-c2`])
})

test('two sources never give the same id', () => {
  const prefixes = new Set(
    Array.from({ length: 200 }, () => createIdSource().next('x').slice(0, 6)),
  )

  // 200 draws out of 2 billion: a collision is a one in 100,000 event, two are none.
  expect(prefixes.size).toBeGreaterThanOrEqual(199)
})
