import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { removeStaleReadyFile, writeReadyFile } from '../../../src/cli/ready-file.ts'

const ownPid = process.pid
let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-ready-'))
  path = join(folder, 'ready.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A process that has ended, so that its id is nobody's. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid
}

test('a ready file of a process that is gone is removed', async () => {
  writeFileSync(path, JSON.stringify({ url: 'http://127.0.0.1:1', port: 1, pid: deadPid() }))

  await removeStaleReadyFile(path, ownPid)

  expect(existsSync(path)).toBe(false)
})

test('one that names our own process id is a predecessor, and is removed', async () => {
  writeFileSync(path, JSON.stringify({ pid: ownPid }))

  await removeStaleReadyFile(path, ownPid)

  expect(existsSync(path)).toBe(false)
})

test.each([
  ['of a process that lives', JSON.stringify({ pid: process.ppid })],
  ['without a process id', '{"port":1}'],
  ['that is no JSON', 'keep me'],
])('a file %s stays', async (_what, text) => {
  writeFileSync(path, text)

  await removeStaleReadyFile(path, ownPid)

  expect(existsSync(path)).toBe(true)
})

test('no file is no trouble', async () => {
  await expect(removeStaleReadyFile(path, ownPid)).resolves.toBeUndefined()
})

test('a ready file appears whole, alone, and for its owner only', async () => {
  const ready = { url: 'http://127.0.0.1:1', port: 1, pid: ownPid }

  await writeReadyFile(path, ready)

  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(ready)
  expect(readdirSync(folder)).toEqual(['ready.json'])
  if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('one that cannot be written is told as such', async () => {
  const inNowhere = join(folder, 'none', 'ready.json')

  await expect(writeReadyFile(inNowhere, { url: '', port: 1, pid: ownPid })).rejects.toMatchObject({
    code: 'ERR_HOME_UNWRITABLE',
  })
})
