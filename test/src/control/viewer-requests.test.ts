import { array, assert, property, string, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import { createRequestReader } from '../../../src/control/viewer-requests.ts'
import type { RequestReader } from '../../../src/control/viewer-requests.ts'

interface Reading {
  readonly reader: RequestReader
  readonly allowed: string[]
  readonly clock: { now: number }
}

function reading(): Reading {
  const allowed: string[] = []
  const clock = { now: 0 }
  const allow = (host: string): string => {
    if (host === 'bad') throw new AppError('ERR_HOST_PATTERN', { pattern: host, problem: 'bad' })
    if (host === 'bug') throw new Error('a bug\u001b[31m')
    allowed.push(host)
    return `${host} is decrypted`
  }
  return { reader: createRequestReader(allow, () => clock.now), allowed, clock }
}

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)
const request = (host: unknown, id?: unknown) => line({ request: 'allow', host, id })

describe('a request', () => {
  test('is answered with what became of it, under its id', () => {
    const { reader, allowed } = reading()

    expect(reader.push(request('llm.example', 7))).toEqual([
      { ok: true, text: 'llm.example is decrypted', id: 7 },
    ])
    expect(reader.push(request('llm.example'))).toEqual([
      { ok: true, text: 'llm.example is decrypted' },
    ])
    expect(allowed).toEqual(['llm.example', 'llm.example'])
  })

  test('that is refused is answered with why, and with what to do', () => {
    const { reader } = reading()

    expect(reader.push(request('bad'))).toEqual([
      { ok: false, text: expect.stringMatching(/^not a host pattern: bad \(bad\); write a host/u) },
    ])
    expect(reader.push(request('bug'))).toEqual([{ ok: false, text: String.raw`a bug\x1b[31m` }])
  })

  test('may come in any pieces', () => {
    const { reader, allowed } = reading()
    const bytes = Buffer.concat([request('a.example'), request('b.example')])
    for (const byte of bytes) reader.push(Buffer.from([byte]))

    expect(allowed).toEqual(['a.example', 'b.example'])
  })
})

test.each<[string, Buffer]>([
  ['no JSON', Buffer.from('hello\n')],
  ['another request', line({ request: 'deny', host: 'a.example' })],
  ['no host', line({ request: 'allow' })],
  ['a host that is no text', request(['a.example'])],
  ['an empty host', request('')],
  ['a host longer than any', request('a'.repeat(300))],
  ['a line that is too long', line({ request: 'allow', host: 'a.example', pad: 'x'.repeat(2000) })],
  ['an id that is no number', request('a.example', 'one')],
])('%s is passed over', (_, bytes) => {
  const { reader, allowed } = reading()

  expect(reader.push(bytes)).toEqual([])
  expect(allowed).toEqual([])
})

test('a viewer that asks too often is not heard for a while', () => {
  const { reader, allowed, clock } = reading()
  for (let count = 0; count < 100; count += 1) reader.push(request('a.example'))
  expect(allowed).toHaveLength(20)

  clock.now = 10_000
  reader.push(request('b.example'))

  expect(allowed.at(-1)).toBe('b.example')
})

test('no bytes harm it', () => {
  assert(
    property(array(uint8Array({ maxLength: 60 })), string(), (chunks, host) => {
      const { reader, allowed } = reading()
      for (const chunk of chunks) reader.push(Buffer.from(chunk))
      reader.push(Buffer.from('\n'))

      expect(allowed).toEqual([])
      expect(reader.push(request(host)).length).toBeLessThanOrEqual(1)
    }),
  )
})
