import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { fc, test as property } from '@fast-check/vitest'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { scanLines } from '../../../src/capture/scan-lines.ts'

let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-scan-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

async function scan(path: string, from = 0): Promise<Array<[number, number, string]>> {
  const found: Array<[number, number, string]> = []
  for await (const lines of scanLines(path, from)) {
    for (const { at, end, split } of lines) {
      found.push([at, end, split.ok ? split.bytes.toString() : `#${split.length}`])
    }
  }
  return found
}

const texts = fc.array(
  fc
    .oneof(fc.string({ unit: 'binary' }), fc.constant('x'.repeat(300_000)))
    .map((text) => text.replaceAll('\n', ' ')),
  { maxLength: 8 },
)

property.prop(
  [texts, fc.string().map((text) => text.replaceAll('\n', ' ')), fc.boolean(), fc.nat()],
  { numRuns: 40 },
)(
  'lines stand where they say, from any of them on, plain or compressed',
  async (lines, rest, isCompressed, start) => {
    const bytes = Buffer.from(`${lines.map((line) => `${line}\n`).join('')}${rest}`)
    const path = join(folder, isCompressed ? 'a.jsonl.gz' : 'a.jsonl')
    writeFileSync(path, isCompressed ? gzipSync(bytes) : bytes)

    const found = await scan(path)

    expect(found.map(([, , text]) => text)).toEqual(
      lines.map((line) => Buffer.from(line).toString()),
    )
    for (const [at, end, text] of found) {
      expect(bytes.subarray(at, end).toString()).toBe(`${text}\n`)
    }
    const from = found[start % Math.max(1, found.length)]?.[0] ?? 0
    expect(await scan(path, from)).toEqual(found.filter(([at]) => at >= from))
  },
)

test('a compressed file that breaks off ends there', async () => {
  const path = join(folder, 'cut.jsonl.gz')
  const whole = gzipSync(
    Buffer.from(Array.from({ length: 5000 }, (_, at) => `line ${at}\n`).join('')),
  )
  writeFileSync(path, whole.subarray(0, whole.length / 2))

  const found = await scan(path)

  expect(found.length).toBeLessThan(5000)
  expect(found.map(([, , text]) => text)).toEqual(found.map((_, at) => `line ${at}`))
})

test('a file that is not there is an error with its code', async () => {
  await expect(scan(join(folder, 'none.jsonl'))).rejects.toMatchObject({
    code: 'ERR_CAPTURE_UNREADABLE',
  })
})
