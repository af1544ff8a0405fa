import { expect, test } from 'vitest'

import { formatDuration, formatSize } from '../../../src/base/units.ts'

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
