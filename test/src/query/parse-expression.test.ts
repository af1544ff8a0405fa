import { test as property, fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { Expression } from '../../../src/query/expression.ts'
import { atomNames, cacheVerdicts, textAtoms } from '../../../src/query/filter-grammar.ts'
import { parseExpression } from '../../../src/query/parse-expression.ts'

const leaf: fc.Arbitrary<Expression> = fc.oneof(
  fc
    .constantFrom('all' as const, 'q' as const, 'e' as const, 'tunnel' as const)
    .map((name) => ({ type: 'flag' as const, name })),
  fc.record({
    type: fc.constant('text' as const),
    name: fc.option(fc.constantFrom(...(Object.keys(textAtoms) as Array<keyof typeof textAtoms>)), {
      nil: undefined,
    }),
    pattern: fc
      .string({ minLength: 1, unit: fc.constantFrom(...Array.from('ab|& .-()~\'"!é')) })
      .map((text) => text.replaceAll(/[()]/gu, String.raw`\$&`)),
  }),
  fc.record({
    type: fc.constant('number' as const),
    name: fc.constantFrom('cost' as const, 'tokens' as const, 'dur' as const, 'ttft' as const),
    comparison: fc.constantFrom('>', '<', '>=', '<=', '=', '!='),
    value: fc.nat(100_000),
  }) as fc.Arbitrary<Expression>,
  fc
    .uniqueArray(fc.constantFrom(...cacheVerdicts), { minLength: 1 })
    .map((verdicts) => ({ type: 'cache' as const, verdicts })),
)
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 5 },
    leaf,
    tie('expression').map((item) => ({ type: 'not' as const, item })),
    fc.record({
      type: fc.constantFrom('and' as const, 'or' as const),
      items: fc.array(tie('expression'), { minLength: 2, maxLength: 4 }),
    }) as fc.Arbitrary<Expression>,
  ),
}))

function print(expression: Expression): string {
  switch (expression.type) {
    case 'and':
    case 'or':
      return expression.items
        .map((item) => `(${print(item)})`)
        .join(expression.type === 'and' ? ' & ' : '|')
    case 'not':
      return `!(${print(expression.item)})`
    case 'flag':
      return `~${expression.name}`
    case 'text': {
      const name = expression.name === undefined ? '' : `~${expression.name} `
      return `${name}"${expression.pattern.replaceAll('"', String.raw`\"`)}"`
    }
    case 'number': {
      const unit = expression.name === 'dur' || expression.name === 'ttft' ? 'ms' : ''
      return `~${expression.name}${expression.comparison}${expression.value}${unit}`
    }
    default:
      return `~cache ${expression.verdicts.join('|')}`
  }
}

describe('an expression', () => {
  property.prop([expression])('reads as what was printed', (tree) => {
    expect(parseExpression(print(tree))).toEqual({ ok: true, expression: tree })
  })

  test.each([
    ['~cots > 1', 0, 'no ~cots; did you mean ~cost?'],
    ['~s & ~modle x', 5, 'no ~modle; did you mean ~model?'],
    ['~zzzzzz', 0, 'no ~zzzzzz'],
    ['~', 0, 'a name is missing after ~'],
    ['~u', 2, 'a regular expression after ~u is missing here'],
    ['~u & ~q', 3, 'a regular expression after ~u is missing here'],
    ['~q &', 4, 'something is missing here'],
    ['| ~q', 0, 'something is missing before |'],
    ['~q | ) ', 5, 'something is missing before )'],
    ['(~q', 0, 'this ( is never closed'],
    ['~q)', 2, 'no ( stands before this'],
    ['!', 1, 'something is missing here'],
    ['"abc', 0, 'this " is never closed'],
    ["~u ''", 3, 'nothing stands in the quotes'],
    ['gpt| claude', 3, 'put a space before |, or the word in quotes'],
    ['~u a[', 3, 'not a regular expression: '],
    ['~cost', 5, '~cost wants a comparison: > >= < <= = !='],
    ['~cost > much', 8, '~cost wants dollars, such as 0.5'],
    ['~ttft > 3', 8, '~ttft wants a time with its unit, such as 250ms, 3s or 1m'],
    ['~c 40', 3, '~c wants a status, such as 404'],
    ['~tokens > 5kk', 10, '~tokens wants a number, such as 500, 10k or 1.5M'],
    ['~cache hit|maybe', 11, '~cache takes hit, partial, miss, unknown, not maybe'],
  ])('%j is refused at %i: %s', (text, at, problem) => {
    const parsed = parseExpression(text)

    expect(parsed).toMatchObject({ ok: false, at })
    expect(parsed.ok ? '' : parsed.problem).toContain(problem)
  })

  test('may be neither endless nor nested without end', () => {
    expect(parseExpression('a'.repeat(5000))).toMatchObject({ ok: false, at: 4096 })
    expect(parseExpression('('.repeat(100))).toMatchObject({ ok: false, at: 64 })
    expect(parseExpression(`${'!'.repeat(100)}~q`)).toMatchObject({ ok: false, at: 64 })
    expect(parseExpression(`${'!'.repeat(64)}~q`)).toMatchObject({ ok: true })
    expect(parseExpression(Array.from({ length: 1300 }, () => '~q').join(' '))).toMatchObject({
      ok: true,
    })
  })

  test('knows each name once', () => {
    expect(new Set(atomNames).size).toBe(atomNames.length)
  })
})
