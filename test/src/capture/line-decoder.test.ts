import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { BlobStore } from '../../../src/capture/blob-store.ts'
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

test('puts back what stands in blobs, and gives the line as it was live', () => {
  const blobs = new BlobStore(1000)
  const decode = (text: string) => decodeSplitLine({ ok: true, bytes: Buffer.from(text) }, blobs)
  const live = '{"v":1,"seq":1,"at":2,"kind":"request-body","text":"abab","offset":0}'

  expect(decode('{"kind":"blob","hash":"h","text":"ab"}')).toBeUndefined()
  const decoded = decode(live.replace('"text":"abab"', '"refs":["h","h"]'))

  expect(decoded).toMatchObject({ ok: true, type: 'message', msg: JSON.parse(live) })
  expect(decoded?.raw).toBe(live)
})

test('says what is wrong with a blob or a ref', () => {
  const blobs = new BlobStore(1000)
  const decode = (text: string) => decodeSplitLine({ ok: true, bytes: Buffer.from(text) }, blobs)

  expect(decode('{"kind":"blob","hash":"h"}')).toMatchObject({ ok: false })
  expect(
    decode('{"v":1,"seq":1,"at":2,"kind":"request-body","refs":["h"],"offset":0}'),
  ).toMatchObject({ ok: false, problem: 'a blob that it refers to is missing' })
})
