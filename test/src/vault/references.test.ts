import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { problemOfReference, References, variableOf } from '../../../src/vault/references.ts'

let folder = ''
let nowMs = 0
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-references-'))
  nowMs = 0
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const env = { PATH: process.env['PATH'], THE_KEY: 'of-env', SECRET_ENCRYPTION_KEY: 'k' }
const open = (timeoutMs?: number): References =>
  new References({
    env,
    monotonicMs: () => nowMs,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })

describe('a reference', () => {
  test('to a variable, a file or a command gives what stands there', async () => {
    const path = join(folder, 'key')
    await writeFile(path, 'of-file\r\n')
    const references = open()

    expect(await references.resolve('env://THE_KEY')).toBe('of-env')
    expect(await references.resolve(`file://${path}`)).toBe('of-file')
    expect(await references.resolve('cmd://echo "of $THE_KEY"')).toBe('of of-env')
  })

  test('is followed once for all who ask at a time, and again after half a minute', async () => {
    const references = open()
    const count = join(folder, 'count')
    const reference = `cmd://echo x >> ${count}; wc -l < ${count} | tr -d ' '`

    const first = await Promise.all([references.resolve(reference), references.resolve(reference)])
    nowMs = 29_999
    const second = await references.resolve(reference)
    nowMs = 30_001
    const third = await references.resolve(reference)

    expect([...first, second, third]).toEqual(['1', '1', '1', '2'])
  })

  test('that failed is followed again, and tells nothing of what was written', async () => {
    const references = open()
    const path = join(folder, 'late')
    const failing = references.resolve(`cmd://echo CANARY; echo CANARY >&2; cat ${path}`)

    await expect(failing).rejects.toThrow(/^its command ended with exit code 1$/u)
    await writeFile(path, 'now')
    expect(await references.resolve(`cmd://cat ${path}`)).toBe('now')
  })

  test('to a command that never ends, or whose children do not, is given up', async () => {
    await expect(open(300).resolve('cmd://sleep 60')).rejects.toThrow('longer than 300 ms')
    await expect(open(300).resolve('cmd://sleep 60 & echo x')).rejects.toThrow('longer than')
  })

  test('is no way to the keys of the vault', async () => {
    const key = 'cmd://echo "<$SECRET_ENCRYPTION_KEY>"'
    expect(await open().resolve(key)).toBe('<>')
  })

  test.each([
    ['env://NOT_SET', 'NOT_SET is not set'],
    ['file:///no/such/file', 'its file cannot be read: ENOENT'],
    ['file:///dev/null/x', 'its file cannot be read'],
    ['file:///dev/zero', 'no regular file'],
    ['cmd://head -c 70000 /dev/zero', 'more than 64 KiB'],
    ['cmd://no-such-command-anywhere', 'exit code 127'],
  ])('%s leads nowhere: %s', async (reference, problem) => {
    await expect(open().resolve(reference)).rejects.toThrow(problem)
  })

  test.runIf(process.platform !== 'win32')('to a pipe does not wait for it', async () => {
    const path = join(folder, 'pipe')
    await open().resolve(`cmd://mkfifo ${path}`)

    await expect(open().resolve(`file://${path}`)).rejects.toThrow('no regular file')
  })
})

test.each([
  ['env://THE_KEY', true],
  ['env://1X', false],
  ['env://A B', false],
  ['file:///a/b', true],
  ['file://a/b', false],
  ['cmd://pass show x', true],
  ['cmd://', false],
  ['cmd://a\nb', false],
  ['op://vault/item/field', true],
  ['op://vault', false],
  ['https://x', false],
  ['THE_KEY', false],
])('%j is one that can be tried: %s', (text, canBe) => {
  expect(problemOfReference(text) === undefined).toBe(canBe)
})

test('the variable of a reference is known, so that it can be kept from others', () => {
  expect(variableOf('env://THE_KEY')).toBe('THE_KEY')
  expect(variableOf('file:///THE_KEY')).toBeUndefined()
})
