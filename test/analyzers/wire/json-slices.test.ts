import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { parseJsonSlices } from '../../../analyzers/wire/json-slices.ts'

function parse(text: string): { readonly outcome: unknown; readonly steps: number } {
  const slices = parseJsonSlices(Buffer.from(text))
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

const long = 'x"\\\n€'.repeat(12_000)
const anyMember = fc.oneof(
  { weight: 4, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constant(long) },
  {
    weight: 1,
    arbitrary: fc.constant(Array.from({ length: 9_000 }, (_, index) => ({ index, '': [-1.5e3] }))),
  },
)
const anyValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    anyMember,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', '')), tie('value'), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  ),
})).value

describe('JSON in slices', () => {
  property.prop([anyValue, fc.constantFrom(undefined, 1, '\t')], { numRuns: 150 })(
    'is what JSON.parse makes of the whole',
    (value, space) => {
      const text = JSON.stringify(value, null, space)

      expect(parse(text).outcome).toEqual({ value: JSON.parse(text) })
      expect(JSON.stringify(parse(text).outcome)).toBe(JSON.stringify(whole(text)))
    },
  )

  property.prop(
    [
      anyValue,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom('', ',', ']', '}', '"', '{', ' 1', ':', '\u0001'),
    ],
    { numRuns: 300 },
  )('is refused exactly where JSON.parse refuses the whole', (value, place, inserted) => {
    const text = JSON.stringify(value)
    const at = Math.floor(text.length * place)
    // One character replaced: near the ends of long members too.
    const changed = (text.slice(0, at) + inserted + text.slice(at + 1)).toWellFormed()

    const { outcome } = parse(changed)

    expect(JSON.stringify(outcome)).toBe(JSON.stringify(whole(changed)))
  })

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
