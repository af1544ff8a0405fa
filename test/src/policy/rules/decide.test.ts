import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { RuleFields } from '../../../../src/config/rule-fields.ts'
import { decide, namesNeeded } from '../../../../src/policy/rules/decide.ts'
import type { RuleVerdict } from '../../../../src/policy/rules/decide.ts'
import type { RuleSubject } from '../../../../src/policy/rules/match-rule.ts'
import type { Meter } from '../../../../src/policy/rules/meter.ts'
import type { Rule } from '../../../../src/policy/rules/rule.ts'
import { rule, ruleSet } from '../../../support/rules.ts'

const subject: RuleSubject = {
  authority: { host: 'a.example', port: 443, kind: 'name' },
  schemePort: 443,
  agent: 'ci',
  methods: ['GET'],
  path: '/x',
  names: { models: [], possible: [], tools: [], isCertain: true },
}
const metered = {
  exchangeId: 'x1',
  agent: 'ci',
  host: 'a.example',
  port: 443,
  method: 'GET',
  path: '/x',
}

/** Counts what it is told; has nothing left for rules of these names. */
function meter(...exhausted: readonly string[]): Meter & { readonly consumed: string[] } {
  const consumed: string[] = []
  return {
    consumed,
    check: ({ name }) => (exhausted.includes(name) ? { message: 'no more' } : undefined),
    consume: ({ name }) => void consumed.push(name),
  }
}

function judge(
  rules: readonly Rule[],
  options: {
    readonly fallback?: 'allow' | 'block'
    readonly rate?: Meter
    readonly budget?: Meter
    readonly over?: Partial<RuleSubject>
  } = {},
): RuleVerdict {
  return decide({
    rules: ruleSet(rules, options.fallback),
    subject: { ...subject, ...options.over },
    metered,
    meters: { rate: options.rate ?? meter(), budget: options.budget },
    unknownApplies: true,
  })
}

const block = (over: Partial<RuleFields> = {}): Rule =>
  rule({ name: 'block', action: 'block', host: 'a.example', ...over })
const allow = (): Rule => rule({ name: 'allow', action: 'allow', host: 'a.example' })
const rate = (name = 'rate'): Rule => rule({ name, action: 'rate', limit: '1/s' })
const budget = (name = 'budget'): Rule => rule({ name, action: 'budget', amount: '$1' })

describe('the order', () => {
  test('is block, amounts, allow, default', () => {
    const all = [allow(), rate(), block()]

    expect(judge(all, { rate: meter('rate') }).objection).toMatchObject({ by: 'rule' })
    expect(judge([allow(), rate()], { rate: meter('rate') }).objection).toMatchObject({
      by: 'meter',
    })
    expect(judge([allow()], { fallback: 'block' }).objection).toBeUndefined()
    expect(judge([rate()], { fallback: 'block' }).objection).toEqual({ by: 'default' })
  })

  test('has all amounts checked before any is used up', () => {
    const [rates, budgets] = [meter(), meter('budget')]

    const { objection } = judge([rate(), budget()], { rate: rates, budget: budgets })

    expect(objection).toMatchObject({ by: 'meter', exhausted: { message: 'no more' } })
    expect(rates.consumed).toEqual([])
  })

  test('uses nothing up for what a rule blocks, or the default', () => {
    const rates = meter()

    judge([rate(), block()], { rate: rates })
    judge([rate()], { rate: rates, fallback: 'block' })

    expect(rates.consumed).toEqual([])
    judge([rate(), allow()], { rate: rates, fallback: 'block' })
    expect(rates.consumed).toEqual(['rate'])
  })

  const kinds = fc.constantFrom('block', 'allow', 'rate', 'observe', 'elsewhere')
  property.prop([
    fc.shuffledSubarray(['block', 'allow', 'rate', 'observe', 'elsewhere']),
    fc.array(kinds),
    fc.constantFrom<'allow' | 'block'>('allow', 'block'),
  ])('of the rules never decides anything', (first, more, fallback) => {
    const made = (name: string): Rule => {
      if (name === 'rate') return rate()
      if (name === 'allow') return allow()
      if (name === 'observe') return rule({ name, action: 'observe' })
      return block({ name, host: name === 'block' ? 'a.example' : 'b.example' })
    }
    const rules = [...first, ...more].map(made)

    const verdict = judge(rules, { fallback })
    const reversed = judge(rules.toReversed(), { fallback })

    expect(reversed.objection?.by).toBe(verdict.objection?.by)
    if (rules.some(({ name }) => name === 'block')) expect(verdict.objection?.by).toBe('rule')
  })
})

describe('a rule in mode observe', () => {
  test('is told with what it would have decided, and decides nothing', () => {
    const quiet = (of: Rule): Rule => ({ ...of, mode: 'observe' })
    const rules = [quiet(block()), quiet(rate()), quiet(allow())]

    const { objection, notes } = judge(rules, { rate: meter('rate') })

    expect(objection).toBeUndefined()
    expect(notes.map(({ decision, mode }) => [decision, mode])).toEqual([
      ['block', 'observe'],
      ['limit', 'observe'],
      ['allow', 'observe'],
    ])
    expect(judge([quiet(allow())], { fallback: 'block' }).objection).toEqual({ by: 'default' })
  })
})

describe('what can be read in two ways', () => {
  test('is blocked, is counted, and is not allowed', () => {
    const over = { path: '/a//b' }
    const rates = meter()

    expect(judge([block({ path: '/b' })], { over }).objection).toMatchObject({
      by: 'rule',
      isUncertain: true,
    })
    judge([rule({ name: 'r', action: 'rate', path: '/b', limit: '1/s' })], { over, rate: rates })
    expect(rates.consumed).toEqual(['r'])
    const allowing = rule({ action: 'allow', path: '/a/*' })
    expect(judge([allowing], { over, fallback: 'block' }).objection).toEqual({ by: 'default' })
  })
})

describe('names are read', () => {
  const unread = { ...subject, names: undefined }
  const needed = (rules: readonly Rule[], fallback?: 'allow' | 'block'): string | undefined =>
    namesNeeded(ruleSet(rules, fallback), unread)

  test('where a rule that may match decides by them', () => {
    expect(needed([block({ model: 'x' })])).toBe('decide')
    expect(needed([block({ model: 'x', host: 'b.example' })])).toBeUndefined()
    expect(needed([rule({ action: 'rate', tool: 'x', limit: '1/s' })])).toBe('decide')
  })

  test('for an allow rule only where the default blocks', () => {
    const allowing = [rule({ action: 'allow', model: 'x' })]

    expect(needed(allowing)).toBeUndefined()
    expect(needed(allowing, 'block')).toBe('decide')
  })

  test('only to be told where nothing is decided by them', () => {
    expect(needed([rule({ action: 'observe', model: 'x' })])).toBe('tell')
    expect(needed([block({ model: 'x', mode: 'observe' })])).toBe('tell')
  })

  test('not where another rule blocks it without them', () => {
    expect(needed([block({ model: 'x' }), block({ name: 'all' })])).toBeUndefined()
  })
})
