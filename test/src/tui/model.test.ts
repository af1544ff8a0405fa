import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { ViewState } from '../../../src/tui/model.ts'
import {
  applyMessage,
  clearRows,
  createViewState,
  endRunningRows,
  pinRow,
} from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'
import type { ViewLimits } from '../../../src/tui/view-limits.ts'
import { viewLimits } from '../../../src/tui/view-limits.ts'
import { anyMessage } from './any-message.ts'
import {
  callEnd,
  callStart,
  plainExchange,
  responseStart,
  sampleCost,
  sampleUsage,
  stamp,
  textEvent,
  tunnel,
  wholeCall,
} from './sample-messages.ts'

function stateOf(messages: readonly AnalysisMsg[], limits?: ViewLimits): ViewState {
  const state = createViewState(limits)
  for (const msg of messages) applyMessage(state, msg, 'proxy')
  return state
}

function onlyRow(state: ViewState): Row {
  expect(state.rows).toHaveLength(1)
  const [row] = state.rows
  if (row === undefined) throw new Error('no row')
  return row
}

describe('several calls on one socket', () => {
  const url = 'wss://api.openai.com/v1/responses'
  const socket = [
    stamp({
      kind: 'request-started',
      exchangeId: 'w1',
      method: 'GET',
      url,
      httpVersion: '1.1',
      headers: [],
      host: 'api.openai.com',
    }),
    stamp({ kind: 'response-started', exchangeId: 'w1', status: 101, headers: [], ttfbMs: 1 }),
  ]
  const called = (call: number): AnalysisMsg =>
    stamp({
      kind: 'model-called',
      exchangeId: 'w1',
      call,
      provider: 'openai',
      operation: 'responses',
      model: 'gpt-5',
      streaming: true,
      messages: [{ role: 'user', parts: [{ type: 'text', text: `ask ${call}` }] }],
      tools: [],
    })
  const answered = (call: number, more: object = {}): AnalysisMsg =>
    stamp({
      kind: 'model-answered',
      exchangeId: 'w1',
      call,
      provider: 'openai',
      operation: 'responses',
      model: 'gpt-5',
      output: [{ type: 'text', text: `answer ${call}` }],
      toolCalls: [],
      usage: sampleUsage,
      durationMs: 5,
      complete: true,
      ...more,
    })
  const delta = stamp({
    kind: 'websocket-message',
    exchangeId: 'w1',
    direction: 'response',
    opcode: 1,
    text: '{"type":"response.output_text.delta","delta":"so far"}',
  })

  it('are rows of their own, beside that of the socket', () => {
    const error = { type: 'overloaded', message: 'later' }
    const state = stateOf([...socket, called(0), answered(0), called(1), answered(1, { error })])

    expect(state.rows.map(({ kind, phase, prompt }) => [kind, phase, prompt])).toEqual([
      ['http', 'running', ''],
      ['call', 'done', 'ask 0'],
      ['call', 'failed', 'ask 1'],
    ])
    expect(state.rows[1]).toMatchObject({ url, path: '/v1/responses', answer: 'answer 0' })
    expect(state).toMatchObject({ calls: 2, running: 1 })
    expect(state.totals.outputTokens).toBe(642)
  })

  it('show their answers as they are written', () => {
    const state = stateOf([...socket, called(0), delta])

    expect(state.rows.map(({ phase, answer }) => [phase, answer])).toEqual([
      ['running', ''],
      ['running', 'so far'],
    ])
    expect(state.rows[1]?.detail?.live).toMatchObject([{ type: 'text', text: 'so far' }])
  })

  it('do not come back once their socket was dropped', () => {
    const limits = { ...viewLimits, maxRows: 1 }
    const state = stateOf([...socket, ...wholeCall({ id: 'x2' }), called(0)], limits)

    expect(onlyRow(state).id).toBe('x2')
  })
})

