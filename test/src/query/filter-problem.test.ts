import { test as property, fc } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { renderFilterProblem } from '../../../src/query/filter-problem.ts'

test('a mistake is shown below its place', () => {
  expect(renderFilterProblem('~s & ~cots > 1', { problem: 'no ~cots', at: 5 })).toBe(
    '~s & ~cots > 1\n     ^ no ~cots',
  )
})

test('a mistake at the end stands behind the text', () => {
  expect(renderFilterProblem('~u', { problem: 'missing', at: 2 })).toBe('~u\n  ^ missing')
})

test('of a long filter the surroundings are shown', () => {
  const lines = renderFilterProblem('x'.repeat(500), { problem: 'here', at: 250 }).split('\n')

  expect(lines).toEqual([`…${'x'.repeat(70)}…`, `${' '.repeat(41)}^ here`])
})

property.prop([fc.string({ unit: 'binary' }), fc.nat(100), fc.string({ unit: 'binary' })])(
  'it is two printable lines, whatever stands in it',
  (text, at, problem) => {
    const lines = renderFilterProblem(text, { problem, at }).split('\n')

    expect(lines).toHaveLength(2)
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/u)
  },
)
