import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createSseReader } from '../../../analyzers/wire/sse.ts'
import type { StreamEvent } from '../../../analyzers/wire/stream-events.ts'

function readAll(chunks: readonly Uint8Array[], limit?: number): StreamEvent[] {
  const reader = createSseReader(limit)
  const out: StreamEvent[] = []
  for (const chunk of chunks) reader.push(chunk, (event) => out.push(event))
  reader.end((event) => out.push(event))
  return out
}

function read(text: string): StreamEvent[] {
  return readAll([Buffer.from(text)])
}

describe('events', () => {
  test.each([
    ['LF', 'data: a\n\ndata: b\n\n'],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n'],
    ['CR', 'data: a\r\rdata: b\r\r'],
    ['mixed line ends', 'data: a\r\n\ndata: b\n\r\n'],
  ])('are separated by blank lines with %s', (_name, text) => {
    expect(read(text)).toEqual([{ data: 'a' }, { data: 'b' }])
  })

  test('keep their type and id, and join their data lines', () => {
    expect(read('event: delta\nid: 7\ndata: a\ndata:  b\ndata\n\n')).toEqual([
      { event: 'delta', id: '7', data: 'a\n b\n' },
    ])
  })

  test('are not made by comments, unknown fields or a type alone', () => {
    expect(read(': keep-alive\n\nfoo: bar\n\nevent: ping\n\nretry: 5\n\n')).toEqual([])
  })

  test('lose one byte-order mark before them, not two', () => {
    expect(read('\ufeffdata: a\n\n')).toEqual([{ data: 'a' }])
    expect(read('\ufeff\ufeffdata: a\n\n')).toEqual([])
  })

  test('that the end cuts off are given out, flagged', () => {
    expect(read('data: a\n\nevent: x\ndata: b')).toEqual([
      { data: 'a' },
      { event: 'x', data: 'b', unterminated: true },
    ])
    expect(read('data: a\r')).toEqual([{ data: 'a', unterminated: true }])
    expect(read('data: a\n\n')).toEqual([{ data: 'a' }])
  })

  test('come at once when a chunk ends with a lone CR', () => {
    const reader = createSseReader()
    const out: StreamEvent[] = []
    reader.push(Buffer.from('data: a\r\r'), (event) => out.push(event))

    expect(out).toEqual([{ data: 'a' }])
  })

  test('are the same under any chunking, byte by byte too', () => {
    const lines = fc.constantFrom('data: ä€🎉', 'data:', 'event: é', ': c', 'id: 1', '', '', 'x')
    const ends = fc.constantFrom('\n', '\r\n', '\r')
    const stream = fc.array(fc.tuple(lines, ends).map((pair) => pair.join('')))
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (all, sizes) => {
          const bytes = Buffer.from(all.join(''))
          const chunks: Uint8Array[] = []
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1
            chunks.push(bytes.subarray(at, at + size))
            at += size
          }

          expect(readAll(chunks)).toEqual(readAll([bytes]))
          expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(readAll([bytes]))
        },
      ),
    )
  })

  test('past the bound stop the reading, without a throw', () => {
    const reader = createSseReader(100)
    const out: StreamEvent[] = []
    const onEvent = (event: StreamEvent): number => out.push(event)
    reader.push(Buffer.from('data: a\n\n'), onEvent)
    reader.push(Buffer.from(`data: ${'x'.repeat(200)}`), onEvent)
    reader.push(Buffer.from('\n\ndata: b\n\n'), onEvent)
    reader.end(onEvent)

    expect(out).toEqual([{ data: 'a' }])
    expect(reader.problem).toBe('an event is longer than the limit')
  })

  test('are never made up from arbitrary bytes, nor does reading throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
        for (const event of readAll(chunks, 50)) expect(event.data.length).toBeLessThanOrEqual(50)
      }),
    )
  })
})

test('text that is given as such is read as its bytes would be, also behind half a character', () => {
  const piece = fc.constantFrom('data: ä', 'data: €', '\n\n', '\ufeff', 'data: x\n\n', ' ', '💥\n')
  const cut = fc.record({ piece, length: fc.nat(3), isText: fc.boolean() })
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 10 }), (cuts) => {
      const [bytes, texts] = [createSseReader(), createSseReader()]
      const heard: [StreamEvent[], StreamEvent[]] = [[], []]
      for (const { piece: text, length, isText } of cuts) {
        const whole = Buffer.from(text)
        const sent = isText ? whole : whole.subarray(0, whole.length - length)
        bytes.push(sent, (event) => heard[0].push(event))
        if (isText) texts.pushText?.(text, (event) => heard[1].push(event))
        else texts.push(sent, (event) => heard[1].push(event))
      }
      bytes.end((event) => heard[0].push(event))
      texts.end((event) => heard[1].push(event))

      expect(heard[1]).toEqual(heard[0])
    }),
  )
})
