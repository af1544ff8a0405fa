import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createJsonArrayReader } from '../../../analyzers/wire/json-array.ts'
import type { StreamEvent } from '../../../analyzers/wire/stream-events.ts'

interface Reading {
  readonly events: StreamEvent[]
  readonly problem: string | undefined
}

function read(body: string | Uint8Array, sizes: readonly number[], limit?: number): Reading {
  const reader = createJsonArrayReader(limit)
  const bytes = Buffer.from(body)
  const events: StreamEvent[] = []
  const onEvent = (event: StreamEvent): void => void events.push(event)
  for (let offset = 0, turn = 0; offset < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1)
    reader.push(bytes.subarray(offset, offset + size), onEvent)
    offset += size
  }
  reader.end(onEvent)
  return { events, problem: reader.problem }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 })

describe('the reader of arrays', () => {
  test('gives the elements of any array, however it is written and cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        sizes,
        fc.constantFrom(0, 2, '\t'),
        (list, cuts, indent) => {
          const { events, problem } = read(JSON.stringify(list, null, indent), cuts)

          expect(problem).toBeUndefined()
          expect(events.map(({ data }) => JSON.parse(data) as unknown)).toEqual(
            JSON.parse(JSON.stringify(list)),
          )
        },
      ),
    )
  })

  test('is not misled by brackets, quotes and commas within strings', () => {
    const list = ['[', ']},{', '\\"', 'a,b', { '}': '{"x":[1,' }, ['\\', '"']]

    expect(
      read(JSON.stringify(list), [1]).events.map(({ data }) => JSON.parse(data) as unknown),
    ).toEqual(list)
  })

  test('gives an element with its last byte, before what follows it', () => {
    const reader = createJsonArrayReader()
    const seen: string[] = []
    for (const piece of ['[{"a":', '1}', '\n,\r\n{"b"', ':2}\n]']) {
      reader.push(Buffer.from(piece), ({ data }) => seen.push(data))
      seen.push('|')
    }

    expect(seen).toEqual(['|', '{"a":1}', '|', '|', '{"b":2}', '|'])
  })

  test('gives an element that the end cut off, and says so', () => {
    expect(read('[{"a":1},{"b":', [3]).events).toEqual([
      { data: '{"a":1}' },
      { data: '{"b":', unterminated: true },
    ])
    expect(read('[1, 2', [1]).events).toEqual([{ data: '1' }, { data: '2', unterminated: true }])
  })

  test('passes over a byte-order mark, white space and what follows the array', () => {
    expect(read('\ufeff \r\n[ ] [{"a":1}]', [1])).toEqual({ events: [], problem: undefined })
    expect(read(' [{"a":1}] , {"b":2}', [1]).events).toEqual([{ data: '{"a":1}' }])
  })

  test('gives up at an element beyond the limit, and at a body that is no array', () => {
    const body = JSON.stringify([{ a: 1 }, { long: 'x'.repeat(100) }, { b: 2 }])

    expect(read(body, [7], 50)).toEqual({
      events: [{ data: '{"a":1}' }],
      problem: 'an event is longer than the limit',
    })
    expect(read('{"a":[1]}', [1])).toEqual({ events: [], problem: 'not a JSON array' })
  })

  test('reads any bytes without a throw, the same however they are cut', () => {
    const byte = fc.constantFrom(...Buffer.from('[]{},:"\\ 1a\n'), 0xff, 0xc3)
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), sizes, (bytes, cuts) => {
        expect(read(Uint8Array.from(bytes), cuts)).toEqual(read(Uint8Array.from(bytes), [60]))
      }),
      { numRuns: 2_000 },
    )
  })
})
