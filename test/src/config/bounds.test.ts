import { expect, test } from 'vitest'

import { boundRows, defaultBounds } from '../../../src/config/bounds.ts'

test('every default is a positive whole number within its own bound', () => {
  const values = boundRows.map((row) => row.default)

  expect(values.length).toBeGreaterThan(20)
  expect(values.filter((value) => !Number.isSafeInteger(value) || value <= 0)).toEqual([])
  expect(boundRows.filter((row) => row.default > (row.max ?? Infinity))).toEqual([])
})

test('every bound has a key and a name of its own, and the key names its unit', () => {
  expect(new Set(boundRows.map(({ key }) => key)).size).toBe(boundRows.length)
  expect(new Set(boundRows.map(({ name }) => name)).size).toBe(boundRows.length)
  for (const { key, name, kind } of boundRows) {
    expect(name).toMatch(/^[a-z]+(?:-[a-z]+)*$/u)
    expect(key.endsWith('Ms')).toBe(kind === 'duration')
    expect(key.endsWith('Bytes')).toBe(kind === 'size')
  }
})

test('the bounds are those that are documented', () => {
  expect(defaultBounds).toMatchObject({
    maxHeaderBytes: 65_536,
    headersTimeoutMs: 15_000,
    handshakeTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 600_000,
    maxConnections: 1024,
    analysisQueueBytes: 67_108_864,
    captureFileBytes: 268_435_456,
    maxLeaves: 1000,
  })
})
