import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readMedia, sampleOf } from '../../../analyzers/wire/media.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')
const u32le = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const png = hex('89504e470d0a1a0a 0000000d 49484452 00000400 00000300 0806000000')
const gif = hex('474946383961 8002 e001 00 00 00')
// A comment, a table, then a progressive frame header of 600 by 800.
const jpeg = hex('ffd8 fffe 0006 61626364 ffdb 0003 00 ffc2 0011 08 0258 0320 03 000000000000')
const webpLossy = Buffer.concat([
  ascii('RIFF....WEBPVP8 ....'),
  hex('000000 9d012a 2003 5802 0000'),
])
const webpLossless = Buffer.concat([
  ascii('RIFF....WEBPVP8L....'),
  hex('2f'),
  u32le(799 | (599 << 14)),
  Buffer.alloc(8),
])
const webpExtended = Buffer.concat([ascii('RIFF....WEBPVP8X....'), hex('10000000 1f0300 570200')])

/** One second of 16-bit mono sound at 8 kHz; `dataLength` as its header says it. */
function wave(dataLength: number): Buffer {
  const format = Buffer.concat([hex('0100 0100'), u32le(8_000), u32le(16_000), hex('0200 1000')])
  const head = [ascii('RIFF....WAVE'), ascii('LIST'), u32le(3), ascii('abc\0'), ascii('fmt ')]
  return Buffer.concat([
    ...head,
    u32le(16),
    format,
    ascii('data'),
    u32le(dataLength),
    Buffer.alloc(16_000),
  ])
}

function ogg(first: Buffer, position: bigint): Buffer {
  const page = (granule: bigint, payload: Buffer): Buffer => {
    const head = Buffer.alloc(27)
    head.write('OggS', 0, 'latin1')
    head.writeBigInt64LE(granule, 6)
    head[26] = 1
    return Buffer.concat([head, Buffer.from([payload.length]), payload])
  }
  return Buffer.concat([page(0n, first), page(position, Buffer.alloc(50))])
}
const opus = ogg(Buffer.concat([ascii('OpusHead'), hex('01 01 3801 80bb0000 0000 00')]), 96_312n)
const vorbis = ogg(
  Buffer.concat([ascii('\u0001vorbis'), hex('00000000 02'), u32le(44_100)]),
  44_100n,
)
// 4,096 samples a block, 44,100 Hz, 88,200 samples.
const flac = Buffer.concat([
  ascii('fLaC'),
  hex('00000022 1000 1000 000000 000000 0ac442f0 00015888'),
])
// MPEG 1 layer 3, 128 kbit/s, 44,100 Hz.
const mp3 = Buffer.concat([hex('fffb9000'), Buffer.alloc(15_996)])
const tagged = Buffer.concat([ascii('ID3'), hex('0300 00 00000101'), Buffer.alloc(129), mp3])
const counted = Buffer.concat([
  hex('fffb9000'),
  Buffer.alloc(32),
  ascii('Xing'),
  hex('00000001 00000064'),
])

describe('a picture', () => {
  test.each([
    ['PNG', png, { mediaType: 'image/png', width: 1024, height: 768 }],
    ['GIF', gif, { mediaType: 'image/gif', width: 640, height: 480 }],
    ['JPEG', jpeg, { mediaType: 'image/jpeg', width: 800, height: 600 }],
    ['lossy WebP', webpLossy, { mediaType: 'image/webp', width: 800, height: 600 }],
    ['lossless WebP', webpLossless, { mediaType: 'image/webp', width: 800, height: 600 }],
    ['extended WebP', webpExtended, { mediaType: 'image/webp', width: 800, height: 600 }],
  ])('tells its size: %s', (_what, bytes, facts) => {
    expect(readMedia(sampleOf(bytes))).toEqual(facts)
  })

  test('that is cut off is known by its type alone', () => {
    expect(readMedia(sampleOf(png.subarray(0, 20)))).toEqual({ mediaType: 'image/png' })
    expect(readMedia(sampleOf(jpeg.subarray(0, 20)))).toEqual({ mediaType: 'image/jpeg' })
  })
})

describe('a sound', () => {
  test.each([
    ['WAV', wave(16_000), { mediaType: 'audio/wav', durationMs: 1000 }],
    ['WAV of unknown length', wave(0xffffffff), { mediaType: 'audio/wav', durationMs: 1000 }],
    ['Opus', opus, { mediaType: 'audio/ogg', durationMs: 2000 }],
    ['Vorbis', vorbis, { mediaType: 'audio/ogg', durationMs: 1000 }],
    ['FLAC', flac, { mediaType: 'audio/flac', durationMs: 2000 }],
    ['MP3', mp3, { mediaType: 'audio/mpeg', durationMs: 1000 }],
    ['MP3 behind a tag', tagged, { mediaType: 'audio/mpeg', durationMs: 1000 }],
    ['MP3 that counts its frames', counted, { mediaType: 'audio/mpeg', durationMs: 2612 }],
  ])('tells its length: %s', (_what, bytes, facts) => {
    expect(readMedia(sampleOf(bytes))).toEqual(facts)
  })
})

test('other bytes are of no known kind', () => {
  for (const text of ['', 'RIFF', 'hello', '\u00ff\u00fe\u0000\u0000', '{"a":1}']) {
    expect(readMedia(sampleOf(ascii(text)))).toBeUndefined()
  }
})

test('damaged and cut files never throw, and give only whole numbers', () => {
  const files = [png, gif, jpeg, webpLossy, webpLossless, webpExtended, wave(16_000), opus, vorbis]
  fc.assert(
    fc.property(
      fc.constantFrom(...files, flac, mp3, tagged, counted),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.nat(400),
      (file, changes, length) => {
        const damaged = Buffer.from(file)
        for (const [at, value] of changes) damaged[at % damaged.length] = value
        const { mediaType: _type, ...numbers } =
          readMedia(sampleOf(damaged.subarray(0, length))) ?? {}
        for (const value of Object.values(numbers)) {
          expect(Number.isSafeInteger(value) && value >= 0).toBe(true)
        }
      },
    ),
    { numRuns: 2_000 },
  )
})
