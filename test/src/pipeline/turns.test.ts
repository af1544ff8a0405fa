import { setImmediate as nextTurn } from 'node:timers/promises'

import { describe, expect, test } from 'vitest'

import { Turns } from '../../../src/pipeline/turns.ts'
import type { TurnLimits } from '../../../src/pipeline/turns.ts'

const mebibyte = 1024 * 1024

/** Turns of which each does one step, until `steps` are done. */
function createWork(steps: number): {
  readonly turns: Turns
  readonly taken: TurnLimits[]
  readonly waiting: { bytes: number }
} {
  const taken: TurnLimits[] = []
  const waiting = { bytes: 0 }
  const turns = new Turns({
    take: (limits) => {
      taken.push(limits)
      return taken.length < steps
    },
    waitingBytes: () => waiting.bytes,
  })
  return { turns, taken, waiting }
}

describe('turns of analysis', () => {
  test('come after what else was put off to the end of the same turn of the loop', async () => {
    const { turns, taken } = createWork(1)
    turns.announce()
    let takenBefore: number | undefined
    setImmediate(() => {
      takenBefore = taken.length
    })

    await expect.poll(() => taken.length, { timeout: 15_000 }).toBe(1)

    expect(takenBefore).toBe(0)
  })

  test('leave out some turns of the loop while each brings something new, never all', async () => {
    const { turns, taken } = createWork(Infinity)
    for (let turn = 0; turn < 50; turn += 1) {
      turns.announce()
      await nextTurn()
    }

    expect(taken.length).toBeGreaterThanOrEqual(9)
    expect(taken.length).toBeLessThanOrEqual(13)
  })

  test('leave out none where much waits', async () => {
    const { turns, taken, waiting } = createWork(Infinity)
    waiting.bytes = 2 * mebibyte
    for (let turn = 0; turn < 50; turn += 1) {
      turns.announce()
      await nextTurn()
    }

    expect(taken.length).toBeGreaterThanOrEqual(48)
  })

  test('go on by themselves until nothing is left, then end', async () => {
    const { turns, taken } = createWork(20)
    turns.announce()

    await expect.poll(() => taken.length, { timeout: 15_000 }).toBe(20)
    for (let turn = 0; turn < 10; turn += 1) await nextTurn()

    expect(taken).toHaveLength(20)
  })
})
