import { expect, test } from 'vitest'

import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPlural,
  formatUsd,
} from '../../../src/run/amounts.ts'

test.each([
  [0, '$0'],
  [0.000_004_7, '$0.0000047'],
  [1e-9, '$0.000000001'],
  [0.009_99, '$0.01'],
  [0.0123, '$0.0123'],
  [1.005, '$1.01'],
  [1234.5, '$1,234.50'],
])('%d dollars are written as %s', (usd, text) => {
  expect(formatUsd(usd)).toBe(text)
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
  [5e15, '5000.0 TB'],
])('%d bytes are written as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [59_990, '59.99 s'],
  [59_996, '1 min 0 s'],
  [125_000, '2 min 5 s'],
])('%d milliseconds are written as %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text)
})

test('counts are grouped and agree with their noun', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567')
  expect([0, 1, 2].map((count) => formatPlural(count, 'call'))).toEqual([
    '0 calls',
    '1 call',
    '2 calls',
  ])
})
