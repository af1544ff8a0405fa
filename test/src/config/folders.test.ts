import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { makeFolders } from '../../../src/config/folders.ts'

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'porthole-folders-'))
})
afterEach(() => {
  rmSync(scratch, { recursive: true, force: true })
})

test('makes the missing parents, private, and names the topmost of them', async () => {
  const wanted = join(scratch, 'a', 'b', 'c')

  expect(await makeFolders(wanted)).toBe(join(scratch, 'a'))
  for (const path of ['a', 'a/b', 'a/b/c']) {
    expect(statSync(join(scratch, path)).mode & 0o777).toBe(0o700)
  }
})

test('makes nothing where all is there', async () => {
  expect(await makeFolders(scratch)).toBeUndefined()
})

test('may be asked twice at once', async () => {
  const wanted = join(scratch, 'a', 'b')

  await Promise.all([makeFolders(wanted), makeFolders(wanted)])

  expect(statSync(wanted).isDirectory()).toBe(true)
})

test('rejects with the error of the file system below a file', async () => {
  writeFileSync(join(scratch, 'file'), '')

  await expect(makeFolders(join(scratch, 'file', 'below'))).rejects.toMatchObject({
    code: 'ENOTDIR',
  })
})
