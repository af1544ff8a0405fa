import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { makePrivateDirectory, placeSocket } from '../../../src/control/socket-place.ts'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'porthole-place-'))
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

describe('a private folder', () => {
  test('is made with the folders above it', async () => {
    await makePrivateDirectory(join(root, 'a', 'run'))

    expect(statSync(join(root, 'a', 'run')).mode & 0o777).toBe(0o700)
    expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700)
  })

  test('is closed to others where it was open', async () => {
    mkdirSync(join(root, 'run'))
    chmodSync(join(root, 'run'), 0o777)

    await makePrivateDirectory(join(root, 'run'))

    expect(statSync(join(root, 'run')).mode & 0o777).toBe(0o700)
  })

  test('is refused where a file stands', async () => {
    writeFileSync(join(root, 'run'), '')

    await expect(makePrivateDirectory(join(root, 'run'))).rejects.toThrow('is not a folder')
  })
})

describe('a socket', () => {
  const long = 'd'.repeat(100)

  test('stands in its folder where the path is short enough', async () => {
    expect(await placeSocket('/h/run', '1', root)).toBe('/h/run/1.sock')
  })

  test('of a long path stands in one folder for each home', async () => {
    const first = await placeSocket(`/${long}/run`, '1', root)
    const again = await placeSocket(`/${long}/run`, '2', root)
    const other = await placeSocket(`/${long}/other`, '1', root)

    expect(Buffer.byteLength(first)).toBeLessThanOrEqual(100)
    expect(again).toBe(first.replace('1.sock', '2.sock'))
    expect(other).not.toBe(first)
  })

  test('is refused where the folder is a link that another laid', async () => {
    const first = await placeSocket(`/${long}/run`, '1', root)
    const refuge = join(first, '..')
    rmSync(refuge, { recursive: true })
    mkdirSync(join(root, 'trap'), { mode: 0o700 })
    symlinkSync(join(root, 'trap'), refuge)

    await expect(placeSocket(`/${long}/run`, '1', root)).rejects.toThrow('is not a folder')
  })

  test('is refused where even the temporary folder is too deep', async () => {
    await expect(placeSocket(`/${long}/run`, '1', `/${long}`)).rejects.toThrow('too long')
  })

  test.skipIf(process.getuid?.() !== 0)(
    'is refused where the folder is another user’s',
    async () => {
      const refuge = join(await placeSocket(`/${long}/run`, '1', root), '..')
      const { chownSync } = await import('node:fs')
      chownSync(refuge, 65_534, 65_534)

      await expect(placeSocket(`/${long}/run`, '1', root)).rejects.toThrow('another user')
    },
  )
})
