import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { resolveCapturePath } from '../../../src/capture/capture-path.ts'

const place = { home: '/home/ann/porthole', now: Date.UTC(2026, 7, 22, 9, 5, 3), pid: 42 }

test('names a file in the captures folder after the time in UTC and the process', () => {
  expect(resolveCapturePath(undefined, place)).toBe(
    '/home/ann/porthole/captures/20260822T090503Z-42.jsonl',
  )
})

test('writes no capture for none', () => {
  expect(resolveCapturePath('none', place)).toBeUndefined()
})

test('takes a file as it is', () => {
  expect(resolveCapturePath('out/traffic.jsonl', place)).toBe('out/traffic.jsonl')
})

test('makes a file in a folder that exists or ends in a slash', () => {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-path-'))
  try {
    expect(resolveCapturePath(folder, place)).toBe(join(folder, '20260822T090503Z-42.jsonl'))
    expect(resolveCapturePath('new/', place)).toBe('new/20260822T090503Z-42.jsonl')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
