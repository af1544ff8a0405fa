import { expect, test } from 'vitest'

import { headerValues, isNamed } from '../../../src/messages/header-values.ts'

test('all values of a field are found in order, however its name is spelled', () => {
  const pairs = [
    ['Accept', 'a'],
    ['X-Accept', 'no'],
    ['ACCEPT', 'b'],
    ['accept', 'c'],
  ] as const

  expect(headerValues(pairs, 'Accept')).toEqual(['a', 'b', 'c'])
  expect(headerValues(pairs, 'host')).toEqual([])
})

test('a name of the same length is another name', () => {
  expect(isNamed('Host', 'host')).toBe(true)
  expect(isNamed('Hose', 'host')).toBe(false)
})
