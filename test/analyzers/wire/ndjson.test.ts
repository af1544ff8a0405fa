/** Lines of JSON: read in any chunks, and told from a JSON body that is none. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createLinesSniffer } from '../../../analyzers/wire/ndjson-sniffer.ts'
import { createNdjsonReader } from '../../../analyzers/wire/ndjson.ts'
import type { StreamEvent } from '../../../analyzers/wire/stream-events.ts'
import { createFramingSniffer } from '../../../analyzers/wire/stream-events.ts'

function read(chunks: readonly Uint8Array[], lineLength?: number): [StreamEvent[], string?] {
  const reader = createNdjsonReader(lineLength)
  const events: StreamEvent[] = []
  for (const chunk of chunks) reader.push(chunk, (event) => events.push(event))
  reader.end((event) => events.push(event))
  return reader.problem === undefined ? [events] : [events, reader.problem]
}

describe('lines', () => {
  test('are one event each, without blank lines and line ends of any kind', () => {
    const text = '\ufeff{"a":1}\r\n\n  \n{"b":"ü"}\n{"c":3}'

    expect(read([Buffer.from(text)])).toEqual([
      [{ data: '{"a":1}' }, { data: '{"b":"ü"}' }, { data: '{"c":3}', unterminated: true }],
    ])
  })

  test('are the same however they are chunked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify({ text }))),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (lines, sizes) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const chunks: Buffer[] = []
          for (let at = 0; at < bytes.length;) {
            const size = sizes[chunks.length % sizes.length] ?? 1
            chunks.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(read(chunks)).toEqual([lines.map((data) => ({ data }))])
        },
      ),
    )
  })

  test('past the bound end the reading', () => {
    const [events, problem] = read([Buffer.from('{"a":1}\n'), Buffer.alloc(90, 97)], 80)

    expect(events).toEqual([{ data: '{"a":1}' }])
    expect(problem).toBe('a line is longer than the limit')
  })
})

describe('a body that calls itself JSON', () => {
  function verdictOf(text: string): boolean | undefined {
    const sniffer = createLinesSniffer()
    let verdict: boolean | undefined
    for (const char of text) verdict ??= sniffer.push(char)
    expect(createLinesSniffer().push(text)).toBe(verdict)
    return verdict
  }

  test.each(['{"done":false}\n{', '\n {"a":{"b":1}}\r\n\n{"c":2}'])('is lines in %j', (text) => {
    expect(verdictOf(text)).toBe(true)
  })

  test.each(['[1]\n[2]', '{\n  "a": 1\n}', '{"a":1}\nb', '"text"', `{"a":"${'x'.repeat(70_000)}"`])(
    'is none in %j',
    (text) => {
      expect(verdictOf(text)).toBe(false)
    },
  )

  test.each(['', ' \n', '{"a":1}', '{"a":1}\n', '{"a":'])('may be either after %j', (text) => {
    expect(verdictOf(text)).toBeUndefined()
  })

  test('has the framing of lines only then', () => {
    expect(createFramingSniffer('application/json').push(Buffer.from('{}\n{}'))).toBe('ndjson')
    expect(createFramingSniffer('application/json').push(Buffer.from('{}'))).toBeUndefined()
    expect(createFramingSniffer('application/x-ndjson').push(Buffer.from('{'))).toBe('ndjson')
    expect(createFramingSniffer('application/stream+json').push(Buffer.from('{'))).toBe('ndjson')
    expect(createFramingSniffer('application/vnd.amazon.eventstream').push(Buffer.alloc(1))).toBe(
      'eventstream',
    )
  })
})
