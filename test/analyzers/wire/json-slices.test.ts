import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { parseJsonSlices } from '../../../analyzers/wire/json-slices.ts'

function parse(
  text: string,
  stepBytes?: number,
): { readonly outcome: unknown; readonly steps: number } {
  const slices = parseJsonSlices(Buffer.from(text), stepBytes)
  for (let steps = 0; ; steps += 1) {
    const next = slices.next()
    if (next.done === true) return { outcome: next.value, steps }
  }
}

/** What JSON.parse says of the whole, in the same form. */
function whole(text: string): unknown {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('x"\\\n€'.repeat(20), '[{,}]:"', ' '),
)
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.jsonValue({ maxDepth: 2 }),
    anyText,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(fc.oneof(anyText, fc.constantFrom('__proto__', '1', '')), tie('value'), {
      maxKeys: 6,
      noNullPrototype: true,
    }),
  ),
}))
const anyStep = fc.constantFrom(1, 7, 40, 300)

describe('JSON in slices', () => {
  property.prop([anyValue, anyStep, fc.constantFrom(undefined, 1, '\t')], { numRuns: 400 })(
    'is what JSON.parse makes of the whole',
    (value, stepBytes, space) => {
      const text = JSON.stringify(value, null, space)

      const { outcome } = parse(text, stepBytes)

      expect(JSON.stringify(outcome)).toBe(JSON.stringify(whole(text)))
    },
  )

  const inserted = fc.constantFrom('', ',', ']', '}', '"', '{', ' 1', ':', '\u0001', '[', '\\')
  property.prop([anyValue, anyStep, fc.double({ min: 0, max: 1, noNaN: true }), inserted], {
    numRuns: 2_000,
  })('is refused exactly where JSON.parse refuses the whole', (value, stepBytes, place, other) => {
    const text = JSON.stringify(value)
    const at = Math.floor(text.length * place)
    const changed = (text.slice(0, at) + other + text.slice(at + 1)).toWellFormed()

    const { outcome } = parse(changed, stepBytes)

    expect(JSON.stringify(outcome)).toBe(JSON.stringify(whole(changed)))
  })

  const long = 'x"\\\n€'.repeat(12_000)
  const big = JSON.stringify(long)
  test.each([
    [`[${big},]`],
    [`[,${big}]`],
    [`[${big},,1]`],
    [`[${big} ${big}]`],
    [`[${big}}`],
    [`{"a":${big},}`],
    [`{"a":${big}]`],
    [`{"a" ${big}}`],
    [`{${big}}`],
    [`{${big}:1}`],
    [`{"a":${big},"b"}`],
    [`{"a":${big},"a":[1,${big}],"b":1,"a":2}`],
    [`{"__proto__":${big},"x":{"__proto__":[${big}]}}`],
    [`[[[${big}],${big}],[],{}, ]`],
    [`[[[${big}],${big}],[],{} ] `],
    [`[${big}] 1`],
    [`[${big}`],
    [big],
    [`  ${big}  `],
    [`[${' '.repeat(200_000)}]`],
    [`[${' '.repeat(200_000)},1]`],
    [`[1,${' '.repeat(200_000)}]`],
    [`${'['.repeat(40)}${big}${']'.repeat(40)}`],
    [`${'['.repeat(40)}${big}${']'.repeat(39)}`],
    [`${'{"a":'.repeat(40)}${big}${'}'.repeat(40)}`],
    [''],
    ['['],
    [' '],
  ])('agrees with JSON.parse about case %#', (text) => {
    expect(JSON.stringify(parse(text).outcome)).toBe(JSON.stringify(whole(text)))
  })

  test('takes many steps over a long text', () => {
    const messages = Array.from({ length: 500 }, () => ({
      role: 'user',
      content: 'word '.repeat(2_000),
    }))

    expect(parse(JSON.stringify({ messages })).steps).toBeGreaterThan(50)
    expect(parse(JSON.stringify({ a: { messages }, b: messages })).steps).toBeGreaterThan(100)
  })
})
