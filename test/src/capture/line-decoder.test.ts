import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { decodeSplitLine } from '../../../src/capture/line-decoder.ts'

function decodeText(text: string) {
  return decodeSplitLine({ ok: true, bytes: Buffer.from(text) })
}

property.prop([fc.uint8Array({ maxLength: 200 })])('never throws at arbitrary bytes', (bytes) => {
  const decoded = decodeSplitLine({ ok: true, bytes: Buffer.from(bytes) })

  expect(decoded === undefined || typeof decoded.ok === 'boolean').toBe(true)
})

test('reads a line behind a byte order mark and before a carriage return', () => {
  expect(decodeText('\ufeff{"kind":"blob"}\r')).toMatchObject({ ok: true, type: 'unknown' })
})

test('has nothing to say about a blank line', () => {
  expect(decodeText(' \t\r')).toBeUndefined()
})

test('says how long a line was that is too long', () => {
  expect(decodeSplitLine({ ok: false, length: 77 })).toMatchObject({
    ok: false,
    problem: 'the line is too long to read (77 bytes)',
  })
})
