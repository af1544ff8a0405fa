import { describe, expect, it } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { conversation } from '../../../src/tui/conversation.ts'
import type { Folds } from '../../../src/tui/document.ts'
import type { Row } from '../../../src/tui/row.ts'
import { callStart, stamp, tunnel, wholeCall } from './sample-messages.ts'
import { allClosed, allOpen, linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

const talk = (row: Row, width = 80, folds?: Folds): string =>
  textOf(conversation(row, viewAt(width, folds)))

describe('the conversation', () => {
  it('shows system prompt, tools, messages, answer, usage and cost', () => {
    const text = talk(rowOf(wholeCall({ id: 'x1', system: 'Be terse.' })))

    expect(text).toBe(`▾ system
  Be terse.

▸ tools (1) get_weather

▾ user
  What is the weather?

answer end_turn
  It is sunny in Paris.

usage first token after 345ms · done after 2.3s · 160.0 tokens/s
  input 1.2k · cache read 10.0k · cache write 0 · output 321
  cost $0.0123 (exact)`)
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
    expect(text).toContain('▾ assistant\n  ⚙ ls {"dir":"."}')
    expect(text).toContain('▾ tool\n  ▾ ⤷ result call_1\n  a.txt\n  b.txt')
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
    expect(text).toContain('cost unknown: the price of this model is not known')
    expect(text).toContain('error\n  overloaded: try later')
  })

  it('begins reading at the last message', () => {
    const row = rowOf(wholeCall({ id: 'x1', system: 'line\n'.repeat(50) }))
    const document = conversation(row, viewAt())

    expect(linesOf(document)[document.anchor]).toBe('▾ user')
  })

  it('folds long prompts and results until they are opened', () => {
    const row = rowOf([stamp(toolTalk('x'.repeat(300)))])

    expect(talk(row)).toContain('▸ ⤷ result call_1 300 characters xxxx')
    expect(talk(row)).toContain('▸ ⚙ write {"text":"aaaa')
    expect(talk(row, 80, { all: undefined, toggled: new Set(['m1-0']) })).toContain(
      '  ▾ ⚙ write\n  {\n    "text": "aaaa',
    )
    expect(talk(row, 80, allOpen)).toContain('▾ ⤷ result call_1 300 characters\n  xxxx')
    expect(talk(row, 80, allClosed).split('\n')[0]).toBe('▸ user do it')
  })

  it('copies a part, or a message as a whole, folded or not', () => {
    const { blocks } = conversation(rowOf([stamp(toolTalk('the result'))]), viewAt())
    const copied = (id: string): string | undefined => blocks.at(blocks.indexOf(id))?.block.text()

    expect(copied('m2-0')).toBe('the result')
    expect(copied('m0')).toBe('do it')
    expect(copied('m1-0')).toContain('"text": "aaaa')
  })

  it('explains a tunnel and says what to do', () => {
    const text = talk(rowOf(tunnel('x1')))

    expect(text).toContain('statsig.example.com:443')
    expect(text).toContain('--allow')
  })

  it('shows what the proxy refused as refused, with no answer, usage or place', () => {
    const refused = stamp({
      kind: 'request-refused',
      exchangeId: 'x1',
      status: 403,
      reason: 'rule',
    })
    const answered = stamp({
      kind: 'model-answered',
      exchangeId: 'x1',
      provider: 'openai',
      operation: 'chat',
      status: 403,
      output: [],
      toolCalls: [],
      error: { type: 'rule', message: 'no' },
      durationMs: 5,
      complete: false,
    })

    const text = talk(rowOf([...callStart({ id: 'x1' }), refused, answered]))

    expect(text).toMatch(/error\n {2}refused: rule$/u)
    expect(text).not.toMatch(/^(?:answer|usage|place)/mu)
  })

  it('shows what is left of a call whose details were dropped', () => {
    const row = rowOf(wholeCall({ id: 'x1' }))
    row.detail = undefined

    const text = talk(row)

    expect(text).toContain('dropped to make room')
    expect(text).toContain('It is sunny in Paris.')
  })
})

function toolTalk(result: string): AnalysisMsgDraft {
  const args = JSON.stringify({ text: 'a'.repeat(200) })
  return {
    kind: 'model-called',
    exchangeId: 'x1',
    provider: 'openai',
    operation: 'chat',
    streaming: false,
    messages: [
      { role: 'user', parts: [{ type: 'text', text: 'do it' }] },
      { role: 'assistant', parts: [{ type: 'tool-call', name: 'write', arguments: args }] },
      { role: 'tool', parts: [{ type: 'tool-result', id: 'call_1', text: result }] },
    ],
    tools: [],
  }
}
