import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createContentDecoder, parseContentEncoding } from '../../../src/base/content-decoder.ts'

interface Sender {
  readonly name: string
  readonly encoding: string
  create(): Transform & { flush(kind: number, done: () => void): void }
  readonly flush: number
  encode(data: Uint8Array): Uint8Array
}

const { constants } = zlib
const senders: readonly Sender[] = [
  {
    name: 'gzip',
    encoding: 'gzip',
    create: zlib.createGzip,
    flush: constants.Z_SYNC_FLUSH,
    encode: (data) => zlib.gzipSync(data),
  },
  {
    name: 'deflate in zlib',
    encoding: 'deflate',
    create: zlib.createDeflate,
    flush: constants.Z_SYNC_FLUSH,
    encode: (data) => zlib.deflateSync(data),
  },
  {
    name: 'raw deflate',
    encoding: 'deflate',
    create: zlib.createDeflateRaw,
    flush: constants.Z_SYNC_FLUSH,
    encode: (data) => zlib.deflateRawSync(data),
  },
  {
    name: 'brotli',
    encoding: 'br',
    create: zlib.createBrotliCompress,
    flush: constants.BROTLI_OPERATION_FLUSH,
    encode: (data) => zlib.brotliCompressSync(data),
  },
  {
    name: 'zstd',
    encoding: 'zstd',
    create: zlib.createZstdCompress,
    flush: constants.ZSTD_e_flush,
    encode: (data) => zlib.zstdCompressSync(data),
  },
]

const events = ['data: one\n\n', 'data: two\n\n', 'data: three\n\n'.repeat(3_000)]

/** What the sender wrote for each event, and for its end. */
async function flushedEvents(sender: Sender): Promise<Buffer[]> {
  const stream = sender.create()
  const written: Buffer[] = []
  stream.on('data', (chunk: Buffer) => written.push(chunk))
  const parts: Buffer[] = []
  for (const event of events) {
    stream.write(event)
    await new Promise<void>((done) => {
      stream.flush(sender.flush, done)
    })
    parts.push(Buffer.concat(written.splice(0)))
  }
  const ended = new Promise((done) => stream.once('end', done))
  stream.end()
  await ended
  return [...parts, Buffer.concat(written)]
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

describe.each(senders)('$name', (sender) => {
  test('gives out each event in the very push that brought it', async () => {
    const parts = await flushedEvents(sender)
    const decoder = createContentDecoder([sender.encoding])

    expect(parts.map((part) => text(decoder.push(part)))).toEqual([...events, ''])
    expect(decoder.end()).toEqual({ kind: 'ended' })
  })

  test('gives the same bytes however the input is chunked', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
        (data, sizes) => {
          const encoded = sender.encode(data)
          const decoder = createContentDecoder([sender.encoding])
          const out: Uint8Array[] = []
          for (let at = 0, turn = 0; at < encoded.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1
            out.push(decoder.push(encoded.subarray(at, at + size)))
            at += size
          }

          expect(Buffer.concat(out).equals(data)).toBe(true)
          expect(decoder.end()).toEqual({ kind: 'ended' })
        },
      ),
      { numRuns: 60 },
    )
  })

  test('keeps what it gave out earlier when more is pushed', () => {
    const encoded = sender.encode(Buffer.from('a'.repeat(50_000) + 'b'.repeat(50_000)))
    const decoder = createContentDecoder([sender.encoding])
    const half = encoded.length >> 1
    const first = decoder.push(encoded.subarray(0, half))
    const copy = Buffer.from(first)

    decoder.push(encoded.subarray(half))

    expect(copy.equals(first)).toBe(true)
  })

  test('gives what decodes of an input that is cut off, and says so', () => {
    // Random data does not compress, so that a prefix of it decodes to a prefix.
    const data = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919 * i) % 251))
    const encoded = sender.encode(data)
    const decoder = createContentDecoder([sender.encoding])
    const out = decoder.push(encoded.subarray(0, encoded.length - 10))

    expect(decoder.end()).toEqual({ kind: 'truncated' })
    expect(data.subarray(0, out.length).equals(out)).toBe(true)
  })

  test('stops at the output limit', () => {
    const decoder = createContentDecoder([sender.encoding], { outputBytes: 1_000_000 })
    const out = decoder.push(sender.encode(Buffer.alloc(20_000_000)))

    expect(decoder.state).toEqual({ kind: 'limit' })
    expect(out.length).toBeLessThanOrEqual(1_000_000)
    expect(decoder.push(sender.encode(Buffer.from('more')))).toHaveLength(0)
  })

  test('fails as a value on input of another kind, and stays failed', () => {
    const decoder = createContentDecoder([sender.encoding])

    expect(decoder.push(Buffer.from('this is not encoded at all'))).toHaveLength(0)
    expect(decoder.state.kind).toBe('failed')
    expect(decoder.push(sender.encode(Buffer.from('x')))).toHaveLength(0)
    expect(decoder.end().kind).toBe('failed')
  })

  test('never throws on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const decoder = createContentDecoder([sender.encoding])
        for (const chunk of chunks) decoder.push(chunk)
        expect(decoder.end().kind).not.toBe('open')
      }),
      { numRuns: 200 },
    )
  })

  test('calls an empty input truncated', () => {
    expect(createContentDecoder([sender.encoding]).end()).toEqual({ kind: 'truncated' })
  })
})

