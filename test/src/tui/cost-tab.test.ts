import { expect, it } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { costTab } from '../../../src/tui/cost-tab.ts'
import { callEnd, callStart, sampleUsage, stamp, wholeCall } from './sample-messages.ts'
import { linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

it('shows every bucket, its share, and the arithmetic of the cost', () => {
  const lines = linesOf(costTab(rowOf(wholeCall({ id: 'x1' })), viewAt(80)))

  expect(lines[0]).toBe('tokens as reported')
  expect(lines[2]).toMatch(/^ {2}cache read +10,000 █{35}░{5}$/u)
  expect(lines).toContain('cost exact · prices: sample prices 2025-05-01')
  expect(lines).toContain('  input        1,234 × $3 / M = $0.0037')
  expect(lines).toContain('  output         321 × $15 / M = $0.0048')
  expect(lines).toContain('  total  $0.0123')
})

it('shows amounts that are too little for the list, and that what was refused cost nothing', () => {
  const cost = {
    usd: 0.000_008_25,
    confidence: 'exact',
    lines: [{ bucket: 'input', tokens: 23, usdPerMillion: 0.15, usd: 0.000_003_45 }],
  } as const
  const refused = stamp({ kind: 'request-refused', exchangeId: 'x1', status: 403, reason: 'rule' })

  expect(linesOf(costTab(rowOf(wholeCall({ id: 'x1', cost })), viewAt(80)))).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/input +23 × \$0\.15 \/ M = \$0\.0000035$/u),
      '  total $0.0000083',
    ]),
  )
  expect(textOf(costTab(rowOf([...callStart({ id: 'x1' }), refused]), viewAt()))).toBe(
    '  not sent: it cost nothing',
  )
})

it('says how full the context of a known model is, and nothing of one that is not known', () => {
  const known = costTab(rowOf(wholeCall({ id: 'x1' })), viewAt())
  const unknown = costTab(rowOf(wholeCall({ id: 'x1', model: 'homemade' })), viewAt())

  expect(textOf(known)).toMatch(/context window prompt and answer\n.* % · 11,555 of [\d,]+ tokens/u)
  expect(textOf(unknown)).not.toContain('context window')
})

it('explains the verdict about the cache, and lists what is left of the limits', () => {
  const link: AnalysisMsgDraft = {
    kind: 'call-linked',
    exchangeId: 'x1',
    sessionId: 's1',
    sessionSource: 'header',
    turn: 1,
    branch: 'main',
    branchId: 'b1',
    changed: ['tools'],
    cache: { verdict: 'partial', reason: 'tools-changed', expectedTokens: 12_000 },
    attempt: 1,
    toolResults: [],
  }
  const answered: AnalysisMsgDraft = {
    kind: 'model-answered',
    exchangeId: 'x1',
    provider: 'anthropic',
    operation: 'messages',
    output: [],
    toolCalls: [],
    usage: sampleUsage,
    rateLimits: {
      limits: [{ of: 'input-tokens', limit: 50_000, remaining: 1200 }],
      retryAfterMs: 7000,
    },
    durationMs: 5,
    complete: true,
  }
  const text = textOf(
    costTab(rowOf([...callStart({ id: 'x1' }), stamp(answered), stamp(link)]), viewAt(120)),
  )

  expect(text).toContain(
    'prompt cache partial\n  less was read than the call before had left: the tools changed;',
  )
  expect(text).toContain('10.0k of 12.0k tokens')
  expect(text).toContain('input-tokens             1,200 left of 50,000')
  expect(text).toContain('the provider asks to wait 7.0s')
})

it('never shows an unknown price as nothing', () => {
  const cost = { confidence: 'unknown', lines: [] } as const
  const call = { id: 'x1', cost }
  const text = textOf(costTab(rowOf([...callStart(call), ...callEnd(call)]), viewAt()))

  expect(text).toContain('total ? (the price of this model is not known)')
})

it('waits for the end of the answer', () => {
  expect(textOf(costTab(rowOf(callStart({ id: 'x1' })), viewAt()))).toContain('not counted yet')
})
