import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { tallyOfRow } from '../../../src/tui/columns.ts'
import { describeRow } from '../../../src/tui/describe-row.ts'
import { formatSpendShort } from '../../../src/tui/format.ts'
import { headingLine, layoutFor } from '../../../src/tui/layout.ts'
import type { Line } from '../../../src/tui/line.ts'
import { lineWidth } from '../../../src/tui/line.ts'
import { applyMessage, createViewState } from '../../../src/tui/model.ts'
import { rowLine } from '../../../src/tui/row-line.ts'
import type { Row } from '../../../src/tui/row.ts'
import { anyMessage } from './any-message.ts'
import { findUnsafe } from './hostile-text.ts'
import {
  callStart,
  plainExchange,
  responseStart,
  sampleUsage,
  stamp,
  textEvent,
  tunnel,
  wholeCall,
} from './sample-messages.ts'

function rowOf(messages: readonly AnalysisMsg[]): Row {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const [row] = state.rows
  if (row === undefined) throw new Error('no row')
  return row
}

const look = { isSelected: false, isMarked: false, elapsedMs: 0 }
const textOf = (line: Line): string => line.map(({ text }) => text).join('')
const draw = (row: Row, width: number, elapsedMs = 0): string =>
  textOf(rowLine(row, layoutFor(width, false), { ...look, elapsedMs }))

describe('columns', () => {
  it('shows what matters on 80 cells', () => {
    const titles = textOf(headingLine(layoutFor(80, false)))
      .trim()
      .split(/ +/u)

    expect(titles).toEqual([
      'time',
      'model',
      'stat',
      'dur',
      'in',
      'out',
      'cost',
      'prompt',
      '→8',
      'hidden',
    ])
  })

  it('shows every column on 200 cells', () => {
    const titles = textOf(headingLine(layoutFor(200, true)))

    for (const title of ['agent', 'provider', 'ttft', 'tok/s', 'stop']) {
      expect(titles).toContain(title)
    }
  })

  it('leaves the agent out where no row names one', () => {
    expect(textOf(headingLine(layoutFor(200, false)))).not.toContain('agent')
  })

  it('starts each cell under its title', () => {
    const row = rowOf(wholeCall({ id: 'x1' }))
    for (const width of [80, 100, 120, 160, 200]) {
      const titles = textOf(headingLine(layoutFor(width, false)))
      const line = draw(row, width)

      expect(line.indexOf('claude-sonnet-4-5')).toBe(titles.indexOf('model'))
      expect(line.indexOf('$0.0123') + '$0.0123'.length).toBe(
        titles.indexOf('cost') + 'cost'.length,
      )
    }
  })
})

describe('the columns of a call', () => {
  const answered = (more: object): Row =>
    rowOf([
      ...wholeCall({ id: 'x1' }),
      stamp({
        kind: 'model-answered',
        exchangeId: 'x1',
        provider: 'anthropic',
        operation: 'messages',
        model: 'claude-sonnet-4-5',
        output: [],
        toolCalls: [
          { name: 'Bash', arguments: '{}' },
          { name: 'Bash', arguments: '{}' },
          { name: 'Read', arguments: '{}' },
        ],
        usage: sampleUsage,
        durationMs: 5,
        complete: true,
        ...more,
      }),
    ])

  it('tell tools, the context that is used, and the confidence of a cost', () => {
    const line = draw(answered({ cost: { usd: 0.5, confidence: 'estimated', lines: [] } }), 300)

    expect(line).toContain('3 Bash Read')
    expect(line).toContain('~$0.5000')
    expect(line).toMatch(/ 6% /u)
  })

  it('say nothing of a context that the tables do not know', () => {
    expect(draw(answered({ provider: 'nobody', model: 'made-up' }), 300)).not.toContain('%')
  })

  it('tell an unknown cost from none', () => {
    expect(draw(answered({ cost: { confidence: 'unknown', lines: [] } }), 300)).toContain(' ? ')
  })

  it('tell lane and cache once they are known, and the program by its User-Agent', () => {
    const row = rowOf([
      stamp({
        kind: 'request-started',
        exchangeId: 'x1',
        method: 'POST',
        url: 'https://api.anthropic.com/v1/messages',
        httpVersion: '1.1',
        headers: [['user-agent', 'claude-cli/2.0.1 (external, cli)']],
        host: 'api.anthropic.com',
      }),
      ...wholeCall({ id: 'x1' }).slice(1),
      stamp({
        kind: 'call-linked',
        exchangeId: 'x1',
        sessionId: 's',
        sessionSource: 'new',
        turn: 1,
        branch: 'sub-agent',
        branchId: 'b',
        changed: [],
        cache: { verdict: 'partial' },
        attempt: 1,
        toolResults: [],
      }),
    ])
    const line = textOf(rowLine(row, layoutFor(300, true), look))

    expect(line).toContain('↳ claude-cli ')
    expect(line).toContain(' partial ')
  })

  it('start at the same place in rows of every kind', () => {
    const layout = layoutFor(300, true)
    const call = textOf(rowLine(rowOf(wholeCall({ id: 'x1' })), layout, look))
    const plain = textOf(rowLine(rowOf(plainExchange('x1', '/')), layout, look))

    expect(plain.indexOf('200')).toBe(call.indexOf('200'))
  })
})

