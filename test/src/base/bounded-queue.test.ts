import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { BoundedQueue } from '../../../src/base/bounded-queue.ts'

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.nat(60), force: fc.boolean() }) },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
  ),
  { maxLength: 200 },
)

property.prop([fc.nat(200), steps])(
  'behaves like a plain array with a sum of bytes',
  (limit, actions) => {
    const queue = new BoundedQueue<number>(limit)
    const model: Array<{ value: number; bytes: number }> = []
    const held = (): number => model.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const [index, action] of actions.entries()) {
      if (action === 'shift') {
        expect(queue.shift()).toBe(model.shift()?.value)
      } else {
        const taken = action.force || held() + action.push <= limit
        expect(queue.push(index, action.push, action.force)).toBe(taken)
        if (taken) model.push({ value: index, bytes: action.push })
      }
      expect(queue.bytes).toBe(held())
      expect(queue.size).toBe(model.length)
    }
  },
)

test('keeps its order across the compaction of a long queue', () => {
  const queue = new BoundedQueue<number>(Infinity)
  const count = 5000
  for (let index = 0; index < count; index += 1) queue.push(index, 1)

  const taken: Array<number | undefined> = []
  for (let index = 0; index < count; index += 1) {
    taken.push(queue.shift())
    if (index % 2 === 0) queue.push(count + index / 2, 1)
  }

  expect(taken).toEqual(Array.from({ length: count }, (_, index) => index))
  expect(queue.size).toBe(count / 2)
  expect(queue.shift()).toBe(count)
})

test('gives undefined when empty, and works on afterwards', () => {
  const queue = new BoundedQueue<string>(1)

  expect(queue.shift()).toBeUndefined()
  expect(queue.push('a', 1)).toBe(true)
  expect(queue.push('b', 1)).toBe(false)
  expect(queue.shift()).toBe('a')
  expect(queue.shift()).toBeUndefined()
  expect(queue.bytes).toBe(0)
})
