import { expect, test } from 'vitest'

import {
  createChance,
  randomMessages,
  randomSizes,
  withLosses,
} from '../../../src/conformance/random-messages.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'

test('messages made by chance are valid ones of every kind that the proxy reports', () => {
  const chance = createChance(1)
  const kinds = new Set<string>()
  for (let round = 0; round < 100; round += 1) {
    for (const message of [...randomMessages(chance, 40), ...withLosses(chance)]) {
      expect(analysisMsgSchema.safeParse({ v: 1, seq: 0, ...message }).error).toBeUndefined()
      kinds.add(message.kind)
    }
  }

  expect([...kinds].toSorted()).toEqual([
    'exchange-completed',
    'exchange-failed',
    'request-body',
    'request-ended',
    'request-started',
    'response-body',
    'response-ended',
    'response-started',
    'websocket-message',
  ])
})

test('the same seed gives the same', () => {
  const made = (seed: number): unknown => {
    const chance = createChance(seed)
    return [randomMessages(chance, 40), randomSizes(chance), withLosses(chance), chance.below(1e9)]
  }

  expect(made(3)).toEqual(made(3))
  expect(made(3)).not.toEqual(made(4))
})

test('there is nothing to choose from in an empty list', () => {
  expect(() => createChance(1).of([])).toThrow(RangeError)
})
