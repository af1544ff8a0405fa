import { randomBytes } from 'node:crypto'
import { constants, deflateRawSync } from 'node:zlib'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { MessageInflater } from '../../../src/proxy/websocket-inflater.ts'
import type { InflaterOptions } from '../../../src/proxy/websocket-inflater.ts'
import { createCompressor } from '../../support/websocket-wire.ts'

const kibibyte = 1024

function inflater(over: Partial<InflaterOptions> = {}): MessageInflater {
  return new MessageInflater({
    keepsContext: true,
    maxBytes: 64 * kibibyte,
    maxSkippedBytes: 256 * kibibyte,
    maxWastedBytes: 512 * kibibyte,
    ...over,
  })
}

function text(from: MessageInflater, payload: Buffer): string {
  const inflated = from.inflate(payload)
  return inflated.ok ? inflated.bytes.toString() : JSON.stringify(inflated)
}

/** Zeros, as they go over the wire. */
function bomb(bytes: number): Buffer {
  return deflateRawSync(Buffer.alloc(bytes), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(
    0,
    -4,
  )
}

describe('compressed messages', () => {
  test('refer back to what earlier ones said', async () => {
    const compressor = createCompressor()
    const reader = inflater()
    const phrase = randomBytes(500).toString('hex')
    const first = await compressor.deflate(phrase)
    const second = await compressor.deflate(`again ${phrase}`)

    expect(second.length).toBeLessThan(50)
    expect(text(reader, first)).toBe(phrase)
    expect(text(reader, second)).toBe(`again ${phrase}`)
  })

  test('refer back no further than 32 KiB, over messages of any size', async () => {
    const compressor = createCompressor()
    const reader = inflater()
    const noise = randomBytes(30 * kibibyte).toString('latin1')
    const messages = [
      'a',
      noise.slice(0, 9),
      noise,
      noise.slice(100, 300),
      'b',
      noise,
      noise.slice(-9),
    ]

    for (const message of messages) {
      expect(text(reader, await compressor.deflate(message))).toBe(message)
    }
  })

  test.each([9, 10, 15])(
    'of a window of %i bits are read with the largest one',
    async (windowBits) => {
      const compressor = createCompressor({ windowBits })
      const reader = inflater()
      const message = 'one and the same '.repeat(200)

      for (let index = 0; index < 5; index += 1) {
        expect(text(reader, await compressor.deflate(message + index))).toBe(message + index)
      }
    },
  )

  test('that are empty are empty', () => {
    expect(text(inflater(), Buffer.of(0))).toBe('')
    expect(text(inflater(), Buffer.alloc(0))).toBe('')
  })

  test('from the RFC are read as it says', () => {
    const reader = inflater()
    const hello = [
      // RFC 7692 §7.2.3.1 and §7.2.3.2: twice the same, the second from the window.
      'f248cdc9c90700',
      'f200110000',
      // §7.2.3.3: a block without compression.
      '000500faff48656c6c6f00',
      // §7.2.3.4: a last block, with its padding.
      'f348cdc9c9070000',
      // §7.2.3.5: two blocks.
      'f248050000 00ffffcac9c90700',
    ].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'))

    expect(hello.map((payload) => text(reader, payload))).toEqual(Array.from(hello, () => 'Hello'))
  })

  test('of several streams, each with its last block, are read', () => {
    const parts = ['one', ' two', ' three'].map((part) => deflateRawSync(part))

    expect(text(inflater(), Buffer.concat(parts))).toBe('one two three')
    expect(text(inflater(), Buffer.concat([...parts, Buffer.of(0)]))).toBe('one two three')
  })

  test('of several streams may refer back to an earlier one', () => {
    const phrase = randomBytes(200)
    const second = deflateRawSync(phrase, { dictionary: phrase })

    const inflated = inflater().inflate(Buffer.concat([deflateRawSync(phrase), second]))

    expect(second.length).toBeLessThan(20)
    expect(inflated.ok && inflated.bytes.equals(Buffer.concat([phrase, phrase]))).toBe(true)
  })

  property.prop([
    fc.array(
      fc.oneof(fc.string({ maxLength: 400 }), fc.constantFrom('x'.repeat(40_000), '{"a":1}')),
      {
        maxLength: 12,
      },
    ),
    fc.boolean(),
    fc.integer({ min: 9, max: 15 }),
  ])('of any text come out as they went in', async (messages, keepsContext, windowBits) => {
    const compressor = createCompressor({ keepsContext, windowBits })
    const reader = inflater({ keepsContext })

    for (const message of messages) {
      expect(text(reader, await compressor.deflate(message))).toBe(message)
    }
  })
})

describe('what is not a compressed message', () => {
  test.each([
    ['noise', Buffer.from('ffffffff', 'hex')],
    ['a reference to before the beginning', Buffer.from('f200110000', 'hex')],
    ['a message that was cut', Buffer.from('f248cdc9', 'hex')],
    ['a stream with something after it', Buffer.concat([deflateRawSync('x'), Buffer.from('rest')])],
    ['streams without end', Buffer.concat(Array.from({ length: 100 }, () => deflateRawSync('x')))],
  ])('%s says so', (_name, payload) => {
    expect(inflater().inflate(payload)).toMatchObject({
      ok: false,
      isTooLarge: false,
      problem: expect.stringMatching(/cannot be read|too many parts/u),
    })
  })

  property.prop([fc.uint8Array({ maxLength: 300 })])('never throws, whatever it is', (payload) => {
    const inflated = inflater().inflate(Buffer.from(payload))

    expect(inflated.ok ? inflated.bytes.length : 0).toBeLessThanOrEqual(64 * kibibyte)
  })
})

describe('a message that expands to too much', () => {
  test('is left out, and the next one is read, even if it refers back to it', async () => {
    const compressor = createCompressor()
    const reader = inflater()
    const large = `${'a'.repeat(100 * kibibyte)}the end of it`

    expect(reader.inflate(await compressor.deflate(large))).toEqual({ ok: false, isTooLarge: true })
    expect(text(reader, await compressor.deflate('the end of it, again'))).toBe(
      'the end of it, again',
    )
  })

  test('of exactly the bound is read', () => {
    const inflated = inflater({ keepsContext: false }).inflate(bomb(64 * kibibyte))

    expect(inflated.ok && inflated.bytes.length).toBe(64 * kibibyte)
  })

  test('and more than is worth inflating ends the reading', () => {
    expect(inflater().inflate(bomb(300 * kibibyte))).toMatchObject({
      isTooLarge: true,
      problem: expect.stringContaining('refer back'),
    })
  })

  test('ends nothing where no message refers back', () => {
    const reader = inflater({ keepsContext: false })

    expect(reader.inflate(bomb(300 * kibibyte))).toEqual({ ok: false, isTooLarge: true })
    expect(reader.inflate(undefined)).toEqual({ ok: false, isTooLarge: true })
    expect(text(reader, bomb(3))).toBe('\0\0\0')
  })

  test('and was not kept ends the reading where the next may refer back to it', () => {
    expect(inflater().inflate(undefined)).toMatchObject({
      isTooLarge: true,
      problem: expect.stringContaining('refer back'),
    })
  })

  test.each([
    [true, 100, 6],
    [false, 300, 9],
  ])('again and again ends the reading (context %s)', (keepsContext, size, times) => {
    const reader = inflater({ keepsContext })
    const payload = bomb(size * kibibyte)
    for (let time = 1; time < times; time += 1) {
      expect(reader.inflate(payload)).toEqual({ ok: false, isTooLarge: true })
    }

    expect(reader.inflate(payload)).toMatchObject({
      isTooLarge: true,
      problem: expect.stringContaining('again and again'),
    })
  })
})
