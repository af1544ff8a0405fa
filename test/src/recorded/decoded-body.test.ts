import { gzipSync } from 'node:zlib'

import { expect, test } from 'vitest'

import { decodeBody } from '../../../src/recorded/decoded-body.ts'

function body(bytes: Buffer, isCut = false): Parameters<typeof decodeBody>[0] {
  const half = Math.floor(bytes.length / 2)
  const chunks = [bytes.subarray(0, half), bytes.subarray(half)]
  return { chunks: chunks.map((piece) => ({ at: 1, bytes: piece })), bytes: bytes.length, isCut }
}

test('undoes the content coding that the header names', () => {
  const decoded = decodeBody(body(gzipSync('hello')), [['content-Encoding', 'gzip']])
  expect(decoded).toEqual({ bytes: Buffer.from('hello'), isWhole: true })
  expect(decodeBody(body(Buffer.from('hello')), [])).toEqual({
    bytes: Buffer.from('hello'),
    isWhole: true,
  })
})

test('says so where something is missing', () => {
  const packed = gzipSync('hello'.repeat(100))
  const headers = [['Content-Encoding', 'gzip']] as const
  expect(decodeBody(body(packed.subarray(0, 20)), headers).isWhole).toBe(false)
  expect(decodeBody(body(Buffer.from('hello'), true), []).isWhole).toBe(false)
  const bounded = decodeBody(body(Buffer.from('hello')), [], 2)
  expect(bounded).toEqual({ bytes: Buffer.from('he'), isWhole: false })
  expect(decodeBody(body(packed), headers, 10).isWhole).toBe(false)
})
