import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { createBlockCache } from '../../../src/tui/block.ts'
import { conversation } from '../../../src/tui/conversation.ts'
import { displayWidth } from '../../../src/tui/format.ts'
import type { Line } from '../../../src/tui/line.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'
import { anyMessage } from './any-message.ts'
import { findUnsafe } from './hostile-text.ts'
import { callStart, stamp, tunnel, wholeCall } from './sample-messages.ts'

function rowOf(messages: readonly AnalysisMsg[]): Row {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const [row] = state.rows
  if (row === undefined) throw new Error('no row')
  return row
}

const textOf = (lines: readonly Line[]): string[] =>
  lines.map((line) => line.map(({ text }) => text).join(''))
const talk = (row: Row, width = 80): string =>
  textOf(conversation(row, width, createBlockCache()).lines).join('\n')

describe('the conversation', () => {
  it('shows system prompt, tools, messages, answer, usage and the arithmetic of the cost', () => {
    const text = talk(rowOf(wholeCall({ id: 'x1', system: 'Be terse.' })))

    expect(text).toBe(`system
  Be terse.

tools (1)
  get_weather  Reads the weather of a city.

user
  What is the weather?

answer end_turn
  It is sunny in Paris.

usage first token after 345ms · done after 2.3s · 160.0 tokens/s
  input 1,234 · cache read 10,000 · cache write 0 · output 321 (21 reasoning) ·
  total 11,555

cost exact · prices: sample prices 2025-05-01
  input        1,234 × $3 / M = $0.0037
  output         321 × $15 / M = $0.0048
  total  $0.0123`)
  })

  it('shows the place of the call: what it shares, its cache, the results that it brings', () => {
    const link: AnalysisMsgDraft = {
      kind: 'call-linked',
      exchangeId: 'x1',
      sessionId: 's1',
      sessionSource: 'header',
      turn: 2,
      branch: 'sub-agent',
      branchId: 'b1',
      parentExchangeId: 'x0',
      previousExchangeId: 'x9',
      sharedMessages: 3,
      changed: ['tools', 'message', 'appended'],
      changedMessage: 4,
      cache: { verdict: 'partial', reason: 'tools-changed', expectedTokens: 12_000 },
      attempt: 2,
      retryOf: 'x8',
      toolResults: [
        { id: 't1', name: 'Bash', calledBy: 'x9', waitedMs: 1_500, isError: true },
        { id: 't2' },
      ],
    }
    const text = talk(rowOf([...wholeCall({ id: 'x1' }), stamp(link)]), 120)

    expect(text).toContain(`place session s1 · turn 2 · sub-agent of x0
  attempt 2 after x8
  shares 3 messages with x9 · changed: tools, message 4, appended
  cache partial (tools changed) · 12,000 tokens could have been read
  brings Bash called by x9, 1.5s, failed
  brings t2`)
  })

  it('shows the answer while it streams, reasoning and tool calls included', () => {
    const event = (index: number, data: object): AnalysisMsg =>
      stamp({
        kind: 'sse-event',
        exchangeId: 'x1',
        index,
        data: JSON.stringify(data),
        sinceRequestMs: 1,
      })
    const row = rowOf([
      ...callStart({ id: 'x1' }),
      event(0, { type: 'content_block_delta', delta: { thinking: 'Let me think.' } }),
      event(1, { type: 'content_block_delta', delta: { text: 'I will look.' } }),
      event(2, { type: 'content_block_start', content_block: { type: 'tool_use', name: 'look' } }),
      event(3, { type: 'content_block_delta', delta: { partial_json: '{"at":' } }),
      event(4, { type: 'content_block_delta', delta: { partial_json: ' 1}' } }),
    ])

    expect(talk(row)).toContain(
      'answer streaming …\n  Let me think.\n  I will look.\n  ⚙ look\n  {"at": 1}',
    )
  })

  it('says that it waits before the first piece', () => {
    expect(talk(rowOf(callStart({ id: 'x1' })))).toContain('answer waiting …')
  })

  it('shows tool calls, their results and media', () => {
    const called: AnalysisMsgDraft = {
      kind: 'model-called',
      exchangeId: 'x1',
      provider: 'openai',
      operation: 'chat',
      streaming: false,
      messages: [
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'look at this' },
            { type: 'media', mediaType: 'image/png', bytes: 12_345 },
          ],
        },
        { role: 'assistant', parts: [{ type: 'tool-call', name: 'ls', arguments: '{"dir":"."}' }] },
        { role: 'tool', parts: [{ type: 'tool-result', id: 'call_1', text: 'a.txt\nb.txt' }] },
      ],
      tools: [],
    }

    const text = talk(rowOf([stamp(called)]))

    expect(text).toContain('  look at this\n  [image/png, 12.3 kB]')
    expect(text).toContain('assistant\n  ⚙ ls {"dir":"."}')
    expect(text).toContain('tool\n  ⤷ result call_1\n  a.txt\n  b.txt')
  })

  it('lists a tool call of the answer once, and an unknown price as unknown', () => {
    const call = { name: 'ls', arguments: '{"dir":"."}' }
    const row = rowOf([
      ...callStart({ id: 'x1' }),
      stamp({
        kind: 'model-answered',
        exchangeId: 'x1',
        provider: 'openai',
        operation: 'chat',
        output: [{ type: 'tool-call', ...call }],
        toolCalls: [call],
        cost: { confidence: 'unknown', lines: [] },
        durationMs: 5,
        complete: false,
        error: { type: 'overloaded', message: 'try later' },
      }),
    ])

    const text = talk(row)

    expect(text.split('⚙ ls')).toHaveLength(2)
    expect(text).toContain('answer (incomplete)')
    expect(text).toContain('usage done after 5ms\n  not reported')
    expect(text).toContain('total ? (the price of this model is not known)')
    expect(text).toContain('error\n  overloaded: try later')
  })

  it('begins reading at the last message', () => {
    const row = rowOf(wholeCall({ id: 'x1', system: 'line\n'.repeat(50) }))
    const { lines, anchor } = conversation(row, 80, createBlockCache())

    expect(textOf(lines)[anchor]).toBe('user')
  })

  it('explains a tunnel and says what to do', () => {
    const text = talk(rowOf(tunnel('x1')))

    expect(text).toContain('statsig.example.com:443')
    expect(text).toContain('--allow')
  })

  it('shows what is left of a call whose details were dropped', () => {
    const row = rowOf(wholeCall({ id: 'x1' }))
    row.detail = undefined

    const text = talk(row)

    expect(text).toContain('dropped to make room')
    expect(text).toContain('It is sunny in Paris.')
  })
})

test.prop([
  fc.array(anyMessage, { minLength: 1, maxLength: 30 }),
  fc.integer({ min: 20, max: 200 }),
])('lays out any row safely and within the width', (messages, width) => {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const cache = createBlockCache()
  for (const row of state.rows) {
    for (const line of textOf(conversation(row, width, cache).lines)) {
      expect(findUnsafe(line)).toBeUndefined()
      expect(line).not.toContain('\n')
      expect(displayWidth(line)).toBeLessThanOrEqual(width)
    }
  }
})
