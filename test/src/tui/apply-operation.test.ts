import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { conversation } from '../../../src/tui/conversation.ts'
import { describeRow } from '../../../src/tui/describe-row.ts'
import { requestTab, responseTab } from '../../../src/tui/message-tabs.ts'
import type { ViewState } from '../../../src/tui/model.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'
import { stamp } from './sample-messages.ts'
import { textOf, viewAt } from './tab-view.ts'

function stateOf(drafts: readonly AnalysisMsgDraft[]): ViewState {
  const state = createViewState()
  for (const draft of drafts) applyMessage(state, stamp({ exchangeId: 'x1', ...draft }), 'p')
  return state
}

function rowOf(drafts: readonly AnalysisMsgDraft[]): Row {
  const [row] = stateOf(drafts).rows
  if (row === undefined) throw new Error('no row')
  return row
}

const talk = (row: Row): string => textOf(conversation(row, viewAt()))

const started: AnalysisMsgDraft = {
  kind: 'request-started',
  method: 'GET',
  url: 'https://api.openai.com/v1/files/f1',
  httpVersion: '1.1',
  headers: [],
  host: 'api.openai.com',
}
const completed: AnalysisMsgDraft = {
  kind: 'exchange-completed',
  status: 200,
  requestBytes: 0,
  responseBytes: 9,
  durationMs: 7,
}
const performed = {
  kind: 'operation-performed',
  provider: 'openai',
  operation: 'files.retrieve',
  subjects: ['f1'],
  status: 200,
  facts: [{ name: 'filename', value: 'a.jsonl' }],
  durationMs: 7,
  complete: true,
} as const
const called = {
  kind: 'mcp-called',
  server: 'mcp.example.org',
  method: 'tools/call',
  requestId: '1',
  name: 'search',
  arguments: '{"q":"llamas"}',
} as const
const answered = {
  kind: 'mcp-answered',
  server: 'mcp.example.org',
  method: 'tools/call',
  requestId: '1',
  name: 'search',
  result: [
    { type: 'text', text: 'found 2' },
    { type: 'media', mediaType: 'image/png', bytes: 2048, width: 4, height: 3 },
  ],
  durationMs: 12,
  complete: true,
} as const

describe('an operation', () => {
  test('is a row with its name and facts, and no model call', () => {
    const state = stateOf([started, completed, performed])
    const [row] = state.rows

    expect(row).toMatchObject({ kind: 'api', phase: 'done', provider: 'openai' })
    expect(state).toMatchObject({ calls: 0, running: 0 })
    expect(row === undefined ? '' : describeRow(row)).toBe(
      'api.openai.com files.retrieve f1 → filename a.jsonl',
    )
    expect(row === undefined ? '' : talk(row)).toContain('filename: a.jsonl')
  })

  test('that failed says why', () => {
    const error = { type: 'not_found', message: 'no such file' }
    const row = rowOf([started, completed, { ...performed, complete: false, error }])

    expect(row.phase).toBe('failed')
    expect(describeRow(row)).toBe('api.openai.com files.retrieve f1 → not_found: no such file')
  })
})

describe('a call of a tool over HTTP', () => {
  test('is a row with arguments and result', () => {
    const row = rowOf([started, called, answered, completed])

    expect(row).toMatchObject({ kind: 'mcp', phase: 'done', operation: 'tools/call' })
    expect(describeRow(row)).toContain('tools/call search {"q":"llamas"} → found 2')
    const text = talk(row)
    expect(text).toContain('"q": "llamas"')
    expect(text).toContain('found 2')
    expect(text).toContain('[image/png, 4×3, 2.0 kB]')
  })

  test('is one of several rows where they came as a batch', () => {
    const { requestId: _id, ...notified } = called
    const error = { type: 'tool-error', message: 'no' }
    const state = stateOf([
      started,
      { ...called, call: 0 },
      { ...notified, call: 1 },
      { ...answered, call: 0, error },
      completed,
    ])

    expect(state.rows.map(({ kind, phase }) => [kind, phase])).toEqual([
      ['http', 'done'],
      ['mcp', 'failed'],
      ['mcp', 'done'],
    ])
  })
})

test('a form and a picture are shown by what they are', () => {
  const form: AnalysisMsg[] = [
    {
      direction: 'request' as const,
      form: [
        { name: 'model', bytes: 9, text: 'whisper-1' },
        { name: 'file', filename: 'a.mp3', mediaType: 'audio/mpeg', bytes: 2048, durationMs: 1500 },
      ],
    },
    { direction: 'response' as const, media: { mediaType: 'image/png', width: 4, height: 3 } },
  ].map((body) =>
    stamp({ kind: 'http-parsed', exchangeId: 'x1', bytes: 2100, truncated: false, ...body }),
  )
  const row = rowOf([started, ...form])
  const text = [requestTab, responseTab].map((tab) => textOf(tab(row, viewAt()))).join('\n')

  expect(text).toContain('model: whisper-1')
  expect(text).toContain('file: a.mp3, audio/mpeg, 1.5s, 2.0 kB')
  expect(text).toContain('image/png, 4×3')
})