describe.each(senders.filter(({ encoding }) => encoding === 'gzip' || encoding === 'zstd'))(
  'concatenated $name',
  (sender) => {
    const members = ['first ', 'second ', 'third'].map((part) => sender.encode(Buffer.from(part)))
    const whole = Buffer.concat(members)

    test.each([1, 2, 7, whole.length])('decodes every member in chunks of %i bytes', (size) => {
      const decoder = createContentDecoder([sender.encoding])
      let out = ''
      for (let at = 0; at < whole.length; at += size) {
        out += text(decoder.push(whole.subarray(at, at + size)))
      }

      expect(out).toBe('first second third')
      expect(decoder.end()).toEqual({ kind: 'ended' })
    })

    test('ignores padding after the last member', () => {
      const decoder = createContentDecoder([sender.encoding])

      expect(text(decoder.push(Buffer.concat([whole, Buffer.alloc(12)])))).toBe(
        'first second third',
      )
      expect(decoder.end()).toEqual({ kind: 'ended' })
    })

    test('bounds many small members together', () => {
      const decoder = createContentDecoder([sender.encoding], { outputBytes: 100_000 })
      decoder.push(
        Buffer.concat(Array.from({ length: 50 }, () => sender.encode(Buffer.alloc(9_000)))),
      )

      expect(decoder.state).toEqual({ kind: 'limit' })
    })
  },
)

test('undoes stacked codings from the last to the first', () => {
  const encoded = zlib.brotliCompressSync(zlib.gzipSync('stacked'))
  const decoder = createContentDecoder(['gzip', 'br'])

  expect(text(decoder.push(encoded))).toBe('stacked')
  expect(decoder.end()).toEqual({ kind: 'ended' })
})

test('passes bytes through where nothing was coded', () => {
  const decoder = createContentDecoder([])

  expect(text(decoder.push(Buffer.from('plain')))).toBe('plain')
  expect(decoder.end()).toEqual({ kind: 'ended' })
})

test('says which coding it does not know, and gives no bytes', () => {
  const decoder = createContentDecoder(['gzip', 'compress'])

  expect(decoder.push(Buffer.from('x'))).toHaveLength(0)
  expect(decoder.state).toEqual({ kind: 'failed', problem: 'unknown content coding compress' })
})

test('refuses a pile of codings', () => {
  expect(createContentDecoder(['br', 'br', 'br', 'br', 'br']).state.kind).toBe('failed')
})

test('does not take names of object members for codings', () => {
  expect(createContentDecoder(['constructor']).state.kind).toBe('failed')
})

test('reads Content-Encoding values in the order of application', () => {
  expect(parseContentEncoding(['GZIP , identity', 'br'])).toEqual(['gzip', 'br'])
  expect(parseContentEncoding([])).toEqual([])
})

test('leaves no listener behind that a long stream would pile up', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): number => warnings.push(warning)
  process.on('warning', onWarning)
  const decoder = createContentDecoder(['gzip'])
  for (const byte of zlib.gzipSync('x'.repeat(500))) decoder.push(Uint8Array.of(byte))
  await new Promise((done) => setImmediate(done))
  process.off('warning', onWarning)

  expect(warnings).toEqual([])
})
