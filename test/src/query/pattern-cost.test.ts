import { describe, expect, test } from 'vitest'

import { costOf, mostSteps } from '../../../src/query/pattern-cost.ts'

describe('the cost of a pattern', () => {
  test.each([
    ['abc', 0],
    ['[*+]', 0],
    [String.raw`\+\*`, 0],
    ['a+', 1],
    ['a.*b', 1],
    ['a.*?b', 1],
    ['a??b', 1],
    ['a{2,5}b?', 2],
    ['(?:abc)+', 1],
    ['((ab)c)+', 1],
    ['(a|b|cd)*x', 1],
    ['(?=a)b+', 1],
  ])('%j repeats so often: %i', (source, repetitions) => {
    expect(costOf(source).repetitions).toBe(repetitions)
  })

  test.each([
    '(a+)+',
    '(a|a)*',
    '(a|A)*',
    '(ab|ac)*',
    '(a|)*',
    '(.|a)*',
    String.raw`(\w|a)*`,
    String.raw`(\.|x)*`,
    '(a*){2}',
    '(?<n>a)*',
    String.raw`(a)\1`,
    String.raw`(?<n>a)\k<n>`,
  ])('%j has no bound', (source) => {
    expect(costOf(source).repetitions).toBe(Infinity)
  })

  test('grows with the text, and with the ways that follow each other', () => {
    expect(mostSteps(costOf('abcd'), 100)).toBe(400)
    expect(mostSteps(costOf('a.*b'), 100)).toBe(40_000)
    expect(mostSteps(costOf('(a|a)(b|b)'), 10)).toBe(400)
    expect(mostSteps(costOf('a|b'), 10)).toBe(30)
    expect(mostSteps(costOf('(a+)+'), 100)).toBe(Infinity)
    expect(mostSteps(costOf('(a+)+'), 1)).toBeLessThan(100)
  })
})
