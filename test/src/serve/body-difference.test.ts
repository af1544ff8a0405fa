import { array, assert, constantFrom, jsonValue, oneof, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { Json } from '../../../src/messages/schema.ts'
import { compareBodies } from '../../../src/serve/body-difference.ts'
import type { Comparison } from '../../../src/serve/body-difference.ts'

function compare(recorded: unknown, asked: unknown, limit?: number): Comparison {
  return compareBodies(
    { kind: 'json', value: recorded as Json },
    { kind: 'json', value: asked as Json },
    limit,
  )
}

test('a value that was changed is found, and nothing else is', () => {
  const name = constantFrom('model', 'content', 'x-y')
  assert(
    property(array(name, { minLength: 1, maxLength: 5 }), jsonValue(), (way, rest) => {
      const nest = (leaf: string): Json =>
        way.reduceRight<Json>((held, key) => ({ [key]: [held], rest: rest as Json }), leaf)
      const path = `$${way.map((key) => `.${key}[0]`).join('')}`

      expect(compare(nest('one'), nest('other'))).toEqual({
        count: 1,
        first: { path, recorded: '"one"', asked: '"other"' },
      })
      expect(compare(nest('one'), nest('one')).count).toBe(0)
    }),
  )
})

describe('is told', () => {
  test('what is missing on either side', () => {
    expect(compare({ a: 1 }, {}).first).toEqual({ path: '$.a', recorded: '1', asked: undefined })
    expect(compare([1], [1, { b: 2 }]).first).toEqual({
      path: '$[1]',
      recorded: undefined,
      asked: 'an object with b',
    })
    expect(compareBodies(undefined, { kind: 'text', value: 'x' }).first).toMatchObject({
      path: '$',
      asked: '"x"',
    })
  })

  test('the place where two long texts part', () => {
    const { first } = compare({ t: `${'a'.repeat(500)}b` }, { t: `${'a'.repeat(500)}c` })

    expect(first?.recorded).toBe(`"…${'a'.repeat(20)}b"`)
    expect(first?.asked).toBe(`"…${'a'.repeat(20)}c"`)
  })

  test('how many values differ, up to a limit', () => {
    expect(compare({ a: 1, b: 2, c: 3 }, { a: 9, b: 2, c: 9 }).count).toBe(2)
    expect(
      compare(
        Array.from({ length: 50 }, () => 1),
        [],
        7,
      ).count,
    ).toBe(7)
  })

  test('no difference where the recording was masked', () => {
    expect(compare({ key: '[REDACTED]*****' }, { key: 'sk-proj-secret' }).count).toBe(0)
  })
})

const hostile = constantFrom(
  '\u001b]0;x\u0007',
  'a\r\nb',
  '\u202egnp',
  '\u009b31m',
  'x'.repeat(9000),
)

test('whatever differs is told in printable lines of bounded length', () => {
  assert(
    property(jsonValue(), oneof(string(), hostile), (recorded, text) => {
      const { first } = compare({ [text]: recorded }, { [text]: { [text]: text } })

      for (const line of Object.values(first ?? {})) {
        expect(line ?? '').not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/u)
        expect((line ?? '').length).toBeLessThan(1000)
      }
    }),
  )
})
