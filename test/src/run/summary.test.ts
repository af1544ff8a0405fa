import { array, assert, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { formatCost, formatSummary } from '../../../src/run/summary-text.ts'
import { createSummary } from '../../../src/run/summary.ts'
import { anyMessage, answered, called, linked, messages } from './message-samples.ts'

function summaryOf(...drafts: AnalysisMsgDraft[]) {
  const summary = createSummary()
  for (const msg of messages(...drafts)) summary.add(msg)
  return summary.summarize()
}

const usage = (inputTokens: number, outputTokens: number, cacheReadTokens = 0) => ({
  inputTokens,
  cacheReadTokens,
  cacheWriteTokens: 0,
  outputTokens,
  reasoningTokens: 0,
  totalTokens: inputTokens + cacheReadTokens + outputTokens,
  source: 'reported' as const,
})
const exact = (usd: number) => ({ usd, confidence: 'exact' as const, lines: [] })

describe('model calls', () => {
  test('are summed for each model, under the name that the answer gives', () => {
    const summary = summaryOf(
      called('x1', { model: 'gpt-4o' }),
      answered('x1', { model: 'gpt-4o-2024', usage: usage(10, 5, 100), cost: exact(0.01) }),
      called('x2', { model: 'gpt-4o' }),
      answered('x2', { model: 'gpt-4o-2024', usage: usage(20, 7), cost: exact(0.02) }),
      called('x3', { provider: 'anthropic', model: 'claude' }),
      answered('x3', {
        provider: 'anthropic',
        model: 'claude',
        usage: usage(1, 1),
        cost: exact(1),
      }),
    )

    expect(summary.calls).toBe(3)
    expect(summary.costUsd).toBeCloseTo(1.03, 10)
    expect(summary.models.map(({ model, calls }) => [model, calls])).toEqual([
      ['gpt-4o-2024', 2],
      ['claude', 1],
    ])
    expect(summary.models[0]).toMatchObject({
      inputTokens: 30,
      cacheReadTokens: 100,
      outputTokens: 12,
    })
  })

  test('of unknown cost are counted beside the sum, never as zero', () => {
    const summary = summaryOf(
      called('x1'),
      answered('x1', { usage: usage(1, 1), cost: exact(0.0123) }),
      called('x2'),
      answered('x2', { usage: usage(1, 1), cost: { confidence: 'unknown', lines: [] } }),
      called('x3'),
      answered('x3'),
    )

    expect(formatCost(summary)).toBe('$0.0123 + 2 calls of unknown cost')
    expect(formatSummary(summary)[0]).toBe(
      'porthole: 3 model calls, $0.0123 + 2 calls of unknown cost',
    )
    expect(summary.models[0]?.callsWithoutUsage).toBe(1)
  })

  test('that were turned away with an error have failed, and cost nothing', () => {
    const error = { type: 'invalid_request_error', message: 'no' }
    const summary = summaryOf(called('x1'), answered('x1', { status: 404, error }))

    expect(summary).toMatchObject({ calls: 1, failed: 1, callsOfUnknownCost: 0 })
    expect(formatCost(summary)).toBeUndefined()
  })

  test('that ended early are cut short if an answer had begun, else failed', () => {
    const error = { type: 'overloaded_error', message: 'busy' }
    const begun = [{ type: 'text' as const, text: 'Once upon' }]
    const summary = summaryOf(
      called('x1'),
      answered('x1', { error, complete: false, output: begun }),
      called('x2'),
      answered('x2', { error, complete: false }),
    )

    expect(summary).toMatchObject({ failed: 1, callsOfUnknownCost: 2 })
    expect(formatSummary(summary)[0]).toBe(
      'porthole: 2 model calls, 1 failed, 1 cut short, 2 calls of unknown cost',
    )
    expect(summary.models[0]).toMatchObject({ cutShort: 1, callsWithoutUsage: 1 })
  })

  test('that never left the proxy cost nothing, whenever the request was read', () => {
    const error = { type: 'ECONNREFUSED', message: 'no' }
    const lost = {
      kind: 'exchange-failed',
      exchangeId: 'x1',
      by: 'upstream',
      phase: 'connect',
      code: 'ECONNREFUSED',
      durationMs: 1,
    } as const
    const answer = answered('x1', { error, complete: false, status: undefined })

    for (const drafts of [
      [called('x1'), lost, answer],
      [lost, called('x1'), answer],
    ]) {
      expect(summaryOf(...drafts)).toMatchObject({ calls: 1, failed: 1, callsOfUnknownCost: 0 })
    }
  })

  test('without an answer have failed, and cost nothing if they were never sent', () => {
    const lost = {
      kind: 'exchange-failed',
      by: 'upstream',
      code: 'ECONNREFUSED',
      durationMs: 1,
    } as const
    const summary = summaryOf(
      called('x1'),
      { ...lost, exchangeId: 'x1', phase: 'connect' as const },
      called('x2'),
      { ...lost, exchangeId: 'x2', phase: 'response' as const },
    )

    expect(summary).toMatchObject({ calls: 2, failed: 2, callsOfUnknownCost: 1 })
  })

  test('on one WebSocket are told apart', () => {
    const summary = summaryOf(called('x1'), called('x1'), answered('x1', { cost: exact(1) }))

    expect(summary).toMatchObject({ calls: 2, failed: 1, costUsd: 1 })
  })

  test('of one exchange are paired by their number, in whatever order the answers come', () => {
    const summary = summaryOf(
      called('x1', { call: 0, model: 'a' }),
      called('x1', { call: 1, model: 'b' }),
      answered('x1', { call: 1, model: 'b' }),
    )

    expect(summary.models.map(({ model, calls, failed }) => [model, calls, failed])).toEqual([
      ['b', 1, 0],
      ['a', 1, 1],
    ])
  })

  test('may be summed at any time without changing the result', () => {
    const summary = createSummary()
    const [call, answer] = messages(called('x1'), answered('x1', { cost: exact(1) }))

    summary.add(call as AnalysisMsg)
    expect(summary.summarize()).toMatchObject({ calls: 1, failed: 1 })
    summary.add(answer as AnalysisMsg)
    expect(summary.summarize()).toMatchObject({ calls: 1, failed: 0 })
  })

  test('of endlessly many models fill one row', () => {
    const drafts = Array.from({ length: 1500 }, (_, index) =>
      answered(`x${index}`, { model: `model-${index}` }),
    )
    const summary = summaryOf(...drafts)

    expect(summary.calls).toBe(1500)
    expect(summary.models).toHaveLength(1001)
    expect(summary.models.at(-1)).toMatchObject({ provider: 'others', calls: 500 })
    expect(formatSummary(summary)).toContain('  and 991 more models')
  })
})

test('what was not decrypted, refused or lost is told', () => {
  const tunnel = { host: 'github.com', port: 443 }
  const summary = summaryOf(
    { kind: 'tunnel-opened', ...tunnel, reason: 'not-allowlisted' },
    { kind: 'tunnel-opened', ...tunnel, reason: 'not-allowlisted' },
    { kind: 'tunnel-closed', ...tunnel, bytesUp: 1500, bytesDown: 2_000_000, durationMs: 5 },
    {
      kind: 'connection-refused',
      host: '169.254.169.254',
      port: 80,
      status: 403,
      reason: 'address-denied',
    },
    { kind: 'request-refused', status: 429, reason: 'rate', rule: 'calls-per-minute' },
    {
      kind: 'tls-failed',
      host: 'api.x.ai',
      side: 'client',
      code: 'ECONNRESET',
      hint: 'trust the CA',
    },
    { kind: 'messages-dropped', where: 'queue', count: 3, bytes: 4000 },
    { kind: 'analyzer-failed', analyzer: 'sse', error: 'boom' },
  )

  expect(formatSummary(summary, '/tmp/capture.jsonl')).toEqual([
    'porthole: no model calls seen',
    '  tunnelled unread: github.com, 2 connections, 1.5 kB up, 2.0 MB down',
    '  refused: 169.254.169.254:80 (address-denied), 1 time',
    '  refused: calls-per-minute (rate), 1 time',
    '  TLS with the program for api.x.ai failed 1 time (ECONNRESET): trust the CA',
    '  not seen: 3 messages (4.0 kB) dropped under load; the traffic itself was whole',
    '  analysis failed 1 time',
    '  capture: /tmp/capture.jsonl',
  ])
})

test('a line for each model names calls, tokens and cost', () => {
  const summary = summaryOf(
    answered('x1', { model: 'gpt-4o', usage: usage(1200, 50, 3000), cost: exact(0.0000047) }),
    answered('x2', { model: 'gpt-4o', status: 500, error: { type: 'server_error', message: '' } }),
  )

  expect(formatSummary(summary)[1]).toBe(
    '  openai gpt-4o: 2 calls · 1 failed · in 1,200 + 3,000 cached · out 50 · $0.0000047',
  )
})

describe('conversations', () => {
  test('are counted in sessions, turns, sub-agents, retries and uses of the prompt cache', () => {
    const summary = summaryOf(
      linked('x1', { cache: { verdict: 'miss', reason: 'first-call' } }),
      linked('x2', { turn: 2, cache: { verdict: 'hit', expectedTokens: 10 } }),
      linked('x3', { turn: 2, branch: 'sub-agent', branchId: 'b2', cache: { verdict: 'hit' } }),
      linked('x4', { turn: 2, branch: 'sub-agent', branchId: 'b2', attempt: 2 }),
      linked('x5', { turn: 3, cache: { verdict: 'miss', reason: 'tools-changed' } }),
      linked('x6', { turn: 3, cache: { verdict: 'partial', reason: 'message-changed' } }),
      linked('x7', { turn: 4, cache: { verdict: 'miss', reason: 'tools-changed' } }),
      linked('y1', { sessionId: 's2', branchId: 'b3' }),
    )

    expect(summary.conversations).toMatchObject({ sessions: 2, turns: 5, subAgents: 1, retries: 1 })
    expect(formatSummary(summary)).toContain(
      '  conversations: 2 sessions · 5 turns · 1 sub-agent · 1 retry · ' +
        'cache: 2 hits, 1 partial, 3 misses (2 tools changed, 1 message changed)',
    )
  })

  test('of one call each are not worth a line', () => {
    const summary = summaryOf(
      linked('x1', { cache: { verdict: 'miss', reason: 'below-minimum' } }),
      linked('x2', { sessionId: 's2' }),
    )

    expect(formatSummary(summary)).toEqual(['porthole: no model calls seen'])
  })

  test('without end do not grow the summary', () => {
    const summary = summaryOf(
      ...Array.from({ length: 11_000 }, (_, index) => linked('x', { sessionId: `s${index}` })),
    )

    expect(summary.conversations.sessions).toBe(10_000)
  })
})

test('no message can break a line of the summary', () => {
  assert(
    property(array(anyMessage), (drafts) => {
      for (const line of formatSummary(summaryOf(...drafts), '/tmp/\u001b]0;x\u0007')) {
        // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/u)
      }
    }),
  )
})
