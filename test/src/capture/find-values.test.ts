import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { FileScan } from '../../../src/capture/find-values.ts'
import { findValuesIn } from '../../../src/capture/find-values.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'

const value = 'sk-test-0123456789abcdef'
let folder = ''
let values: ValueScanner
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-values-'))
  values = new ValueScanner(randomBytes(seedBytes))
  values.add('openai', value)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function scan(
  lines: readonly unknown[],
  pack = (text: Buffer): Buffer => text,
): Promise<FileScan> {
  const path = join(folder, 'capture.jsonl')
  const text = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
  await writeFile(path, pack(Buffer.from(text.join(''))))
  return findValuesIn(path, values)
}

const body = (exchangeId: string, over: object): object => ({
  kind: 'request-body',
  v: 1,
  exchangeId,
  ...over,
})

describe('a value that became a secret later', () => {
  test('is found with its line and exchange, in texts, blobs and names, and in compressed files', async () => {
    const lines = [
      { kind: 'request-started', exchangeId: 'x1', url: `https://a.example/?key=${value}` },
      { kind: 'blob', hash: 'h', text: `my key is ${value}` },
      { kind: 'model-answered', exchangeId: 'x2', [value]: 1 },
      body('x3', { base64: Buffer.from(`\0\xff${value}\0`, 'latin1').toString('base64') }),
      { kind: 'model-answered', exchangeId: 'x4', text: 'nothing' },
    ]
    const found = [
      { secretId: 'openai', lineNumber: 1, exchangeId: 'x1' },
      { secretId: 'openai', lineNumber: 2, exchangeId: undefined },
      { secretId: 'openai', lineNumber: 3, exchangeId: 'x2' },
      { secretId: 'openai', lineNumber: 4, exchangeId: 'x3' },
    ]

    expect(await scan(lines)).toEqual({ found, unread: 0 })
    expect(await scan(lines, (text) => gzipSync(text))).toEqual({ found, unread: 0 })
  })

  test('is found where it was split over pieces of one body, at any byte, and once', async () => {
    for (let at = 1; at < value.length; at += 1) {
      const [head, tail] = [value.slice(0, at), value.slice(at)]
      const { found } = await scan([
        body('x1', { text: `a ${head}` }),
        body('x2', { text: 'of another' }),
        body('x1', { base64: Buffer.from(`${tail} z`).toString('base64') }),
        body('x1', { text: ' and what follows' }),
      ])
      expect(found).toEqual([{ secretId: 'openai', lineNumber: 3, exchangeId: 'x1' }])
    }
  })

  test('is found where the capture cut a body into blobs, at any byte', async () => {
    for (let at = 1; at < value.length; at += 1) {
      const blobs = [`a ${value.slice(0, at)}`, `${value.slice(at)} z`, 'other']
      const { found } = await scan([
        ...blobs.map((text, index) => ({ kind: 'blob', hash: `h${index}`, text })),
        body('x1', { refs: ['h2', 'h0', 'h1'] }),
        body('x2', { refs: ['h1', 'h0'] }),
        body('x3', { refs: ['h0', 'gone', 'h1'] }),
        body('x4', { refs: ['h0'] }),
        body('x4', { refs: ['h1'] }),
      ])
      expect(found).toEqual([
        { secretId: 'openai', lineNumber: 4, exchangeId: 'x1' },
        { secretId: 'openai', lineNumber: 8, exchangeId: 'x4' },
      ])
    }
  })

  test('is not made of the bodies of two exchanges, nor of two directions', async () => {
    const [head, tail] = [value.slice(0, 9), value.slice(9)]
    const lines = [
      body('x1', { text: head }),
      body('x2', { text: tail }),
      { ...body('x1', { text: tail }), kind: 'response-body' },
    ]

    expect((await scan(lines)).found).toEqual([])
  })

  test('is looked for in a last line that was cut off, too', async () => {
    const path = join(folder, 'cut.jsonl')
    const text = `{"kind":"a"}\n{"kind":"request-body","text":"${value}`
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      await writeFile(path, bytes)
      expect(await findValuesIn(path, values)).toMatchObject({ found: [{ lineNumber: 2 }] })
    }
  })

  test('is looked for in lines that are damaged, too', async () => {
    const { found } = await scan([`{"kind":"request-body","text":"${value}`, 'null', '[]', '7'])

    expect(found).toMatchObject([{ lineNumber: 1 }])
  })
})
