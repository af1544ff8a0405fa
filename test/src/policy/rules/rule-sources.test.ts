import { expect, test } from 'vitest'

import type { RulePart } from '../../../../src/policy/rules/rule-sources.ts'
import { combineRules } from '../../../../src/policy/rules/rule-sources.ts'
import { rule } from '../../../support/rules.ts'

const one = rule({ action: 'block', host: 'a.example' })
const two = rule({ action: 'block', host: 'b.example' })

test('rules of all parts hold, in one set that stays the same until a part is another', () => {
  let first: RulePart = { rules: [one] }
  const second: RulePart = { rules: [two] }
  const source = combineRules([() => first, () => second], 'allow')

  const before = source.current()
  expect(before.rules).toEqual([one, two])
  expect(source.current()).toBe(before)
  first = { rules: [] }
  expect(source.current().rules).toEqual([two])
  expect(before.rules).toEqual([one, two])
})

test('an agent’s own default action goes before that of the proxy', () => {
  const part: RulePart = {
    rules: [],
    defaultAction: (agent) => (agent === 'ci' ? 'block' : undefined),
  }
  const set = combineRules([() => part], 'allow').current()

  expect([
    set.defaultAction('ci'),
    set.defaultAction('other'),
    set.defaultAction(undefined),
  ]).toEqual(['block', 'allow', 'allow'])
})

test('a part that cannot be had is an error', () => {
  const source = combineRules(
    [
      () => {
        throw new Error('gone')
      },
    ],
    'allow',
  )

  expect(() => source.current()).toThrow('gone')
})
