import { expect, test } from 'vitest'

import {
  durationFactors,
  formatDuration,
  formatSize,
  parseUnits,
  sizeFactors,
} from '../../../src/base/units.ts'

test.each([
  [1, '1ms'],
  [1500, '1500ms'],
  [10_000, '10s'],
  [600_000, '10m'],
  [5_400_000, '90m'],
  [10_800_000, '3h'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test.each([
  [1, '1B'],
  [1000, '1000B'],
  [1024, '1KiB'],
  [1536, '1536B'],
  [67_108_864, '64MiB'],
  [1_073_741_824, '1GiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text)
})

test.each([
  ['30d', 2_592_000_000],
  ['12h', 43_200_000],
  ['1.5 H', 5_400_000],
  ['45min', 2_700_000],
  [' 45m ', 2_700_000],
  ['90s', 90_000],
  ['250ms', 250],
  ['30', undefined],
  ['-1d', undefined],
  ['1e3s', undefined],
  ['d', undefined],
  ['', undefined],
])('%j is a duration of %s ms', (text, ms) => {
  expect(parseUnits(text, durationFactors)).toBe(ms)
})

test.each([
  ['5GiB', 5_368_709_120],
  ['500 MB', 500_000_000],
  ['64kib', 65_536],
  ['10', 10],
  ['10 d', undefined],
])('%j is a size of %s bytes', (text, bytes) => {
  expect(parseUnits(text, sizeFactors)).toBe(bytes)
})
