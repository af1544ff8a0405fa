import { expect, test } from 'vitest'

import { parseAmount } from '../../../src/query/parse-amount.ts'

test.each([
  ['c', '404', 404],
  ['cost', '$0.25', 0.25],
  ['cost', '.5', 0.5],
  ['tokens', '1.5M', 1_500_000],
  ['tokens', '12K', 12_000],
  ['dur', '1d', 86_400_000],
  ['ttft', '250ms', 250],
  ['dur', '2m', 120_000],
  ['dur', '0.5h', 1_800_000],
] as const)('~%s reads %j as %d', (name, text, value) => {
  expect(parseAmount(name, text)).toEqual({ ok: true, value })
})

test.each([
  ['c', '4xx'],
  ['cost', '1e9'],
  ['cost', ''],
  ['cost', '-1'],
  ['tokens', '1G'],
  ['ttft', '3'],
  ['dur', 's'],
  ['dur', '1constructor'],
] as const)('~%s refuses %j', (name, text) => {
  expect(parseAmount(name, text).ok).toBe(false)
})
