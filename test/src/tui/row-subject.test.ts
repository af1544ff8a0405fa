import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { parseFilter } from '../../../src/query/filter.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import { createRowTest, subjectOf } from '../../../src/tui/row-subject.ts'
import {
  callStart,
  plainExchange,
  sampleUsage,
  stamp,
  textEvent,
  tunnel,
  wholeCall,
} from './sample-messages.ts'

function stateOf(messages: readonly AnalysisMsg[]) {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  return state
}

function filterOf(text: string) {
  const parsed = parseFilter(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.filter
}

const mixed = [
  ...wholeCall({ id: 'x1', prompt: 'Tell me about Paris', answer: 'It has a tower.' }),
  stamp({
    kind: 'call-linked',
    exchangeId: 'x1',
    sessionId: 'session-1',
    sessionSource: 'header',
    clientSessionId: 'mine',
    turn: 1,
    branch: 'sub-agent',
    branchId: 'b',
    changed: [],
    cache: { verdict: 'hit' },
    attempt: 1,
    toolResults: [],
  }),
  ...callStart({ id: 'x2', model: 'gpt-5', provider: 'openai' }),
  stamp({
    kind: 'model-answered',
    exchangeId: 'x2',
    agent: 'builder',
    provider: 'openai',
    operation: 'chat',
    model: 'gpt-5',
    output: [],
    toolCalls: [{ name: 'Bash', arguments: '{}' }],
    finishReason: 'tool_calls',
    usage: { ...sampleUsage, totalTokens: 20 },
    durationMs: 5000,
    complete: true,
  }),
  ...plainExchange('x3', '/left-pad', 404),
  ...tunnel('x4'),
]

describe('a filter over rows', () => {
  it.each([
    ['paris', ['x1']],
    ['~b stream', ['x1', 'x2']],
    ['~bs hello', ['x3']],
    ['~model gpt', ['x2']],
    ['~tool ^bash$', ['x2']],
    ['~agent builder', ['x2']],
    ['~cache hit', ['x1']],
    ['~session mine', ['x1']],
    ['~stop tool', ['x2']],
    ['~cost > 0.01', ['x1']],
    ['~tokens > 11k', ['x1', 'x2']],
    ['~dur >= 5s', ['x2']],
    ['~ttft < 1s', ['x1']],
    ['~d statsig', ['x4']],
    ['~d ^registry.example.com$', ['x3']],
    ['~hq x-api-key', ['x1', 'x2']],
    ['~e', ['x3']],
    ['~c 404', ['x3']],
    ['~tunnel', ['x4']],
    ['~q', ['x2']],
    ['!~tunnel & !~model .', ['x3']],
    ['', ['x1', 'x2', 'x3', 'x4']],
  ])('finds %j', (text, ids) => {
    const test = createRowTest(filterOf(text))

    expect(
      stateOf(mixed)
        .rows.filter(test)
        .map(({ id }) => id),
    ).toEqual(ids)
  })

  it('asks a row again once it changed, and not before', () => {
    const state = stateOf(callStart({ id: 'x1' }))
    const [row] = state.rows
    if (row === undefined) throw new Error('no row')
    const test = createRowTest(filterOf('roses'))
    expect(test(row)).toBe(false)

    row.answer = 'Roses are red'
    expect(test(row)).toBe(false)
    applyMessage(state, textEvent({ id: 'x1' }, 0, 'Roses'), 'p')
    expect(test(row)).toBe(true)
  })

  it('knows no more of a row than is kept of it', () => {
    const state = stateOf(wholeCall({ id: 'x1' }))
    const [row] = state.rows
    if (row === undefined) throw new Error('no row')
    row.detail = undefined
    const subject = subjectOf(row)

    expect(subject.requestBody()).toBe('')
    expect(subject.requestHeaders()).toEqual([])
    expect(subject.conversation()).toContain('It is sunny')
  })
})