describe('a model call', () => {
  it('is one row from its request to its answer', () => {
    const state = stateOf(wholeCall({ id: 'x1' }))

    expect(onlyRow(state)).toMatchObject({
      kind: 'call',
      phase: 'done',
      method: 'POST',
      host: 'api.anthropic.com',
      path: '/v1/messages',
      status: 200,
      provider: 'anthropic',
      model: 'claude-sonnet-4-5-20250929',
      prompt: 'What is the weather?',
      answer: 'It is sunny in Paris.',
      ttftMs: 345,
      durationMs: 2345,
      finishReason: 'end_turn',
    })
    expect(state).toMatchObject({ calls: 1, running: 0 })
    expect(state.totals).toMatchObject({ inputTokens: 11_234, outputTokens: 321, usd: 0.0123 })
  })

  it('streams its answer while it runs', () => {
    const call = { id: 'x1' }
    const state = stateOf([
      ...callStart(call),
      responseStart(call),
      textEvent(call, 0, 'Roses '),
      textEvent(call, 1, 'are red'),
    ])

    const row = onlyRow(state)
    expect(row.phase).toBe('running')
    expect(row.answer).toBe('Roses are red')
    expect(row.detail?.live).toEqual([{ type: 'text', name: undefined, text: 'Roses are red' }])
    expect(row.detail?.events).toHaveLength(2)
    expect(state.running).toBe(1)
  })

  it('counts each call on one connection, and tells its answers apart', () => {
    const call = { id: 'x1' }
    const [, , , , called] = callStart(call)
    const answered = callEnd(call).at(-1)
    if (called === undefined || answered === undefined) throw new Error('no messages')
    const state = stateOf([...callStart(call), answered, called, answered])

    expect(state.calls).toBe(2)
    expect(state.totals).toMatchObject({ known: 2, outputTokens: 642 })
    expect(onlyRow(state).settled.outputTokens).toBe(321)
  })

  it('counts an answer that is told twice only once', () => {
    const call = { id: 'x1' }
    const answered = callEnd(call).at(-1)
    if (answered === undefined) throw new Error('no message')
    const state = stateOf([...wholeCall(call), answered])

    expect(state.calls).toBe(1)
    expect(state.totals).toMatchObject({ known: 1, outputTokens: 321 })
    expect(state.totals.usd).toBeCloseTo(0.0123)
  })

  it('fails with the reason when the model answers with an error', () => {
    const call = { id: 'x1' }
    const state = stateOf([
      ...callStart(call),
      stamp({
        kind: 'exchange-completed',
        exchangeId: 'x1',
        status: 529,
        requestBytes: 1,
        responseBytes: 1,
        durationMs: 5,
      }),
      stamp({
        kind: 'model-answered',
        exchangeId: 'x1',
        provider: 'anthropic',
        operation: 'messages',
        output: [],
        toolCalls: [],
        durationMs: 5,
        complete: false,
        error: { type: 'overloaded_error', message: 'Overloaded' },
      }),
    ])

    expect(onlyRow(state)).toMatchObject({
      phase: 'failed',
      problem: 'overloaded_error: Overloaded',
    })
    expect(state.totals.counted).toBe(false)
  })

  it('does not take an unknown price for zero', () => {
    const cost = { confidence: 'unknown', lines: [] } as const
    const state = stateOf(wholeCall({ id: 'x1', cost }))

    expect(state.totals).toMatchObject({ known: 0, unknown: 1 })
  })

  it('keeps a body as it was sent, and nothing of it twice', () => {
    const row = onlyRow(stateOf(callStart({ id: 'x1' })))

    expect(row.detail?.request.chunks.map(({ text }) => text)).toEqual(['{"stream":true}'])
    expect(row.detail?.request.parsed).toMatchObject({ mediaType: 'application/json', bytes: 15 })
    expect(row.detail?.request.parsed?.json).toBeUndefined()
  })

  it('previews the last words of the user, or the tool results that came after', () => {
    const row = onlyRow(
      stateOf([
        stamp({
          kind: 'model-called',
          exchangeId: 'x1',
          provider: 'openai',
          operation: 'chat',
          streaming: false,
          messages: [
            { role: 'user', parts: [{ type: 'text', text: 'the task' }] },
            { role: 'assistant', parts: [{ type: 'tool-call', name: 'ls', arguments: '{}' }] },
            { role: 'tool', parts: [{ type: 'tool-result', text: 'a.txt' }] },
          ],
          tools: [],
        }),
      ]),
    )

    expect(row.prompt).toBe('⚙ a.txt')
  })
})

