import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readMultipart } from '../../../analyzers/wire/multipart.ts'

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAYAAACddGYaAAAAAElFTkSuQmCC', 'base64')

/** One part as clients write it. */
function part(disposition: string, content: string | Buffer, type?: string): Buffer {
  const head = `Content-Disposition: form-data; ${disposition}\r\n${
    type === undefined ? '' : `Content-Type: ${type}\r\n`
  }`
  return Buffer.concat([Buffer.from(`${head}\r\n`), Buffer.from(content)])
}

function body(parts: readonly Buffer[], boundary = 'b'): Buffer {
  const pieces = parts.flatMap((piece) => [
    Buffer.from(`--${boundary}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

describe('a form', () => {
  test('is told by its fields, files without their content', () => {
    const parts = [
      part('name="model"', 'gpt-image-1'),
      part('name="image[]"; filename="a \\"b\\".png"', png, 'image/png'),
      part('name="file"; filename="x.jsonl"', '{}', 'application/jsonl'),
      part('name="empty"', ''),
      part('name="raw"', Buffer.from([0xff, 0xfe])),
    ]

    expect(readMultipart(body(parts), 'b', true)).toEqual({
      parts: [
        { name: 'model', bytes: 11, text: 'gpt-image-1' },
        {
          name: 'image[]',
          filename: 'a "b".png',
          mediaType: 'image/png',
          bytes: png.length,
          width: 3,
          height: 2,
        },
        { name: 'file', filename: 'x.jsonl', mediaType: 'application/jsonl', bytes: 2 },
        { name: 'empty', bytes: 0, text: '' },
        { name: 'raw', bytes: 2 },
      ],
    })
  })

  test.each([
    ["filename*=utf-8''na%C3%AFve.txt", 'naïve.txt'],
    ['filename="50%22.txt"', '50".txt'],
    ['filename=bare.txt', 'bare.txt'],
    ["filename*=utf-8''%zz", '%zz'],
  ])('names a file by %s', (parameter, expected) => {
    const read = readMultipart(body([part(`name="f"; ${parameter}`, 'x')]), 'b', true)

    expect(read?.parts[0]?.filename).toBe(expected)
  })

  test('shows the beginning of a long text, cut between characters', () => {
    const read = readMultipart(body([part('name="t"', 'ä'.repeat(40_000))]), 'b', true)

    expect(read?.parts[0]?.bytes).toBe(80_000)
    expect(read?.parts[0]?.text).toBe('ä'.repeat(32_768))
  })

  test('with a line that only begins like a boundary is read up to there', () => {
    const read = readMultipart(body([part('name="t"', 'x\r\n--bb\r\ny')]), 'b', true)

    expect(read).toEqual({
      parts: [{ name: 't', bytes: 1, text: 'x' }],
      problem: 'a damaged boundary',
    })
  })

  test('may follow a preamble', () => {
    const whole = Buffer.concat([Buffer.from('hello\r\n'), body([part('name="a"', '1')])])

    expect(readMultipart(whole, 'b', true)).toEqual({ parts: [{ name: 'a', bytes: 1, text: '1' }] })
  })
})

describe('a damaged form', () => {
  const whole = body([part('name="a"', '1'), part('name="b"', '2')])

  test('that is cut off keeps what came', () => {
    const read = readMultipart(whole.subarray(0, whole.length - 9), 'b', false)

    expect(read?.parts).toEqual([
      { name: 'a', bytes: 1, text: '1' },
      { name: 'b', text: '2' },
    ])
    expect(read?.problem).toBe('cut off')
  })

  test('with too many parts stops at the bound', () => {
    const read = readMultipart(
      body(Array.from({ length: 300 }, () => part('name="a"', ''))),
      'b',
      true,
    )

    expect(read?.parts).toHaveLength(256)
    expect(read?.problem).toBe('more parts than the limit')
  })

  test.each([[undefined], [''], ['x'.repeat(71)], ['a\r\nb'], ['other']])(
    'with the boundary %j is not read',
    (boundary) => {
      expect(readMultipart(whole, boundary, true)).toBeUndefined()
    },
  )

  test('of any bytes never throws, and tells no more bytes than there are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255))), fc.boolean(), (changes, isWhole) => {
        const damaged = Buffer.from(whole)
        for (const [at, value] of changes) damaged[at % damaged.length] = value
        const read = readMultipart(damaged, 'b', isWhole)
        const told = read?.parts.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) ?? 0
        expect(told).toBeLessThanOrEqual(damaged.length)
      }),
    )
  })
})

test('any texts come back as they were sent', () => {
  const field = fc.record({
    name: fc.stringMatching(/^[a-z]{1,9}$/u),
    text: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\r\n', '')),
  })
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 8 }), (fields) => {
      const boundary = 'a-boundary-that-no-text-holds'
      const sent = body(
        fields.map(({ name, text }) => part(`name="${name}"`, text)),
        boundary,
      )
      const read = readMultipart(sent, boundary, true)
      const texts = read?.parts.map(({ name, text }) => ({ name, text }))
      expect(texts).toEqual(fields)
    }),
  )
})
