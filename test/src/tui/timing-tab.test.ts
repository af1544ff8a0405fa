import { expect, it } from 'vitest'

import { timingTab } from '../../../src/tui/timing-tab.ts'
import { callEnd, callStart, sampleStart, stamp, textEvent, wholeCall } from './sample-messages.ts'
import { linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

const call = { id: 'x1' }
const measured = (extra: object) =>
  stamp({
    kind: 'response-started',
    exchangeId: 'x1',
    status: 200,
    headers: [],
    ttfbMs: 120,
    ...extra,
  })

it('shows each part of the time as a bar on one axis', () => {
  const row = rowOf([
    ...callStart(call),
    measured({ connectMs: 20, tlsMs: 30.5 }),
    textEvent(call, 0, 'a'),
    textEvent(call, 1, 'b'),
    ...callEnd(call),
  ])
  const lines = linesOf(timingTab(row, viewAt(100), sampleStart))

  expect(lines[0]).toBe('timing 2.3s · began 12:34:56')
  expect(
    lines.slice(1, 7).map((line) => [line.slice(2, 14).trim(), /[\d.,]+ ms/u.exec(line)?.[0]]),
  ).toEqual([
    ['connect', '20 ms'],
    ['TLS', '31 ms'],
    ['request sent', '0.0 ms'],
    ['waiting', '70 ms'],
    ['first token', '225 ms'],
    ['stream', '2,000 ms'],
  ])
  expect(lines[6]).toMatch(/^ {2}stream {8} {6,}█{40,}/u)
  expect(lines.join('\n')).toContain('2 events, 10 ms apart on average')
  expect(lines.join('\n')).toContain('longest silence 10 ms, before event 1')
})

it('tells a kept connection from one that was not timed', () => {
  const kept = rowOf([...callStart(call), measured({ reusedConnection: true }), ...callEnd(call)])

  expect(textOf(timingTab(kept, viewAt(100), sampleStart))).toContain('was kept from before')
  expect(textOf(timingTab(rowOf(wholeCall(call)), viewAt(100), sampleStart))).toContain(
    'not recorded',
  )
})

it('measures what still runs against the present', () => {
  const text = textOf(timingTab(rowOf(callStart(call)), viewAt(), sampleStart + 900))

  expect(text).toContain('timing 900ms, still running')
  expect(text).toMatch(/waiting .* 900 ms no answer yet/u)
})
