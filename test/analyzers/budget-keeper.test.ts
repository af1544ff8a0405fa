import { describe, expect, test } from 'vitest'

import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import type { AnsweredCall } from '../../analyzers/budget-keeper.ts'
import type { AnalysisMsgDraft } from '../../src/messages/schema.ts'

type Told = readonly [what: 'answered' | 'ended', exchangeId: string, call?: AnsweredCall]

function keep(drafts: readonly AnalysisMsgDraft[]): Told[] {
  const told: Told[] = []
  const keeper = new BudgetKeeper({
    answered: (id, call) => told.push(['answered', id, call]),
    ended: (id) => told.push(['ended', id]),
  })
  for (const [seq, draft] of drafts.entries()) {
    keeper.onMessage({ v: 1, seq, at: 100 + seq, exchangeId: 'x1', ...draft })
  }
  void keeper.close()
  return told
}

const started = {
  kind: 'request-started',
  method: 'POST',
  url: 'https://api.openai.com/v1/responses',
  httpVersion: '1.1',
  headers: [],
  host: 'api.openai.com',
} as const
const answering = (status: number) =>
  ({ kind: 'response-started', status, headers: [], ttfbMs: 1 }) as const
const completed = {
  kind: 'exchange-completed',
  status: 200,
  requestBytes: 1,
  responseBytes: 1,
  durationMs: 1,
} as const
const usage = {
  inputTokens: 3,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 4,
  reasoningTokens: 0,
  totalTokens: 7,
  source: 'reported',
} as const
const answered = {
  kind: 'model-answered',
  provider: 'openai',
  operation: 'responses',
  model: 'gpt-5',
  output: [],
  toolCalls: [],
  usage,
  cost: { usd: 0.5, confidence: 'exact', lines: [] },
  durationMs: 1,
  complete: true,
} as const

const failed = {
  kind: 'exchange-failed',
  by: 'upstream',
  phase: 'connect',
  code: 'c',
  durationMs: 1,
} as const

describe('what a call took is told', () => {
  test('when it has been answered, and that nothing more comes, after that', () => {
    expect(keep([started, answering(200), completed, answered])).toEqual([
      ['answered', 'x1', { at: 103, model: 'gpt-5', tokens: 7, usd: 0.5 }],
      ['ended', 'x1'],
    ])
  })

  test('for every call of a WebSocket, and for none where none was made', () => {
    const socket = { ...started, method: 'GET', url: 'wss://api.openai.com/v1/realtime?model=m' }

    expect(
      keep([socket, answering(101), answered, answered, completed]).map(([what]) => what),
    ).toEqual(['answered', 'answered', 'ended'])
    expect(keep([socket, answering(101), completed]).map(([what]) => what)).toEqual(['ended'])
  })

  test('as unknown, where it was answered and could not be read', () => {
    expect(keep([started, answering(200), completed])).toEqual([
      ['answered', 'x1', { at: 102, model: undefined, tokens: undefined, usd: undefined }],
      ['ended', 'x1'],
    ])
    expect(keep([started, { ...failed, phase: 'waiting' as const }])).toHaveLength(2)
  })
})

describe('nothing is told to be taken', () => {
  test.each<[string, AnalysisMsgDraft[]]>([
    [
      'by a request that was refused here',
      [{ kind: 'request-refused', status: 403, reason: 'rule' }, completed, answered],
    ],
    ['by a call that the provider refused', [answering(429), completed, answered]],
    ['by a call that never got there', [failed, answered]],
  ])('%s', (_what, rest) => {
    expect(keep([started, ...rest])).toEqual([['ended', 'x1']])
  })

  test('by a request that runs no model', () => {
    const listed = { ...started, method: 'GET', url: 'https://api.openai.com/v1/models' }

    expect(keep([listed, answering(200), completed])).toEqual([['ended', 'x1']])
  })
})

test('what took nothing is free again before anything else is told', () => {
  const heard: string[] = []
  const keeper = new BudgetKeeper({ answered: () => {}, ended: (id) => void heard.push(id) })
  const ids = { v: 1, seq: 0, at: 0, exchangeId: 'x1' } as const

  keeper.onMessage({ ...ids, ...started, headers: [] })
  keeper.onMessage({ ...ids, ...failed })

  expect(heard).toEqual(['x1'])
})

test('an end is told before another exchange is looked at', () => {
  const other = { ...started, exchangeId: 'x2' }

  expect(keep([started, answering(200), completed, other]).map(([what, id]) => [what, id])).toEqual(
    [
      ['answered', 'x1'],
      ['ended', 'x1'],
    ],
  )
})

describe('a call is under way no longer', () => {
  test('when nothing has come after its end for a while, though nobody says what it took', () => {
    const told: string[] = []
    const tasks: Array<() => void> = []
    const keeper = new BudgetKeeper(
      { answered: (id) => told.push(`answered ${id}`), ended: (id) => told.push(`ended ${id}`) },
      (task) => tasks.push(task),
    )
    for (const [seq, draft] of [started, answering(200), completed].entries()) {
      keeper.onMessage({ v: 1, seq, at: 100, exchangeId: 'x1', ...draft })
    }
    expect(told).toEqual([])
    for (const task of tasks) task()
    expect(told).toEqual(['answered x1', 'ended x1'])
    keeper.onMessage({ v: 1, seq: 9, at: 100, exchangeId: 'x2', ...started })
    expect(told).toHaveLength(2)
  })

  test('when there are more than can be remembered', () => {
    const ended: string[] = []
    const keeper = new BudgetKeeper({ answered: () => {}, ended: (id) => ended.push(id) })
    for (let seq = 0; seq < 4100; seq += 1) {
      keeper.onMessage({ v: 1, seq, at: 100, exchangeId: `x${seq}`, ...started })
    }
    expect(ended).toEqual(['x0', 'x1', 'x2', 'x3'])
  })
})