describe('other rows', () => {
  it('shows an exchange that is no model call as one row', () => {
    expect(onlyRow(stateOf(plainExchange('x1', '/left-pad')))).toMatchObject({
      kind: 'http',
      phase: 'done',
      path: '/left-pad',
      status: 200,
    })
  })

  it('shows a tunnel with its reason and bytes', () => {
    expect(onlyRow(stateOf(tunnel('x1')))).toMatchObject({
      kind: 'tunnel',
      phase: 'done',
      host: 'statsig.example.com:443',
      problem: 'not-allowlisted',
      requestBytes: 1200,
      responseBytes: 34_000,
    })
  })

  it('makes a row of each refused connection and failed handshake', () => {
    const state = stateOf([
      stamp({ kind: 'connection-refused', host: 'h', port: 80, status: 403, reason: 'rule' }),
      stamp({ kind: 'connection-refused', status: 400, reason: 'bad-authority' }),
      stamp({
        kind: 'tls-failed',
        host: 'h',
        side: 'client',
        code: 'unknown_ca',
        hint: 'trust it',
      }),
    ])

    expect(state.rows.map(({ kind }) => kind)).toEqual(['refused', 'refused', 'tls'])
    expect(state.rows.every(({ phase }) => phase === 'failed')).toBe(true)
    expect(state.running).toBe(0)
  })

  it('tells which side ended a failed exchange', () => {
    const row = onlyRow(
      stateOf([
        stamp({
          kind: 'exchange-failed',
          exchangeId: 'x1',
          by: 'upstream',
          phase: 'connect',
          code: 'ECONNREFUSED',
          durationMs: 3,
        }),
      ]),
    )

    expect(row.problem).toBe('ECONNREFUSED (by the upstream, while connecting)')
  })

  it('shows a refused request as failed, with the reason', () => {
    const row = onlyRow(
      stateOf([
        ...callStart({ id: 'x1' }),
        stamp({
          kind: 'request-refused',
          exchangeId: 'x1',
          status: 403,
          reason: 'rule',
          rule: 'r1',
        }),
        stamp({
          kind: 'exchange-completed',
          exchangeId: 'x1',
          status: 403,
          requestBytes: 0,
          responseBytes: 9,
          durationMs: 1,
        }),
      ]),
    )

    expect(row).toMatchObject({ phase: 'failed', problem: 'refused: rule', status: 403 })
  })

  it('counts dropped messages and analyzer failures without making rows', () => {
    const state = stateOf([
      stamp({ kind: 'messages-dropped', where: 'queue', count: 3, bytes: 100 }),
      stamp({ kind: 'analyzer-failed', analyzer: 'a', error: 'boom' }),
      stamp({ kind: 'connection-opened', clientAddress: '127.0.0.1', clientPort: 1 }),
    ])

    expect(state).toMatchObject({
      droppedMessages: 3,
      analyzerFailures: 1,
      lastAnalyzerFailure: 'a: boom',
      openConnections: 1,
    })
    expect(state.rows).toEqual([])
  })

  it('settles what still runs when the source ends', () => {
    const state = stateOf(callStart({ id: 'x1' }))

    endRunningRows(state)

    expect(onlyRow(state)).toMatchObject({ phase: 'done', problem: 'its end was not seen' })
    expect(state.running).toBe(0)
  })
})

const small: ViewLimits = { ...viewLimits, maxRows: 3, maxDetailBytes: 1000, maxRowBytes: 600 }

