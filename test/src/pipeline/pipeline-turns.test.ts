import { describe, expect, test } from 'vitest'

import type { Clock } from '../../../src/base/clock.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'

const mebibyte = 1024 * 1024

class HeldClock implements Clock {
  ms = 1000
  now(): number {
    return this.ms
  }
  monotonicMs(): number {
    return this.ms
  }
}

function note(rule: string): Extract<AnalysisMsgDraft, { kind: 'rule-matched' }> {
  return { kind: 'rule-matched', rule, decision: 'allow', mode: 'observe' }
}

const rulesOf = (messages: readonly AnalysisMsg[]): string[] =>
  messages.map((msg) => (msg.kind === 'rule-matched' ? msg.rule : msg.kind))

describe('long work', () => {
  /** Takes a second of a clock for each of its steps. */
  function slow(clock: HeldClock, steps: number): Analyzer {
    return {
      name: 'slow',
      *onMessage(msg, emit) {
        for (let step = 0; step < steps; step += 1) {
          clock.ms += 1000
          yield
        }
        if (msg.by === undefined) emit(note('done'))
      },
    }
  }

  test('lets other events of the loop come between its steps, and keeps the order', async () => {
    const clock = new HeldClock()
    const pipeline = new Pipeline({ analyzers: [slow(clock, 20)], clock, queueBytes: mebibyte })
    const order: string[] = []
    const done = new Promise<void>((resolve) => {
      pipeline.subscribe((msg) => {
        order.push(msg.kind === 'rule-matched' ? msg.rule : msg.kind)
        if (order.filter((name) => name === 'done').length === 2) resolve()
      })
    })
    let turns = 0
    const count = (): void => {
      turns += 1
      if (order.length < 4) setImmediate(count)
    }

    pipeline.publish(note('1'))
    pipeline.publish(note('2'))
    setImmediate(count)
    await done

    expect(order).toEqual(['1', 'done', '2', 'done'])
    expect(turns).toBeGreaterThan(30)
  })

  test('is done to its end by a flush', () => {
    const clock = new HeldClock()
    const pipeline = new Pipeline({ analyzers: [slow(clock, 20)], clock, queueBytes: mebibyte })
    const delivered: AnalysisMsg[] = []
    pipeline.subscribe((msg) => {
      delivered.push(msg)
      // Not from within: that would overtake the message that is being delivered.
      pipeline.flush()
    })

    pipeline.publish(note('1'))
    pipeline.publish(note('2'))
    pipeline.flush()

    expect(rulesOf(delivered)).toEqual(['1', 'done', '2', 'done'])
  })
})
