import { describe, expect, test } from 'vitest'

import { bytesOf } from '../../../src/messages/body-bytes.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Analyzer } from '../../../src/pipeline/analyzer.ts'
import { Chain } from '../../../src/pipeline/chain.ts'

function note(rule: string): Extract<AnalysisMsgDraft, { kind: 'rule-matched' }> {
  return { kind: 'rule-matched', rule, decision: 'allow', mode: 'observe' }
}

const rulesOf = (messages: readonly AnalysisMsg[]): string[] =>
  messages.map((msg) => (msg.kind === 'rule-matched' ? msg.rule : msg.kind))

/** Emits a note for each one shorter than `depth`, at once or in steps. */
function splitter(name: string, steps: number, depth: number): Analyzer {
  return {
    name,
    onMessage(msg, emit) {
      if (msg.kind !== 'rule-matched' || msg.rule.length >= depth) return
      if (steps === 0) {
        emit(note(msg.rule + name))
        return
      }
      return (function* work() {
        for (let step = 0; step < steps; step += 1) yield
        emit(note(msg.rule + name))
      })()
    },
  }
}

function chainOf(...analyzers: readonly Analyzer[]) {
  const delivered: AnalysisMsg[] = []
  return { delivered, chain: new Chain(analyzers, (msg) => delivered.push(msg)) }
}

test('a chain can start at any number and be set to another, as a replay does', () => {
  const numbers: number[] = []
  const chain = new Chain([splitter('a', 0, 2)], ({ seq }) => numbers.push(seq), { firstSeq: 10 })

  chain.run(note('1'), 0)
  chain.run(note('2'), 0, { seq: 40 })

  expect(numbers).toEqual([10, 11, 40, 41])
  expect(chain.seq).toBe(42)
})

test('a message carries its bytes as long as it is on its way', () => {
  const bytes = Buffer.from('abc')
  const seen: Buffer[] = []
  const watcher: Analyzer = {
    name: 'w',
    onMessage: (msg) => void (msg.kind === 'request-body' && seen.push(bytesOf(msg))),
  }
  const { chain, delivered } = chainOf(watcher)

  chain.run({ kind: 'request-body', offset: 0, text: 'abc' }, 0, { bytes: { bytes } })

  expect(seen[0]).toBe(bytes)
  const [msg] = delivered
  expect(msg?.kind === 'request-body' && bytesOf(msg)).not.toBe(bytes)
})

describe('an analyzer that names the kinds it reads', () => {
  const recorder = (name: string, seen: string[], kinds?: Analyzer['kinds']): Analyzer => ({
    name,
    kinds,
    onMessage: (msg) => void seen.push(msg.kind),
  })

  test('is shown no others, and all others are', () => {
    const [some, none, all]: string[][] = [[], [], []]
    const { chain, delivered } = chainOf(
      recorder('some', some ?? [], ['rule-matched', 'analyzer-failed']),
      recorder('none', none ?? [], []),
      splitter('a', 0, 2),
      recorder('all', all ?? []),
    )

    chain.run({ kind: 'request-ended', bytes: 0 }, 0)
    chain.run(note('1'), 0)

    expect(some).toEqual(['rule-matched'])
    expect(none).toEqual([])
    expect(all).toEqual(['request-ended', 'rule-matched', 'rule-matched'])
    expect(rulesOf(delivered)).toEqual(['request-ended', '1', '1a'])
  })

  test('is shown what others emit of them, in its turn', () => {
    const seen: string[] = []
    const { chain, delivered } = chainOf(
      recorder('before', [], ['request-ended']),
      splitter('a', 2, 3),
      recorder('after', seen, ['rule-matched']),
      splitter('b', 0, 3),
    )

    chain.run(note('1'), 0)

    expect(seen).toEqual(['rule-matched', 'rule-matched'])
    expect(rulesOf(delivered)).toEqual(['1', '1a', '1ab', '1b'])
    expect(delivered.map(({ by }) => by)).toEqual([undefined, 'a', 'b', 'b'])
  })

  test('may meet kinds that nobody knows, as many as come', () => {
    const seen: string[] = []
    const { chain } = chainOf(recorder('all', seen))

    for (let count = 0; count < 300; count += 1) {
      chain.run({ ...note('1'), kind: `odd-${count}` } as never, 0)
    }

    expect(seen).toHaveLength(300)
  })
})

describe('what an analyzer emits', () => {
  test.each([
    {},
    { connectionId: 'c' },
    { exchangeId: 'x' },
    { connectionId: 'c', exchangeId: 'x' },
    { connectionId: 'c', exchangeId: 'x', agent: 'a' },
  ])('inherits %j, and stands in one order', (ids) => {
    const { chain, delivered } = chainOf(splitter('a', 0, 2))

    chain.run({ ...note('1'), ...ids }, 7)

    const rule = { decision: 'allow', mode: 'observe' }
    expect(JSON.stringify(delivered[1])).toBe(
      JSON.stringify({
        v: 1,
        seq: 1,
        at: 7,
        ...ids,
        by: 'a',
        kind: 'rule-matched',
        rule: '1a',
        ...rule,
      }),
    )
  })
})

describe('work in steps', () => {
  test('gives the same messages in the same order as work at once', () => {
    const atOnce = chainOf(splitter('a', 0, 3), splitter('b', 0, 4), splitter('c', 0, 4))
    const inSteps = chainOf(splitter('a', 3, 3), splitter('b', 0, 4), splitter('c', 2, 4))
    for (const { chain } of [atOnce, inSteps]) {
      chain.run(note('1'), 0)
      chain.run(note('2'), 0)
    }

    expect(rulesOf(atOnce.delivered)).toEqual(rulesOf(inSteps.delivered))
    expect(atOnce.delivered).toEqual(inSteps.delivered)
    expect(atOnce.delivered.length).toBeGreaterThan(6)
  })

  test('is left after each step, and nothing is shown to anybody before it is done', () => {
    const seen: string[] = []
    const last: Analyzer = { name: 'z', onMessage: (msg) => void seen.push(msg.kind) }
    const { chain, delivered } = chainOf(splitter('a', 2, 2), last)

    chain.begin(note('1'), 0)
    expect([chain.isBusy, seen.length, delivered.length]).toEqual([true, 0, 0])
    chain.advance()
    expect([chain.isBusy, seen.length, delivered.length]).toEqual([true, 0, 0])
    chain.advance()

    expect(chain.isBusy).toBe(false)
    expect(rulesOf(delivered)).toEqual(['1', '1a'])
  })

  test('that throws is reported as its analyzer failing, and the chain goes on', () => {
    const broken: Analyzer = {
      name: 'broken',
      *onMessage(_, emit) {
        yield
        emit(note('before'))
        throw new Error('no')
      },
    }
    const { chain, delivered } = chainOf(broken, splitter('b', 0, 2))

    chain.run({ ...note('1'), exchangeId: 'x1' }, 0)

    expect(rulesOf(delivered)).toEqual(['1', 'before', 'analyzer-failed', '1b'])
    expect(delivered[2]).toMatchObject({ analyzer: 'broken', error: 'no', exchangeId: 'x1' })
  })

  test.each([[Promise.resolve()], [7], ['text'], [null], [{ next: 7 }]])(
    'is only what can be taken a step further, not %j',
    (returned) => {
      const odd = { name: 'odd', onMessage: () => returned } as unknown as Analyzer
      const { chain, delivered } = chainOf(odd)

      chain.run(note('1'), 0)

      expect(rulesOf(delivered)).toEqual(['1'])
    },
  )
})
