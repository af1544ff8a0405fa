import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  checkPrivateDirectory,
  closeDirectory,
  createPrivateDirectory,
  readPrivateFile,
  readPublicFile,
  writeInOneStep,
  writePrivateFile,
} from '../../ca/private-files.ts'
import { runTool, scratchDirectory } from './external-tools.ts'

const windows = process.platform === 'win32'
const isRoot = process.getuid?.() === 0
let scratch: ReturnType<typeof scratchDirectory>
beforeEach(() => {
  scratch = scratchDirectory()
})
afterEach(() => scratch.remove())
const at = (name: string): string => join(scratch.path, name)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe.skipIf(windows)('private files', () => {
  it.each(['000', '022', '077', '277'])('get their exact modes under umask %s', async (umask) => {
    const script = `
      import { createPrivateDirectory, writeInOneStep, writePrivateFile } from '${new URL('../../ca/private-files.ts', import.meta.url).href}'
      await createPrivateDirectory(process.argv[1])
      await writePrivateFile(process.argv[1] + '/secret', 'x', 'exclusive')
      await writeInOneStep(process.argv[1] + '/public', 'x', 0o644, 'replace')`
    const command = `umask ${umask}; exec "$0" --input-type=module -e "$1" "$2"`

    const made = await runTool('sh', ['-c', command, process.execPath, script, at('a')])

    expect(made).toEqual({ code: 0, output: '' })
    expect(modeOf(at('a'))).toBe('700')
    expect(modeOf(at('a/secret'))).toBe('600')
    expect(modeOf(at('a/public'))).toBe('644')
  })

  it('come into being complete, and leave no temporary file', async () => {
    expect(await writePrivateFile(at('f'), 'one', 'exclusive')).toBe(true)
    expect(await writePrivateFile(at('f'), 'two', 'exclusive')).toBe(false)
    expect(readFileSync(at('f'), 'utf8')).toBe('one')
    expect(await writePrivateFile(at('f'), 'three', 'replace')).toBe(true)

    expect(readFileSync(at('f'), 'utf8')).toBe('three')
    expect(readdirSync(scratch.path)).toEqual(['f'])
    expect(statSync(at('f')).nlink).toBe(1)
  })

  it('have exactly one winner when many are placed exclusively at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => writePrivateFile(at('f'), `${index}`, 'exclusive')),
    )

    expect(results.filter((won) => won)).toHaveLength(1)
    expect(readFileSync(at('f'), 'utf8')).toBe(String(results.indexOf(true)))
  })

  it('replace a symbolic link instead of following it', async () => {
    writeFileSync(at('target'), 'untouched')
    symlinkSync(at('target'), at('link'))

    expect(await writePrivateFile(at('link'), 'new', 'exclusive')).toBe(false)
    await writePrivateFile(at('link'), 'new', 'replace')

    expect(readFileSync(at('target'), 'utf8')).toBe('untouched')
    expect(readFileSync(at('link'), 'utf8')).toBe('new')
  })

  it('are read only when nobody else can reach them', async () => {
    writeFileSync(at('f'), 'secret', { mode: 0o600 })
    expect(await readPrivateFile(at('f'))).toBe('secret')
    for (const mode of [0o640, 0o604, 0o620, 0o610]) {
      chmodSync(at('f'), mode)
      await expect(readPrivateFile(at('f'))).rejects.toMatchObject({
        code: 'ERR_CA_MODE',
        details: { path: at('f'), mode: `0${mode.toString(8)}`, wanted: '600' },
      })
    }
    expect(await readPublicFile(at('f'))).toBe('secret')
    expect(await readPrivateFile(at('missing'))).toBeUndefined()
  })

  it('are refused when they are links, folders, pipes or far too large', async () => {
    writeFileSync(at('f'), 'x', { mode: 0o600 })
    symlinkSync(at('f'), at('link'))
    symlinkSync(at('nowhere'), at('dangling'))
    mkdirSync(at('folder'), { mode: 0o700 })
    await runTool('mkfifo', ['-m', '600', at('pipe')])
    writeFileSync(at('large'), Buffer.alloc(1024 * 1024 + 1), { mode: 0o600 })

    for (const name of ['link', 'dangling', 'folder', 'pipe', 'large']) {
      await expect(readPrivateFile(at(name))).rejects.toMatchObject({ code: 'ERR_CA_UNUSABLE' })
    }
  })

  it.skipIf(!isRoot)('are refused when they belong to another user (needs root)', async () => {
    writeFileSync(at('f'), 'x', { mode: 0o600 })
    chownSync(at('f'), 12_345, 12_345)
    mkdirSync(at('d'), { mode: 0o700 })
    chownSync(at('d'), 12_345, 12_345)

    await expect(readPrivateFile(at('f'))).rejects.toThrow('another user (id 12345)')
    await expect(checkPrivateDirectory(at('d'))).rejects.toThrow('another user')
    await expect(closeDirectory(at('d'))).rejects.toThrow('another user')
  })

  it('report a place that cannot be written to', async () => {
    writeFileSync(at('file'), '')
    const failure = { code: 'ERR_HOME_UNWRITABLE' }

    await expect(createPrivateDirectory(at('file/below'))).rejects.toMatchObject(failure)
    await expect(writePrivateFile(at('no/f'), '', 'replace')).rejects.toMatchObject(failure)
    await expect(writeInOneStep(at('no/f'), '', 0o644, 'replace')).rejects.toMatchObject(failure)
  })
})

describe.skipIf(windows)('private folders', () => {
  it('are made with their parents, for the owner alone', async () => {
    await createPrivateDirectory(at('a/b/c'))

    for (const path of ['a', 'a/b', 'a/b/c']) expect(modeOf(at(path))).toBe('700')
    expect(await checkPrivateDirectory(at('a/b/c'))).toBe(true)
    expect(await checkPrivateDirectory(at('missing'))).toBe(false)
  })

  it('are refused, and not silently repaired, when others may enter', async () => {
    mkdirSync(at('open'))
    chmodSync(at('open'), 0o755)

    await createPrivateDirectory(at('open'))

    await expect(checkPrivateDirectory(at('open'))).rejects.toMatchObject({
      code: 'ERR_CA_MODE',
      details: { path: at('open'), mode: '0755', wanted: '700' },
    })
    await closeDirectory(at('open'))
    expect(modeOf(at('open'))).toBe('700')
  })

  it('are refused as symbolic links, and as files', async () => {
    mkdirSync(at('real'), { mode: 0o700 })
    symlinkSync(at('real'), at('link'))
    linkSync(writeEmpty(at('file')), at('hard'))

    await expect(checkPrivateDirectory(at('link'))).rejects.toThrow('symbolic link')
    await expect(closeDirectory(at('link'))).rejects.toThrow('symbolic link')
    await expect(checkPrivateDirectory(at('hard'))).rejects.toThrow('not a folder')
    rmSync(at('real'), { recursive: true })
    expect(existsSync(at('link'))).toBe(false)
  })
})

function writeEmpty(path: string): string {
  writeFileSync(path, '')
  return path
}
