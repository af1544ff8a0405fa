import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { createBlockCache } from '../../../src/tui/block.ts'
import { displayWidth } from '../../../src/tui/format.ts'
import type { Line } from '../../../src/tui/line.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import type { Row } from '../../../src/tui/row.ts'
import { eventsTab, headersTab, rawTab } from '../../../src/tui/wire-tabs.ts'
import { anyMessage } from './any-message.ts'
import { findUnsafe } from './hostile-text.ts'
import { plainExchange, responseStart, stamp, textEvent, wholeCall } from './sample-messages.ts'

function rowOf(messages: readonly AnalysisMsg[]): Row {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const [row] = state.rows
  if (row === undefined) throw new Error('no row')
  return row
}

const textOf = (lines: readonly Line[]): string[] =>
  lines.map((line) => line.map(({ text }) => text).join(''))

describe('headers', () => {
  it('shows both heads as they came, and the notes', () => {
    const row = rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({
        kind: 'credential-injected',
        exchangeId: 'x1',
        secretId: 'openai',
        mode: 'header',
        location: 'Authorization',
      }),
    ])

    const lines = textOf(headersTab(row, 80, createBlockCache()))

    expect(lines).toContain('  POST https://api.anthropic.com/v1/messages HTTP/1.1')
    expect(lines).toContain('  X-Api-Key: [REDACTED]')
    expect(lines).toContain('  200 OK')
    expect(lines).toContain('  Content-Type: text/event-stream')
    expect(lines.at(-1)).toContain('credential-injected: openai (header, Authorization)')
  })
})

describe('events', () => {
  it('shows each event with its time of arrival and its data', () => {
    const call = { id: 'x1' }
    const row = rowOf([textEvent(call, 0, 'Hi'), textEvent(call, 120, 'there')])
    const lines = textOf(eventsTab(row, 200, createBlockCache()))

    expect(lines[0]).toBe(
      '    0      345 ms {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
    )
    expect(lines[1]).toMatch(/^ {4}1 {4}1,545 ms /u)
  })

  it('names an event whose data does not', () => {
    const row = rowOf([
      stamp({
        kind: 'sse-event',
        exchangeId: 'x1',
        index: 0,
        event: 'ping',
        data: '{}',
        sinceRequestMs: 7,
      }),
    ])

    expect(textOf(eventsTab(row, 80, createBlockCache()))[0]).toBe('    0        7 ms ping: {}')
  })

  it('says so when there are none', () => {
    const row = rowOf(plainExchange('x1', '/'))

    expect(textOf(eventsTab(row, 80, createBlockCache())).join()).toContain('not streamed')
  })

  it('shows WebSocket messages of both directions', () => {
    const frame = (direction: 'request' | 'response', text: string): AnalysisMsg =>
      stamp({ kind: 'websocket-message', exchangeId: 'x1', direction, opcode: 1, text })
    const row = rowOf([frame('request', 'ask'), frame('response', 'tell')])
    const text = textOf(eventsTab(row, 80, createBlockCache())).join('\n')

    expect(text).toContain('▲ sent: ask')
    expect(text).toContain('▼ received: tell')
  })
})

describe('raw', () => {
  it('pretty-prints parsed JSON and names the merged answer', () => {
    const lines = textOf(rawTab(rowOf(wholeCall({ id: 'x1' })), 80, createBlockCache()))

    expect(lines.slice(0, 4)).toEqual([
      'request body application/json · 15 B',
      '  {',
      '    "stream": true',
      '  }',
    ])
    expect(lines).toContain('merged answer anthropic-messages, from 3 events')
  })

  it('joins the chunks of a body, cut within a character or not', () => {
    const bytes = Buffer.from('{"city":"東京"}')
    const chunk = (from: number, to: number): AnalysisMsg =>
      stamp({
        kind: 'response-body',
        exchangeId: 'x1',
        base64: bytes.subarray(from, to).toString('base64'),
        offset: from,
      })
    const cut = textOf(rawTab(rowOf([chunk(0, 11)]), 80, createBlockCache()))
    const whole = textOf(rawTab(rowOf([chunk(0, 11), chunk(11, 30)]), 80, createBlockCache()))

    expect(cut).toContain('  {"city":"')
    expect(whole).toContain('  {"city":"東京"}')
  })

  it('shows binary bodies as hexadecimal', () => {
    const base64 = Buffer.from([0xff, 0xd8, 0x41, 0x1b]).toString('base64')
    const row = rowOf([stamp({ kind: 'response-body', exchangeId: 'x1', base64, offset: 0 })])
    const lines = textOf(rawTab(row, 80, createBlockCache()))

    expect(lines.join('\n')).toMatch(/ {2}00000000 {2}ff d8 41 1b +··A·/u)
  })

  it('says when a body is empty', () => {
    const lines = textOf(rawTab(rowOf([responseStart({ id: 'x1' })]), 80, createBlockCache()))

    expect(lines[0]).toBe('request body empty')
  })
})

it('say so when the details were dropped', () => {
  const row = rowOf(wholeCall({ id: 'x1' }))
  row.detail = undefined

  for (const tab of [headersTab, eventsTab, rawTab]) {
    expect(textOf(tab(row, 80, createBlockCache())).join()).toContain('dropped to make room')
  }
})

test.prop([
  fc.array(anyMessage, { minLength: 1, maxLength: 30 }),
  fc.integer({ min: 20, max: 200 }),
])('lay out any row safely and within the width', (messages, width) => {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const cache = createBlockCache()
  for (const row of state.rows) {
    for (const line of textOf(
      [headersTab, eventsTab, rawTab].flatMap((tab) => tab(row, width, cache)),
    )) {
      expect(findUnsafe(line)).toBeUndefined()
      expect(line).not.toContain('\n')
      expect(displayWidth(line)).toBeLessThanOrEqual(width)
    }
  }
})
