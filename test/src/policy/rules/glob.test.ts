import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { compileGlob } from '../../../../src/policy/rules/glob.ts'

test.each([
  ['gpt-4*', 'gpt-4o', true],
  ['gpt-4*', 'gpt-4', true],
  ['gpt-4*', 'x-gpt-4', false],
  ['*gpt*mini', 'openai/gpt-4o-mini', true],
  ['*gpt*mini', 'gpt-4o-mini-2', false],
  ['a*a', 'a', false],
  ['*', '', true],
  ['o3', 'O3', true],
  ['o.', 'o3', false],
  ['models', 'modelſ', true],
] as const)('%j against %j: %s', (pattern, text, wanted) => {
  expect(compileGlob(pattern)(text)).toBe(wanted)
})

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })

property.prop([letters, text])(
  'R5 a pattern matches as a regular expression of it does, in time that its text alone decides',
  (pattern, of) => {
    const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 'u')

    expect(compileGlob(pattern)(of)).toBe(expression.test(of))
  },
)