describe('bounds', () => {
  it('drops the oldest rows, counts them, and makes no new rows of what comes for them', () => {
    const state = stateOf(callStart({ id: 'x0' }), small)
    for (const id of ['x1', 'x2', 'x3']) {
      for (const msg of wholeCall({ id })) applyMessage(state, msg, 'proxy')
    }
    for (const msg of callEnd({ id: 'x0' })) applyMessage(state, msg, 'proxy')

    expect(state.rows.map(({ id }) => id)).toEqual(['x1', 'x2', 'x3'])
    expect(state).toMatchObject({ droppedRows: 1, running: 0, calls: 4 })
  })

  it('drops the details of the oldest rows, but not of the one on screen', () => {
    const chunk = (id: string): AnalysisMsg =>
      stamp({ kind: 'response-body', exchangeId: id, text: 'x'.repeat(500), offset: 0 })
    const state = createViewState(small)
    state.pinnedId = 'x1'
    for (const id of ['x1', 'x2', 'x3']) applyMessage(state, chunk(id), 'proxy')

    expect(state.rows.map(({ detail }) => detail !== undefined)).toEqual([true, false, false])
    expect(state).toMatchObject({ trimmedRows: 2, keptBytes: 500 })
  })

  it('keeps the details of the newest rows, and those of a row that was open until it is closed', () => {
    const limits = { ...viewLimits, maxDetails: 2 }
    const state = createViewState(limits)
    const kept = (): string[] =>
      state.rows.filter(({ detail }) => detail !== undefined).map(({ id }) => id)
    for (const msg of wholeCall({ id: 'x0' })) applyMessage(state, msg, 'proxy')
    pinRow(state, 'x0')
    for (const id of ['x1', 'x2', 'x3']) {
      for (const msg of wholeCall({ id })) applyMessage(state, msg, 'proxy')
    }
    expect(kept()).toEqual(['x0', 'x3'])

    pinRow(state, undefined)
    for (const msg of wholeCall({ id: 'x4' })) applyMessage(state, msg, 'proxy')
    expect(kept()).toEqual(['x3', 'x4'])
  })

  it('cuts old prompts and answers short where all of them are too much', () => {
    const limits = { ...viewLimits, maxSummaryUnits: 3000 }
    const state = createViewState(limits)
    for (const id of ['x0', 'x1', 'x2']) {
      const call = { id, prompt: 'p'.repeat(800), answer: 'a'.repeat(400) }
      for (const msg of wholeCall(call)) applyMessage(state, msg, 'proxy')
    }

    expect(state.rows.map(({ prompt, answer }) => [prompt.length, answer.length])).toEqual([
      [120, 120],
      [800, 400],
      [800, 400],
    ])
  })

  it('forgets all rows when it is cleared, and makes no new ones of what comes for them', () => {
    const state = stateOf([...wholeCall({ id: 'x0' }), ...callStart({ id: 'x1' })])
    clearRows(state)
    for (const msg of callEnd({ id: 'x1' })) applyMessage(state, msg, 'proxy')

    expect(state.rows).toEqual([])
    expect(state).toMatchObject({ running: 0, keptBytes: 0, details: 0, summaryUnits: 0, calls: 2 })
  })

  it('cuts the details of one exchange that grows too large', () => {
    const chunk = (offset: number): AnalysisMsg =>
      stamp({ kind: 'response-body', exchangeId: 'x1', text: 'x'.repeat(500), offset })
    const row = onlyRow(stateOf([chunk(0), chunk(500)], small))

    expect(row.detail).toMatchObject({ isCut: true })
    expect(row.detail?.response.chunks).toHaveLength(1)
    expect(row.responseBytes).toBe(1000)
  })
})

test.prop([fc.array(fc.tuple(anyMessage, fc.constantFrom('p1', 'p2')), { maxLength: 120 })])(
  'keeps its promises for any messages in any order',
  (messages) => {
    const limits: ViewLimits = {
      maxRows: 5,
      maxDetails: 4,
      maxDetailBytes: 4000,
      maxRowBytes: 1500,
      maxSummaryUnits: 5 * 240,
    }
    const state = createViewState(limits)
    for (const [msg, origin] of messages) applyMessage(state, msg, origin)

    expect(state.rows.length).toBeLessThanOrEqual(limits.maxRows)
    expect(state.byId.size).toBe(state.rows.length)
    expect(new Set(state.rows.map(({ id }) => id)).size).toBe(state.rows.length)
    expect(state.keptBytes).toBe(state.rows.reduce((sum, row) => sum + row.keptBytes, 0))
    expect(state.keptBytes).toBeLessThanOrEqual(limits.maxDetailBytes)
    expect(state.details).toBe(state.rows.filter(({ detail }) => detail !== undefined).length)
    expect(state.details).toBeLessThanOrEqual(limits.maxDetails)
    expect(state.summaryUnits).toBe(state.rows.reduce((sum, row) => sum + row.summaryUnits, 0))
    expect(state.summaryUnits).toBeLessThanOrEqual(limits.maxSummaryUnits)
    expect(state.running).toBe(state.rows.filter(({ phase }) => phase === 'running').length)
    expect(state.totals.known).toBeGreaterThanOrEqual(0)
    expect(state.totals.usd).toBeGreaterThanOrEqual(0)
  },
)

test.prop([fc.shuffledSubarray(wholeCall({ id: 'x1' }), { minLength: 1 })])(
  'makes one row of an exchange whatever the order of its messages',
  (messages) => {
    expect(stateOf(messages).rows).toHaveLength(1)
  },
)

it('adds usage up over rows', () => {
  const messages = ['x1', 'x2', 'x3'].flatMap((id) => wholeCall({ id }))
  const { totals } = stateOf(messages)

  expect(totals.outputTokens).toBe(3 * sampleUsage.outputTokens)
  expect(totals.usd).toBeCloseTo(3 * (sampleCost.usd ?? 0))
})
