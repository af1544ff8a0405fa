import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { createPooledOutput } from '../../../src/cli/pooled-output.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-pooled-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('what is written arrives whole and in order, and is counted until then', async () => {
  const path = join(folder, 'out')
  const fd = openSync(path, 'w')
  const output = createPooledOutput(fd)
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index} é\n`)

  for (const line of lines) output.write(line)
  const waited = output.writableLength
  await expect.poll(() => output.writableLength, { timeout: 15_000 }).toBe(0)
  closeSync(fd)

  expect(waited).toBe(Buffer.byteLength(lines.join('')))
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''))
  expect(output.writable).toBe(true)
})

test('what is written after all has gone out goes out too', async () => {
  const path = join(folder, 'out')
  const fd = openSync(path, 'w')
  const output = createPooledOutput(fd)

  output.write('one\n')
  await expect.poll(() => output.writableLength, { timeout: 15_000 }).toBe(0)
  output.write('two\n')
  await expect.poll(() => output.writableLength, { timeout: 15_000 }).toBe(0)
  closeSync(fd)

  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
})

test('a descriptor that cannot be written to takes nothing more', async () => {
  const path = join(folder, 'in')
  closeSync(openSync(path, 'w'))
  const fd = openSync(path, 'r')
  const output = createPooledOutput(fd)

  output.write('one\n')
  output.write('two\n')
  await expect.poll(() => output.writable, { timeout: 15_000 }).toBe(false)
  closeSync(fd)

  expect(output.writableLength).toBe(0)
})
