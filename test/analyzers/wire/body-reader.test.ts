import { brotliCompressSync, gzipSync } from 'node:zlib'

import { assert, array, boolean, constantFrom, integer, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'

import type { BodyReader } from '../../../analyzers/wire/body-reader.ts'
import { createBodyReader } from '../../../analyzers/wire/body-reader.ts'
import type { HeaderPairs } from '../../../src/messages/schema.ts'
import type { MsgOf } from '../../../src/messages/schema.ts'

const plain = Buffer.from('{"words":"one two three, and the same again and again"}'.repeat(20))
const bodies: Readonly<Record<string, Buffer>> = {
  '': plain,
  gzip: gzipSync(plain),
  br: brotliCompressSync(plain),
  'br, gzip': gzipSync(brotliCompressSync(plain)),
  unknown: plain,
  'gzip cut off': gzipSync(plain).subarray(0, -20),
  'gzip damaged': gzipSync(plain).fill(7, 40),
}

function messagesOf(body: Buffer, size: number): Array<MsgOf<'response-body'>> {
  const messages: Array<MsgOf<'response-body'>> = []
  for (let offset = 0; offset < body.length; offset += size) {
    const base64 = body.subarray(offset, offset + size).toString('base64')
    const exchangeId = 'x1'
    messages.push({ v: 1, seq: offset, at: 0, exchangeId, kind: 'response-body', offset, base64 })
  }
  return messages
}

const read = (reader: BodyReader, messages: ReadonlyArray<MsgOf<'response-body'>>): Buffer =>
  Buffer.concat(messages.map((msg) => reader.push(msg)))

test('readers that are shown each message in turn say what one alone says', () => {
  const names = Object.keys(bodies)
  assert(
    property(
      constantFrom(...names),
      integer({ min: 1, max: 400 }),
      array(boolean(), { maxLength: 12 }),
      boolean(),
      (name, size, lost, isEnded) => {
        const body = bodies[name] ?? plain
        const headers: HeaderPairs = [['Content-Encoding', name.split(' ')[0] ?? '']]
        const told = messagesOf(body, size).filter((_, index) => lost[index] !== true)
        const sentBytes = isEnded ? body.length : undefined
        const alone = createBodyReader(headers)
        const expected = { bytes: read(alone, told), end: alone.end(sentBytes) }

        const readers = [1, 2, 3].map(() => createBodyReader(headers))
        const heard = readers.map(() => [] as Uint8Array[])
        for (const msg of messagesOf(body, size).filter((_, index) => lost[index] !== true)) {
          for (const [index, reader] of readers.entries()) heard[index]?.push(reader.push(msg))
        }

        for (const [index, reader] of readers.entries()) {
          const bytes = Buffer.concat(heard[index] ?? [])
          expect({ bytes, end: reader.end(sentBytes) }).toEqual(expected)
        }
      },
    ),
  )
})

test('a reader that is shown all messages after another did says the same', () => {
  for (const [name, body] of Object.entries(bodies)) {
    const headers: HeaderPairs = [['Content-Encoding', name.split(' ')[0] ?? '']]
    const messages = messagesOf(body, 50)
    const [first, second] = [createBodyReader(headers), createBodyReader(headers)]

    expect(read(second, messages)).toEqual(read(first, messages))
    expect(second.end(body.length)).toEqual(first.end(body.length))
  }
})

test('bytes are counted, and texts given, as the bytes would be', () => {
  const text = string({ unit: 'binary', minLength: 1, maxLength: 20 })
  assert(
    property(
      array(tuple(text, constantFrom('push', 'count', 'text')), { maxLength: 8 }),
      boolean(),
      constantFrom('', 'gzip'),
      (pieces, hasGap, coding) => {
        const headers: HeaderPairs = coding === '' ? [] : [['Content-Encoding', coding]]
        const [whole, mixed] = [createBodyReader(headers), createBodyReader(headers)]
        let offset = 0
        for (const [index, [piece, how]] of pieces.entries()) {
          const ids = { v: 1, seq: index, at: 0, exchangeId: 'x1' } as const
          const msg = { ...ids, kind: 'response-body', offset, text: piece } as const
          offset += Buffer.byteLength(piece) + Number(hasGap && index === 2)
          const bytes = Buffer.from(whole.push(msg))
          if (how === 'count') expect(mixed.count({ ...msg })).toBe(bytes.length)
          else {
            const given = how === 'text' ? mixed.pushText({ ...msg }) : undefined
            expect(Buffer.from(given ?? mixed.push({ ...msg }))).toEqual(bytes)
          }
          expect(mixed.wireBytes).toBe(whole.wireBytes)
        }
        expect(mixed.end(offset)).toEqual(whole.end(offset))
      },
    ),
  )
})
