import { expect, test } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { EchoCounter } from '../../../src/run/echo-counter.ts'
import { formatSummary } from '../../../src/run/summary-text.ts'
import { createSummary } from '../../../src/run/summary.ts'

const common = { v: 1, seq: 1, at: 1 } as const
const started = (exchangeId: string, host: string): AnalysisMsg => ({
  ...common,
  kind: 'request-started',
  exchangeId,
  method: 'GET',
  url: `https://${host}/`,
  httpVersion: '1.1',
  headers: [],
  host,
})
const echoed = (exchangeId: string, secretId?: string): AnalysisMsg => ({
  ...common,
  kind: 'credential-echoed',
  exchangeId,
  ...(secretId === undefined ? {} : { secretId }),
  where: 'body',
  form: 'raw',
})
const completed = (exchangeId: string): AnalysisMsg => ({
  ...common,
  kind: 'exchange-completed',
  exchangeId,
  status: 200,
  requestBytes: 0,
  responseBytes: 0,
  durationMs: 1,
})

test('each secret counts once for each host that sent it back', () => {
  const counter = new EchoCounter()
  const told = [
    started('x1', 'a.example'),
    echoed('x1', 'one'),
    echoed('x1', 'two'),
    completed('x1'),
    started('x2', 'a.example'),
    echoed('x2', 'one'),
    started('x3', 'b.example'),
    echoed('x3'),
  ]
  for (const msg of told) counter.add(msg)

  expect(counter.totals()).toEqual([
    { host: 'a.example', secrets: 2 },
    { host: 'b.example', secrets: 1 },
  ])
})

test('the host of an exchange that has ended is not remembered', () => {
  const counter = new EchoCounter()
  for (const msg of [started('x1', 'a.example'), completed('x1'), echoed('x1', 'one')]) {
    counter.add(msg)
  }

  expect(counter.totals()).toEqual([{ host: '', secrets: 1 }])
})

test('the summary says what came back, and what was kept out of messages', () => {
  const summary = createSummary()
  summary.add(started('x1', 'a.example'))
  summary.add(echoed('x1', 'one'))
  const withheld = { ...common, kind: 'secret-withheld', where: 'request-body', count: 1 } as const
  summary.add({ ...withheld, secretId: 'one' })
  summary.add({ ...withheld, secretId: 'one', where: 'model-called' })

  const lines = formatSummary(summary.summarize())

  expect(lines).toContain('  1 credential came back from a.example; the program got what came')
  expect(lines).toContain(
    '  values of 1 secret of the vault stood in messages, and were masked there',
  )
})
