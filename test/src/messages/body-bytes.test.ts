import { expect, test } from 'vitest'

import { createContentDecoder } from '../../../src/base/content-decoder.ts'
import {
  attachBytes,
  attachedBytes,
  bytesOf,
  decodedOf,
  detachBytes,
  shareDecoded,
} from '../../../src/messages/body-bytes.ts'

test('the bytes of a message are decoded where none are attached', () => {
  expect(bytesOf({ text: 'é' })).toEqual(Buffer.from('é'))
  expect(bytesOf({ base64: '/w==' })).toEqual(Buffer.of(0xff))
  expect(attachedBytes({ text: 'é' })).toBeUndefined()
})

test('attached bytes are given as they are, until they are detached', () => {
  const msg = { text: 'abc' }
  const bytes = Buffer.from('abc')

  attachBytes(msg, { bytes, pieceEnds: [3] })

  expect(bytesOf(msg)).toBe(bytes)
  expect(attachedBytes(msg)).toEqual({ bytes, pieceEnds: [3] })
  detachBytes(msg)
  expect(bytesOf(msg)).not.toBe(bytes)
  expect(bytesOf(msg)).toEqual(bytes)
})

test('bytes are decoded once for all who ask while the message is with them', () => {
  const msg = { text: 'abc' }
  const first = bytesOf(msg)

  expect(bytesOf(msg)).toBe(first)
  expect(attachedBytes(msg)).toBeUndefined()
  expect(bytesOf({ text: 'abc' })).not.toBe(first)
})

test('what one has decoded is there for the next, for that message and while it is with them', () => {
  const [msg, other] = [{ text: 'abc' }, { text: 'abc' }]
  const decoded = { decoder: createContentDecoder(['gzip']), bytes: Buffer.from('abc') }

  shareDecoded(msg, decoded)

  expect(decodedOf(msg)).toBe(decoded)
  expect(decodedOf(other)).toBeUndefined()
  detachBytes(msg)
  expect(decodedOf(msg)).toBeUndefined()
  attachBytes(other, { bytes: Buffer.from('abc'), decoded })
  expect(decodedOf(other)).toBe(decoded)
})
