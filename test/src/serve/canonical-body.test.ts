import {
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  nat,
  property,
  string,
  tuple,
  uint8Array,
} from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { Json } from '../../../src/messages/schema.ts'
import {
  canonicalBody,
  canonicalPairs,
  digestOf,
  exactly,
  hasMask,
  leniently,
  matchesMasked,
} from '../../../src/serve/canonical-body.ts'
import { parseJsonPath } from '../../../src/serve/json-path.ts'
import { volatileNames } from '../../../src/serve/volatile.ts'

const json = 'application/json'

function digest(body: unknown, ignored: readonly string[] = [], isExact = false): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const paths = ignored.map(parseJsonPath)
  const leniency = isExact ? exactly(paths) : leniently(paths)
  return digestOf(canonicalBody(Buffer.from(text), json, leniency))
}

/** The same value, its keys in another order and with spaces between. */
function respelled(value: Json, seed: number): string {
  const turn = (held: Json): Json => {
    if (typeof held !== 'object' || held === null) return held
    if (Array.isArray(held)) return held.map((item: Json) => turn(item))
    const entries = Object.entries(held).map(([key, item]) => [key, turn(item)] as const)
    const at = entries.length === 0 ? 0 : seed % entries.length
    return Object.fromEntries([...entries.slice(at), ...entries.slice(0, at)].toReversed())
  }
  return JSON.stringify(turn(value), null, seed % 3)
}

const request = dictionary(string({ maxLength: 8 }), jsonValue(), { maxKeys: 6 })

describe('two bodies', () => {
  test('are the same whatever the order of their keys and their spaces', () => {
    assert(
      property(request, nat(50), (value, seed) => {
        const other = respelled(value as Json, seed)

        expect(digest(other)).toBe(digest(value))
        expect(digest(other, [], true)).toBe(digest(value, [], true))
      }),
    )
  })

  test('are the same where only volatile fields differ, however deep', () => {
    const name = constantFrom(...volatileNames)
    assert(
      property(
        request,
        name,
        integer(),
        array(string(), { maxLength: 3 }),
        (value, key, id, way) => {
          const nest = (inner: Json): Json =>
            way.reduceRight<Json>((held, step) => ({ [`s${step}`]: held }), inner)
          const one = { ...value, extra: nest({ [key]: id, kept: 1 }) }
          const other = { ...value, extra: nest({ [key]: `other ${id}`, kept: 1 }) }

          expect(digest(one)).toBe(digest(other))
          expect(digest(one, [], true)).not.toBe(digest(other, [], true))
        },
      ),
    )
  })

  test('differ where anything else does', () => {
    assert(
      property(request, jsonValue(), jsonValue(), (value, one, other) => {
        const same = JSON.stringify(sorted(one as Json)) === JSON.stringify(sorted(other as Json))
        const digests = [one, other].map((held) => digest({ ...value, asked: held }, [], true))

        expect(digests[0] === digests[1]).toBe(same)
      }),
    )
  })

  test('are the same where only ignored fields differ', () => {
    const one = { model: 'm', temperature: 1, tools: [{ id: 'a', n: 1 }] }
    const other = { model: 'm', tools: [{ id: 'b', n: 1 }] }

    expect(digest(one)).not.toBe(digest(other))
    expect(digest(one, ['$.temperature', '$.tools[*].id'])).toBe(
      digest(other, ['$.temperature', '$.tools[*].id']),
    )
  })

  test('are the same where the system prompt names another day', () => {
    const body = (date: string, question: string) => ({
      system: [{ type: 'text', text: `Today is ${date}` }],
      messages: [{ role: 'user', content: question }],
    })

    expect(digest(body('2025-11-22', 'hi'))).toBe(digest(body('2026-01-01', 'hi')))
    expect(digest(body('2025-11-22', '2025-11-22?'))).not.toBe(
      digest(body('2025-11-22', '2026-01-01?')),
    )
  })

  test('of a form are the same in any order, and of multipart with any boundary', () => {
    const form = (text: string) =>
      digestOf(canonicalBody(Buffer.from(text), 'application/x-www-form-urlencoded', leniently([])))
    const parts = (boundary: string) =>
      digestOf(
        canonicalBody(
          Buffer.from(`--${boundary}\r\n\r\nx\r\n--${boundary}--`),
          `multipart/form-data; boundary=${boundary}`,
          leniently([]),
        ),
      )

    expect(form('a=1&b=2')).toBe(form('b=2&a=1'))
    expect(form('a=1&b=2')).not.toBe(form('a=1&b=3'))
    expect(parts('abc123')).toBe(parts('xyz'))
  })
})

test('any bytes have a form, however deep or broken', () => {
  assert(
    property(uint8Array(), (bytes) => {
      expect(() => canonicalBody(Buffer.from(bytes), json, leniently([]))).not.toThrow()
    }),
  )
  expect(digest('['.repeat(100_000))).toBe(digest('['.repeat(100_000)))
  expect(digest(`${'['.repeat(5000)}${']'.repeat(5000)}`)).not.toBe(digest('[]'))
})

test('a field called __proto__ is a field', () => {
  expect(digest('{"__proto__":1}')).not.toBe(digest('{}'))
})

test('secret parameters of a query do not count', () => {
  expect(canonicalPairs('b=2&key=AIza&a=1')).toEqual([
    ['a', '1'],
    ['b', '2'],
  ])
})

describe('a masked recording', () => {
  test('matches whatever stood where it was masked', () => {
    const piece = string({ unit: 'grapheme-ascii', maxLength: 12 })
    assert(
      property(array(tuple(piece, piece), { minLength: 1, maxLength: 4 }), piece, (pairs, tail) => {
        const recorded = pairs.map(([text]) => `${text}[REDACTED]***`).join('') + tail
        const asked = pairs.map(([text, secret]) => text + secret).join('') + tail

        expect(matchesMasked(recorded, asked)).toBe(true)
        expect(hasMask(Buffer.from(recorded))).toBe(true)
      }),
    )
  })

  test.each([
    ['{"password":"***"}', true],
    ['{"text":"see ********"}', true],
    ['{"text":"**bold** and *this*"}', false],
    ['{}', false],
  ])('is told by its masks: %s, %j', (text, expected) => {
    expect(hasMask(Buffer.from(text))).toBe(expected)
  })

  test.each([
    ['key [REDACTED]***, then', 'key sk-123, then', true],
    ['key [REDACTED]***, then', 'key sk-123, now', false],
    ['********', 'any secret', true],
    ['**bold**', '**bald**', false],
    ['a [REDACTED] b [REDACTED] c', 'a 1 b 2 c', true],
    ['ab[REDACTED]ba', 'aba', false],
  ])('%j matches %j: %j', (recorded, asked, expected) => {
    expect(matchesMasked(recorded, asked)).toBe(expected)
  })
})

function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: Json) => sorted(item))
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, held]) => [key, sorted(held)] as const)
  return { entries: entries.map(([key, held]) => [key, held]) }
}
