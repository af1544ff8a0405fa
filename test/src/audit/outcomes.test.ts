import { describe, expect, test } from 'vitest'

import { OutcomeGatherer } from '../../../src/audit/outcomes.ts'
import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import type { Outcome } from '../../../src/policy/decision-log.ts'

const request = {
  kind: 'request-started',
  method: 'POST',
  url: 'https://h/',
  httpVersion: '1.1',
  headers: [],
  host: 'h',
} as const
const completed = {
  kind: 'exchange-completed',
  status: 200,
  requestBytes: 3,
  responseBytes: 4,
  durationMs: 5,
} as const
const called = {
  kind: 'model-called',
  provider: 'openai',
  operation: 'chat',
  streaming: false,
  messages: [],
  tools: [],
} as const
const usage = {
  inputTokens: 10,
  cacheReadTokens: 5,
  cacheWriteTokens: 1,
  outputTokens: 7,
  reasoningTokens: 0,
  totalTokens: 23,
  source: 'reported',
} as const
const cost = { usd: 0.5, confidence: 'exact', lines: [] } as const
const answered = {
  kind: 'model-answered',
  provider: 'openai',
  operation: 'chat',
  model: 'gpt-5',
  output: [],
  toolCalls: [],
  usage,
  cost,
  durationMs: 1,
  complete: true,
} as const

interface Heard {
  readonly outcomes: Outcome[]
  readonly gatherer: OutcomeGatherer
  readonly add: (...drafts: readonly AnalysisMsgDraft[]) => void
}

function gather(): Heard {
  const outcomes: Outcome[] = []
  const gatherer = new OutcomeGatherer((outcome) => outcomes.push(outcome))
  return {
    outcomes,
    gatherer,
    add: (...drafts) => {
      for (const draft of drafts) {
        gatherer.add({ v: 1, seq: 0, at: 0, exchangeId: 'x1', ...draft })
      }
    },
  }
}

const nothing = { models: [], secrets: [], tokensReplaced: 0, tokensStripped: 0 }

describe('an exchange', () => {
  test('that completes is told with what it took', () => {
    const { outcomes, add } = gather()

    add(
      request,
      { kind: 'credential-injected', secretId: 'openai', mode: 'header', location: 'h' },
      { kind: 'token-replaced', secretId: 'other', mode: 'body', location: 'body' },
      { kind: 'token-stripped', secretId: 'third', mode: 'body', location: 'body' },
      called,
      answered,
      completed,
    )

    expect(outcomes).toEqual([
      {
        exchangeId: 'x1',
        connectionId: undefined,
        agent: undefined,
        error: undefined,
        status: 200,
        bytesUp: 3,
        bytesDown: 4,
        durationMs: 5,
        inputTokens: 16,
        outputTokens: 7,
        usd: 0.5,
        models: ['gpt-5'],
        secrets: ['openai', 'other'],
        tokensReplaced: 1,
        tokensStripped: 1,
      },
    ])
  })

  test('whose answer is read after its end is told then', () => {
    const { outcomes, gatherer, add } = gather()

    add(request, called, completed)
    expect(outcomes).toEqual([])
    expect(gatherer.isWaiting).toBe(true)
    add(answered)

    expect(outcomes).toMatchObject([{ models: ['gpt-5'], usd: 0.5 }])
    expect(gatherer.isWaiting).toBe(false)
  })

  test('whose answer is never read is told without it', () => {
    const { outcomes, gatherer, add } = gather()

    add(request, called, completed)
    gatherer.settle()

    expect(outcomes).toMatchObject([{ status: 200, usd: undefined, inputTokens: undefined }])
  })

  test('with a call of unknown cost has no cost, rather than a part of it', () => {
    const { outcomes, add } = gather()

    add(request, called, answered, called)
    add({ ...answered, usage: undefined, cost: undefined }, completed)

    expect(outcomes).toMatchObject([{ usd: undefined, inputTokens: undefined }])
  })

  test('that fails is told with why, and what had come by then', () => {
    const { outcomes, add } = gather()

    add(
      request,
      { kind: 'request-ended', bytes: 9 },
      { kind: 'response-started', status: 200, headers: [], ttfbMs: 1 },
      {
        kind: 'exchange-failed',
        by: 'upstream',
        phase: 'response',
        code: 'ECONNRESET',
        durationMs: 2,
      },
    )

    expect(outcomes).toMatchObject([
      { status: 200, error: 'ECONNRESET', bytesUp: 9, bytesDown: undefined, durationMs: 2 },
    ])
  })

  test('that was refused has none', () => {
    const { outcomes, add } = gather()

    add(request, { kind: 'request-refused', status: 403, reason: 'rule' }, completed)

    expect(outcomes).toEqual([])
  })

  test('is told once, whatever comes after', () => {
    const { outcomes, gatherer, add } = gather()

    add(request, completed, completed, answered)
    gatherer.settle()

    expect(outcomes).toHaveLength(1)
  })
})

test('a tunnel is told with its bytes', () => {
  const { outcomes, add } = gather()

  add({ kind: 'tunnel-closed', host: 'h', port: 443, bytesUp: 1, bytesDown: 2, durationMs: 3 })

  expect(outcomes).toMatchObject([{ exchangeId: 'x1', bytesUp: 1, bytesDown: 2, ...nothing }])
})

test('an unread request that the address guard refused is told by its code, as one that is read', () => {
  const { outcomes, add } = gather()
  const closed = { kind: 'tunnel-closed', host: 'h', port: 80, durationMs: 3 } as const

  add({ ...closed, bytesUp: 0, bytesDown: 0, error: 'leads elsewhere', code: 'address-denied' })

  expect(outcomes).toMatchObject([{ exchangeId: 'x1', error: 'address-denied' }])
})

test('exchanges without an end are forgotten, the oldest first', () => {
  const { outcomes, add } = gather()

  for (let index = 0; index < 16_386; index += 1) add({ ...request, exchangeId: `x${index}` })
  add({ ...completed, exchangeId: 'x0' }, { ...completed, exchangeId: 'x2' })

  expect(outcomes.map(({ exchangeId }) => exchangeId)).toEqual(['x2'])
})
