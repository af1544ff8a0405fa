import { expect, test } from 'vitest'

import {
  attachBytes,
  attachedBytes,
  bytesOf,
  detachBytes,
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
