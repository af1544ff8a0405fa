import { expect, test } from 'vitest'

import { ExchangeStates } from '../../../analyzers/wire/exchange-states.ts'

test('forgets the oldest exchange when more are open than it may hold', () => {
  const states = new ExchangeStates<number>()
  for (let index = 0; index < 5_000; index += 1) states.set(`x${index}`, index)

  expect(states.get('x0')).toBeUndefined()
  expect(states.get('x903')).toBeUndefined()
  expect(states.get('x904')).toBe(904)
  expect(states.get('x4999')).toBe(4_999)
})

test('gives a state out once when it is taken', () => {
  const states = new ExchangeStates<string>()
  states.set('x1', 'a')

  expect(states.take('x1')).toBe('a')
  expect(states.take('x1')).toBeUndefined()
  expect(states.take(undefined)).toBeUndefined()
})