describe('a row', () => {
  it('shows a finished call', () => {
    const line = draw(rowOf(wholeCall({ id: 'x1' })), 120)

    expect(line).toContain('12:34:56')
    expect(line).toMatch(/claude-sonnet-4-5 +200 +345ms +2\.3s +1\.2k +10\.0k +321 +\$0\.0123 /u)
    expect(line).toContain('What is the we')
    expect(line).toContain(' → It is sunny')
  })

  it('shows a running call with its mark, the time so far and its newest words', () => {
    const call = { id: 'x1' }
    const words = 'Roses are red and violets are blue and the end is near'
    const line = draw(
      rowOf([...callStart(call), responseStart(call), textEvent(call, 0, words)]),
      80,
      1500,
    )

    expect(line).toMatch(/^ ●/u)
    expect(line).toContain('1.5s')
    expect(line).toMatch(/…[a-z ]* end is near$/u)
  })

  it('shows an exchange that is no model call by method, host and path', () => {
    expect(draw(rowOf(plainExchange('x1', '/left-pad')), 100)).toContain(
      'GET registry.example.com/left-pad',
    )
  })

  it('shows where a tunnel went, why, and how much', () => {
    expect(draw(rowOf(tunnel('x1')), 120)).toContain(
      'statsig.example.com:443 not-allowlisted ▲ 1.2 kB ▼ 34.0 kB',
    )
  })

  it('shows an error instead of an answer', () => {
    const row = rowOf([
      ...callStart({ id: 'x1' }),
      stamp({
        kind: 'exchange-failed',
        exchangeId: 'x1',
        by: 'client',
        phase: 'response',
        code: 'ECONNRESET',
        durationMs: 3,
      }),
    ])

    expect(draw(row, 120)).toMatch(/✗.* ERR .*ECONNRESET/u)
    expect(describeRow(row)).toContain('POST api.anthropic.com/v1/messages – ECONNRESET')
  })

  it('leaves out what is not known', () => {
    const row = rowOf(callStart({ id: 'x1' }))
    const line = draw(row, 120)

    expect(line).not.toContain('$')
    expect(line).not.toContain(' 0 ')
  })

  it('fills the whole width when it is selected', () => {
    const line = rowLine(rowOf(plainExchange('x1', '/')), layoutFor(90, false), {
      ...look,
      isSelected: true,
    })

    expect(line.every(({ tone }) => tone === 'selected')).toBe(true)
    expect(lineWidth(line)).toBe(90)
    expect(textOf(line)).toMatch(/^›/u)
  })

  it('is drawn again only when something on it changed', () => {
    const row = rowOf(plainExchange('x1', '/'))
    const layout = layoutFor(80, false)
    const before = rowLine(row, layout, look)

    expect(rowLine(row, layout, look)).toBe(before)
    row.version += 1
    expect(rowLine(row, layout, look)).not.toBe(before)
  })
})

test.prop([
  fc.array(anyMessage, { minLength: 1, maxLength: 30 }),
  fc.integer({ min: 1, max: 320 }),
  fc.boolean(),
])('fits any row into any width, with nothing unsafe in it', (messages, width, isSelected) => {
  const state = createViewState()
  for (const msg of messages) applyMessage(state, msg, 'p')
  const layout = layoutFor(width, true)
  for (const row of state.rows) {
    const line = rowLine(row, layout, { ...look, isSelected, elapsedMs: 5 })

    expect(lineWidth(line)).toBeLessThanOrEqual(width)
    expect(findUnsafe(textOf(line))).toBeUndefined()
  }
})

it.each([
  [200, '?'],
  [101, '?'],
  [429, ''],
  [undefined, ''],
])('shows the cost of a call that broke off with status %s as "%s"', (status, text) => {
  const answered = stamp({
    kind: 'model-answered',
    exchangeId: 'x1',
    provider: 'google',
    operation: 'live',
    ...(status === undefined ? {} : { status }),
    output: [],
    toolCalls: [],
    error: { type: 'websocket-closed-1011', message: 'no' },
    durationMs: 5,
    complete: false,
  })

  const row = rowOf([...callStart({ id: 'x1' }), answered])

  expect(formatSpendShort(tallyOfRow(row))).toBe(text)
})
