import { describe, expect, test } from 'vitest'

import type { TextPattern } from '../../../src/query/text-pattern.ts'
import { MatchBudget, compilePattern, maxTextLength } from '../../../src/query/text-pattern.ts'

function regexOf(source: string, flags: '' | 's' | 'm' = ''): TextPattern {
  const compiled = compilePattern(source, flags)
  if (!compiled.ok) throw new Error(compiled.problem)
  return compiled.pattern
}

describe('a pattern', () => {
  test('is looked for without case, and may use what only the older grammar knows', () => {
    const budget = new MatchBudget(1000)

    expect(budget.isFound(regexOf('ÄÖ'), 'xäöx')).toBe(true)
    expect(budget.isFound(regexOf(String.raw`a\-b`), 'A-B')).toBe(true)
    expect(compilePattern('a(')).toMatchObject({ ok: false })
  })

  test.each([
    ['(a+)+b', 'a'.repeat(60)],
    ['(a|a)*b', 'a'.repeat(60)],
    [`${'(a|a)'.repeat(50)}b`, 'a'.repeat(60)],
    ['foo.*bar', `bar${'foo'.repeat(300_000)}`],
    [String.raw`\s+$`, `${' '.repeat(500_000)}x`],
    [String.raw`(a*)*\1b`, 'a'.repeat(60)],
  ])('%j that takes too long on a text is not found in it, and counted', (pattern, text) => {
    const budget = new MatchBudget(1000)

    expect(budget.isFound(regexOf(pattern), text)).toBe(false)
    expect(budget.skipped).toBe(1)
  })

  test('that takes too long again and again is no longer tried, until time has passed', () => {
    let now = 0
    // Each look at the clock is 40 ms later.
    const budget = new MatchBudget(100, () => (now += 40))
    const slow = regexOf('(a+)+b')
    const found = Array.from({ length: 20 }, () => budget.isFound(slow, `${'a'.repeat(2000)}b`))

    expect(found.slice(0, 2)).toEqual([true, true])
    expect(found.filter(Boolean).length).toBeLessThan(6)
    expect(budget.skipped).toBe(found.filter((it) => !it).length)
    now += 100_000
    expect(budget.isFound(slow, 'ab')).toBe(true)
    // What is quick is tried whatever was spent.
    expect(budget.isFound(regexOf('b'), 'ab')).toBe(true)
  })

  test('is not even tried where text that it needs is missing', () => {
    const budget = new MatchBudget(0)

    expect(budget.isFound(regexOf('foo.*bar'), 'foo'.repeat(300_000))).toBe(false)
    expect(budget.skipped).toBe(0)
  })

  test.each([
    ['a.*b.*c.*d', `${'x'.repeat(9000)}abcd`],
    ['(ab)+c', `${'ab'.repeat(1000)}c`],
  ])('%j that could take long, and does not, is found under the limit', (pattern, text) => {
    const budget = new MatchBudget(1000)

    expect(budget.isFound(regexOf(pattern), text)).toBe(true)
    expect(budget.skipped).toBe(0)
  })

  test('sees the beginning of an endless text', () => {
    const budget = new MatchBudget(1000)
    const text = `${'x'.repeat(maxTextLength)}end`

    expect(budget.isFound(regexOf('end'), text)).toBe(false)
    expect(budget.isFound(regexOf('^xx'), text)).toBe(true)
  })

  test('too big for the engine is not found, and nothing throws', () => {
    const budget = new MatchBudget(1000)
    const compiled = compilePattern(`${'(?:'.repeat(600)}a${'){9}'.repeat(600)}`)

    expect(compiled.ok && budget.isFound(compiled.pattern, 'aaaa')).toBe(false)
  })
})
