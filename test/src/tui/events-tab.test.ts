import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { BlockCache } from '../../../src/tui/block.ts'
import { createBlockCache } from '../../../src/tui/block.ts'
import { eventsTab } from '../../../src/tui/events-tab.ts'
import { findText } from '../../../src/tui/find-text.ts'
import { plainExchange, stamp, textEvent } from './sample-messages.ts'
import { allOpen, linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

const call = { id: 'x1' }

describe('the events', () => {
  it('stand with their time since the request and the gap before each', () => {
    const row = rowOf([textEvent(call, 0, 'Hi'), textEvent(call, 120, 'there')])
    const lines = linesOf(eventsTab(row, viewAt(200)))

    expect(lines).toEqual([
      '      #  since request         gap  event',
      '▸     0         345 ms     +345 ms  {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
      '▸     1       1,545 ms   +1,200 ms  {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"there"}}',
    ])
  })

  it('open where the user opens them, and move what is below', () => {
    const row = rowOf([textEvent(call, 0, 'Hi'), textEvent(call, 1, 'there')])
    const document = eventsTab(row, viewAt(80, { all: undefined, toggled: new Set(['e0']) }))
    const lines = linesOf(document)

    expect(lines[1]).toMatch(/^▾ +0 /u)
    expect(lines[2]).toBe('  {')
    expect(lines.at(-1)).toMatch(/^▸ +1 /u)
    expect(document.blocks.at(document.blocks.indexAt(4))?.block.id).toBe('e0')
    expect(document.blocks.at(document.blocks.indexAt(lines.length - 1))?.block.id).toBe('e1')
  })

  it('are found by what is in them, opened or not', () => {
    const row = rowOf([textEvent(call, 0, 'Hi'), textEvent(call, 1, 'there')])

    for (const folds of [undefined, allOpen]) {
      const document = eventsTab(row, viewAt(80, folds))

      expect(findText(document, 'THERE', { line: 0, step: 1 })).toMatchObject({ id: 'e1' })
    }
  })

  it('are named where their data does not name them', () => {
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

    expect(linesOf(eventsTab(row, viewAt()))[1]).toMatch(/\+7\.0 ms {2}ping: \{\}$/u)
  })

  it('are said to be missing where there are none', () => {
    expect(textOf(eventsTab(rowOf(plainExchange('x1', '/')), viewAt()))).toContain('not streamed')
  })

  it('are the messages of a WebSocket in both directions', () => {
    const frame = (direction: 'request' | 'response', text: string): AnalysisMsg =>
      stamp({ kind: 'websocket-message', exchangeId: 'x1', direction, opcode: 1, text })
    const text = textOf(
      eventsTab(rowOf([frame('request', 'ask'), frame('response', 'tell')]), viewAt()),
    )

    expect(text).toContain('▲ sent: ask')
    expect(text).toContain('▼ received: tell')
  })
})

it('of fifty thousand, lays out those that are on screen and open', () => {
  const row = rowOf(
    Array.from({ length: 50_000 }, (_, index) => textEvent(call, index, `word ${index}`)),
  )
  let laidOut = 0
  const counting: BlockCache = {
    ...createBlockCache(),
    lines(_key, _width, build) {
      laidOut += 1
      return build()
    },
  }
  const folds = { all: undefined, toggled: new Set(['e7', 'e40000']) }
  const document = eventsTab(row, { width: 80, cache: counting, folds })

  expect(document.lines.length).toBeGreaterThan(50_001)
  expect(document.lines.slice(25_000, 25_020)).toHaveLength(20)
  expect(laidOut).toBeLessThanOrEqual(2)
  expect(findText(document, '"word 49999"', { line: 0, step: 1 })).toMatchObject({ id: 'e49999' })
})
