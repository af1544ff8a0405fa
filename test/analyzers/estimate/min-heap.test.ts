import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { createMinHeap } from '../../../analyzers/estimate/min-heap.ts'

const key = fc.integer({ min: 0, max: 2 ** 30 })

test('gives numbers back in order, whenever they were put in', () => {
  fc.assert(
    fc.property(fc.array(fc.option(key, { freq: 3 }), { maxLength: 200 }), (steps) => {
      const heap = createMinHeap(200)
      const model: number[] = []
      for (const step of steps) {
        if (step === null) {
          model.sort((a, b) => a - b)
          expect(heap.pop()).toBe(model.shift())
        } else {
          heap.push(step)
          model.push(step)
        }
      }
      for (const left of model.toSorted((a, b) => a - b)) expect(heap.pop()).toBe(left)
      expect(heap.pop()).toBeUndefined()
    }),
  )
})

test('holds no more than it has room for, and nothing once it is cleared', () => {
  const heap = createMinHeap(2)
  for (const number of [3, 1, 0]) heap.push(number)

  expect([heap.pop(), heap.pop(), heap.pop()]).toEqual([1, 3, undefined])
  heap.push(5)
  heap.clear()
  expect(heap.pop()).toBeUndefined()
})
