import { expect, test } from 'vitest'

import * as bounds from '../../../src/config/bounds.ts'

test('every bound is a positive whole number', () => {
  const values = Object.values(bounds)

  expect(values.length).toBeGreaterThan(5)
  expect(values.filter((value) => !Number.isSafeInteger(value) || value <= 0)).toEqual([])
})

test('the bounds are those that are documented', () => {
  expect(bounds).toMatchObject({
    maxHeaderBytes: 65_536,
    headersTimeoutMs: 15_000,
    handshakeTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    maxConnections: 1024,
    analysisQueueBytes: 67_108_864,
  })
})
