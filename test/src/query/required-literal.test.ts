import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { requiredLiterals } from '../../../src/query/required-literal.ts'

test.each([
  ['foo.*barbaz', ['foo', 'barbaz']],
  [String.raw`v1\/chat\.x`, ['v1/chat.x']],
  ['^abc$', ['abc']],
  ['abcd?ef', ['abc', 'ef']],
  ['ab{2}cd', ['cd']],
  [String.raw`\d+ tokens\b`, [' tokens']],
  ['😀😀+', ['😀']],
])('of %j are %j', (source, literals) => {
  expect(requiredLiterals(source)).toEqual(literals)
})

test.each([
  'a',
  '[a(|]xyz',
  '(abc)',
  'abc|def',
  String.raw`\x61bc`,
  String.raw`\u0061bc`,
  '.*',
  'a+b+',
])('%j has none that is plain to see', (source) => {
  expect(requiredLiterals(source)).toEqual([])
})

const piece = fc.constantFrom(
  'a',
  'b',
  'K',
  '.',
  'a*',
  'b+',
  'a?',
  '[ab]',
  '[^b]',
  '^',
  '$',
  'a{2}',
  '{',
  '}',
  String.raw`\.`,
  String.raw`\d`,
  String.raw`\w`,
  String.raw`\b`,
  String.raw`\-`,
  '😀',
  '\u212a',
)
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'k', '.', '-', '1', '😀', '\u212a', '{') })
property.prop([fc.array(piece, { minLength: 1, maxLength: 6 }), text, fc.constantFrom('iu', 'i')], {
  numRuns: 3000,
})('are found wherever the expression is', (pieces, given, mode) => {
  const source = pieces.join('')
  let regex
  try {
    regex = new RegExp(source, mode)
  } catch {
    // The stricter grammar refuses some.
    return
  }
  const missing = requiredLiterals(source).filter((literal) => {
    const escaped = literal.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`)
    return !new RegExp(escaped, mode).test(given)
  })

  expect(regex.test(given) && missing.length > 0).toBe(false)
})
