import { expect, test } from 'vitest'

import { fileRules } from '../../../src/config/file-rules.ts'

const path = '/etc/porthole.json'

test('rules of a file have names, their own or their place', () => {
  const rules = fileRules(
    [
      { action: 'block', host: 'a.example' },
      { name: 'few', action: 'rate', limit: '1/s' },
    ],
    path,
  )

  expect(rules.map(({ name, id, origin }) => [name, id, origin])).toEqual([
    ['file-1', 'file:file-1', 'file'],
    ['few', 'file:few', 'file'],
  ])
})

test('a rule that is wrong is told with its place', () => {
  expect(() => fileRules([{ action: 'observe' }, { action: 'rate' }], path)).toThrow(
    'cannot read the configuration /etc/porthole.json: rules.1: not a rule: limit is missing',
  )
})

test('two rules of one name are refused', () => {
  const twice = { name: 'a', action: 'observe' } as const

  expect(() => fileRules([twice, twice], path)).toThrow('there are two rules named a')
})
