import { expect, test } from 'vitest'

import { begun } from '../../../analyzers/wire/work.ts'

function* steps(count: number, done: number[]): Generator<undefined, void, undefined> {
  for (let step = 0; step < count; step += 1) {
    done.push(step)
    yield
  }
}

test('work of one step is done at once, and nothing is left of it', () => {
  expect(begun(steps(0, []))).toBeUndefined()
})

test('longer work has done its first step', () => {
  const done: number[] = []

  const work = begun(steps(2, done))

  expect(done).toEqual([0])
  expect(work?.next().done).toBe(false)
  expect(work?.next().done).toBe(true)
})
