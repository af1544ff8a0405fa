import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  captureSetOf,
  findCaptureSet,
  listCaptureSets,
  pinCapture,
  unpinCapture,
} from '../../../src/capture/capture-sets.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-sets-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function write(name: string, bytes = 10, secondsAgo = 100): void {
  writeFileSync(join(folder, name), 'x'.repeat(bytes))
  const at = Date.now() / 1000 - secondsAgo
  utimesSync(join(folder, name), at, at)
}

describe('the captures of a folder', () => {
  test('are told with the files that rotation made of them, oldest first', async () => {
    write('a.jsonl', 1, 10)
    write('a.10.jsonl', 2, 20)
    write('a.2.jsonl.gz', 4, 30)
    write('b.jsonl.gz', 8)
    write('index.db')
    write('notes.txt')

    const sets = await listCaptureSets(folder)

    expect(sets.map(({ name, files }) => [name, files.map((file) => file.name)])).toEqual([
      ['a', ['a.2.jsonl.gz', 'a.10.jsonl', 'a.jsonl']],
      ['b', ['b.jsonl.gz']],
    ])
    expect(sets[0]).toMatchObject({ path: join(folder, 'a.jsonl'), bytes: 7, isPinned: false })
    expect(sets[0]?.modifiedAt).toBe(Math.round(statSync(join(folder, 'a.jsonl')).mtimeMs))
  })

  test('count a file that is being compressed once', async () => {
    write('a.1.jsonl', 100)
    write('a.1.jsonl.gz', 10)
    write('a.1.jsonl.gz.part', 5)
    write('a.jsonl')

    const [set] = await listCaptureSets(folder)

    expect(set?.files.map(({ name }) => name)).toEqual(['a.1.jsonl', 'a.jsonl'])
  })

  test('are no links and no folders, and none where there is no folder', async () => {
    mkdirSync(join(folder, 'folder.jsonl'))
    symlinkSync('/etc/passwd', join(folder, 'link.jsonl'))

    expect(await listCaptureSets(folder)).toEqual([])
    expect(await listCaptureSets(join(folder, 'none'))).toEqual([])
  })
})

describe('a capture', () => {
  test('is found by its name or by any file of it, and by nothing outside of its folder', async () => {
    write('a.jsonl')
    write('a.1.jsonl.gz')
    const sets = await listCaptureSets(folder)
    const find = (text: string): string => findCaptureSet(sets, folder, text).name

    for (const text of ['a', 'a.jsonl', 'a.1.jsonl.gz', join(folder, 'a.jsonl')]) {
      expect(find(text)).toBe('a')
    }
    for (const text of ['', '.', '..', '../a', '/etc/passwd', 'A', `${folder}/../a.jsonl`, 'b']) {
      expect(() => find(text)).toThrow(expect.objectContaining({ code: 'ERR_CAPTURE_UNKNOWN' }))
    }
  })

  test('is pinned and unpinned, as often as one likes', async () => {
    write('a.jsonl')
    const pinned = async (): Promise<boolean | undefined> =>
      (await listCaptureSets(folder))[0]?.isPinned
    const [set] = await listCaptureSets(folder)
    if (set === undefined) throw new Error('none')

    await pinCapture(folder, set)
    await pinCapture(folder, set)
    expect(await pinned()).toBe(true)

    await unpinCapture(folder, set)
    await unpinCapture(folder, set)
    expect(await pinned()).toBe(false)
  })

  test('is known by any of its files', async () => {
    write('a.jsonl')
    write('a.1.jsonl')

    expect((await captureSetOf(join(folder, 'a.1.jsonl')))?.name).toBe('a')
    expect(await captureSetOf(join(folder, 'b.jsonl'))).toBeUndefined()
    expect(await captureSetOf(join(folder, 'none', 'b.jsonl'))).toBeUndefined()
  })
})
