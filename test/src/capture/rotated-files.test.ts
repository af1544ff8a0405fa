import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { afterEach, beforeEach, expect, test } from 'vitest'

import {
  compressFile,
  listRotations,
  rotatedPath,
  rotationNumber,
} from '../../../src/capture/rotated-files.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-rotated-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

test('puts the number before the ending, whatever the name', () => {
  expect(rotatedPath('/a/traffic.jsonl', 3)).toBe('/a/traffic.3.jsonl')
  expect(rotatedPath('/a/traffic.log', 3)).toBe('/a/traffic.log.3.jsonl')
  expect(rotationNumber('/a/traffic.3.jsonl.gz')).toBe(3)
  expect(rotationNumber('/a/traffic.jsonl')).toBeUndefined()
})

test('lists the numbers of one capture by value, plain and compressed', async () => {
  const names = ['t.10.jsonl', 't.9.jsonl.gz', 't.1.jsonl', 't.1.jsonl.gz', 't.01.jsonl', 't.jsonl']
  for (const name of [...names, 'other.4.jsonl', 't.x.jsonl', 't.5.jsonl.gz.part', 't..jsonl']) {
    writeFileSync(join(folder, name), '')
  }

  expect(await listRotations(join(folder, 't.jsonl'))).toEqual([1, 9, 10])
  expect(await listRotations(join(folder, 'missing', 't.jsonl'))).toEqual([])
})

test('replaces a file by its compressed form', async () => {
  const path = join(folder, 't.1.jsonl')
  writeFileSync(path, 'line\n')

  await compressFile(path, new AbortController().signal)

  expect(readdirSync(folder)).toEqual(['t.1.jsonl.gz'])
  expect(gunzipSync(readFileSync(`${path}.gz`)).toString()).toBe('line\n')
})

test('keeps the plain file, and no part, when compressing is aborted', async () => {
  const path = join(folder, 't.1.jsonl')
  writeFileSync(path, 'line\n')

  await expect(compressFile(path, AbortSignal.abort())).rejects.toMatchObject({
    name: 'AbortError',
  })
  expect(readdirSync(folder)).toEqual(['t.1.jsonl'])
})

test('keeps the plain file, and no part, when the compressed one cannot take its place', async () => {
  const path = join(folder, 't.1.jsonl')
  writeFileSync(path, 'line\n')
  mkdirSync(`${path}.gz`)
  writeFileSync(join(`${path}.gz`, 'in the way'), '')

  await expect(compressFile(path, new AbortController().signal)).rejects.toThrow(
    /EISDIR|EEXIST|EPERM|ENOTEMPTY/u,
  )
  expect(readdirSync(folder).sort()).toEqual(['t.1.jsonl', 't.1.jsonl.gz'])
})
