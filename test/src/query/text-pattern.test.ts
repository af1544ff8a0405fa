import { describe, expect, test } from 'vitest'

import { MatchBudget, compilePattern, maxTextLength } from '../../../src/query/text-pattern.ts'

function regexOf(pattern: string, flags: '' | 's' | 'm' = ''): RegExp {
  const compiled = compilePattern(pattern, flags)
  if (!compiled.ok) throw new Error(compiled.problem)
  return compiled.regex
}

describe('a pattern', () => {
  test('is looked for without case, and may use what only the older grammar knows', () => {
    const budget = new MatchBudget()

    expect(budget.isFound(regexOf('ÄÖ'), 'xäöx')).toBe(true)
    expect(budget.isFound(regexOf(String.raw`a\-b`), 'A-B')).toBe(true)
    expect(compilePattern('a(')).toMatchObject({ ok: false })
  })

  test.each([
    ['(a+)+b', 'a'.repeat(60)],
    ['(a|a)*b', 'a'.repeat(60)],
    [`${'(a|a)'.repeat(50)}b`, 'a'.repeat(60)],
    ['foo.*bar', 'foo'.repeat(300_000)],
    [String.raw`\s+$`, `${' '.repeat(500_000)}x`],
    [String.raw`(a*)*\1b`, 'a'.repeat(60)],
  ])('%j that takes too long on a text is not found in it, and counted', (pattern, text) => {
    const budget = new MatchBudget()

    expect(budget.isFound(regexOf(pattern), text)).toBe(false)
    expect(budget.skipped).toBe(1)
  })

  test('that takes too long again and again is no longer tried on such texts', () => {
    const budget = new MatchBudget()
    const regex = regexOf('(a+)+b')
    // A thousand times the limit would be 100 s, longer than a test may take.
    for (let n = 0; n < 1000; n += 1) budget.isFound(regex, 'a'.repeat(60))

    expect(budget.skipped).toBe(1000)
  })

  test.each([
    ['a.*b.*c.*d', `${'x'.repeat(9000)}abcd`],
    ['(ab)+c', `${'ab'.repeat(1000)}c`],
  ])('%j that could take long, and does not, is found under the limit', (pattern, text) => {
    const budget = new MatchBudget()

    expect(budget.isFound(regexOf(pattern), text)).toBe(true)
    expect(budget.skipped).toBe(0)
  })

  test('sees the beginning of an endless text', () => {
    const budget = new MatchBudget()
    const text = `${'x'.repeat(maxTextLength)}end`

    expect(budget.isFound(regexOf('end'), text)).toBe(false)
    expect(budget.isFound(regexOf('^xx'), text)).toBe(true)
  })

  test('too big for the engine is not found, and nothing throws', () => {
    const budget = new MatchBudget()
    const compiled = compilePattern(`${'(?:'.repeat(600)}a${'){9}'.repeat(600)}`)

    expect(compiled.ok && budget.isFound(compiled.regex, 'aaaa')).toBe(false)
  })
})
