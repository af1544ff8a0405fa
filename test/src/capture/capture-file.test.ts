import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { CaptureFile } from '../../../src/capture/capture-file.ts'

/** A tool of the system, of POSIX. */
const makePipe = 'mkfifo'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-file-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** Handles whose next write takes `bytes` and then fails, once. */
function failOnceAfter(bytes: number, before: () => void = () => {}) {
  let left = 2
  return async (file: string, flags: number, mode: number): Promise<FileHandle> => {
    const handle = await open(file, flags, mode)
    const write = handle.write.bind(handle)
    return Object.assign(handle, {
      write: async (data: Buffer, offset: number, length: number) => {
        left -= 1
        if (left === 1 && bytes > 0) return await write(data, offset, bytes)
        if (left < 0) return await write(data, offset, length)
        left = 0
        before()
        throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      },
    })
  }
}

test('keeps the whole lines of a write that failed halfway, and cuts off the rest', async () => {
  const file = await CaptureFile.open(path, failOnceAfter(8))

  const failed = await file.append(Buffer.from('one\ntwo\nthree\n'))
  const stood = readFileSync(path, 'utf8')
  const again = await file.append(Buffer.from('three\n'))
  await file.close()

  expect(failed).toMatchObject({ ok: false, keptBytes: 8, error: { code: 'ENOSPC' } })
  expect(stood).toBe('one\ntwo\n')
  expect(again).toEqual({ ok: true })
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n')
})

test('cuts off a line of which only a part was written', async () => {
  const file = await CaptureFile.open(path, failOnceAfter(2))

  const failed = await file.append(Buffer.from('one\n'))
  await file.close()

  expect(failed).toMatchObject({ ok: false, keptBytes: 0 })
  expect(readFileSync(path, 'utf8')).toBe('')
})

test('cuts nothing off a file to which another process appended', async () => {
  const openHandle = failOnceAfter(2, () => appendFileSync(path, 'theirs\n'))
  const file = await CaptureFile.open(path, openHandle)

  const failed = await file.append(Buffer.from('one\n'))
  await file.append(Buffer.from('one\n'))
  await file.close()

  expect(failed).toMatchObject({ ok: false, keptBytes: 0 })
  expect(readFileSync(path, 'utf8')).toBe('ontheirs\n\none\n')
})

test('ends a line that an earlier process left open before it appends', async () => {
  writeFileSync(path, 'torn')
  const file = await CaptureFile.open(path)
  await file.append(Buffer.from('whole\n'))
  await file.close()

  expect(readFileSync(path, 'utf8')).toBe('torn\nwhole\n')
})

test.skipIf(process.platform === 'win32')(
  'refuses a named pipe instead of waiting on it',
  async () => {
    execFileSync(makePipe, [path])

    await expect(CaptureFile.open(path)).rejects.toThrow('not a regular file')
  },
)
