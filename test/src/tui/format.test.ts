import { fc, test } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'

import type { Cost } from '../../../src/messages/schema.ts'
import {
  displayWidth,
  fit,
  formatBytes,
  formatCost,
  formatCount,
  formatDuration,
  formatSpend,
  formatSpendShort,
  formatTime,
  formatTokens,
  formatUsd,
  safeLine,
  safePreview,
  safeText,
  truncateEnd,
  truncateStart,
} from '../../../src/tui/format.ts'
import { findUnsafe, hostileTexts } from './hostile-text.ts'

describe('durations', () => {
  it.each([
    [0, '0ms'],
    [345.4, '345ms'],
    [999.6, '1.0s'],
    [2345, '2.3s'],
    [59_949, '59.9s'],
    [59_990, '1m00s'],
    [725_000, '12m05s'],
    [11_220_000, '3h07m'],
    [864_000_000, '10d'],
  ])('prints %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  test.prop([fc.double({ min: 0, max: 1e12, noNaN: true })])(
    'never takes more than six cells',
    (ms) => {
      expect(formatDuration(ms).length).toBeLessThanOrEqual(6)
    },
  )
})

describe('tokens and bytes', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1.0k'],
    [12_345, '12.3k'],
    [123_456, '123k'],
    [999_949, '1.0M'],
    [1_234_567, '1.2M'],
  ])('prints %d tokens as %s', (tokens, text) => {
    expect(formatTokens(tokens)).toBe(text)
  })

  it('prints bytes with decimal units', () => {
    expect([512, 1200, 34_000_000].map(formatBytes)).toEqual(['512 B', '1.2 kB', '34.0 MB'])
  })

  it('separates thousands', () => {
    expect([0, 999, 1234, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,234', '1,234,567'])
  })
})

describe('money', () => {
  const cost = (confidence: Cost['confidence'], usd?: number): Cost => ({
    confidence,
    lines: [],
    ...(usd === undefined ? {} : { usd }),
  })

  it('marks an estimate and never prints an unknown price as a number', () => {
    expect(formatCost(cost('exact', 0.0123))).toBe('$0.0123')
    expect(formatCost(cost('estimated', 0.0123))).toBe('~$0.0123')
    expect(formatCost(cost('unknown'))).toBe('?')
    expect(formatCost(cost('unknown', 0))).toBe('?')
    expect(formatCost(undefined)).toBe('')
  })

  it('keeps what can be read of large and tiny amounts', () => {
    expect([0, 0.000_01, 0.5, 4.567, 1234.5].map(formatUsd)).toEqual([
      '$0',
      '<$0.0001',
      '$0.5000',
      '$4.57',
      '$1,235',
    ])
  })

  it('says how many of a sum are unknown', () => {
    const none = { usd: 0, known: 0, estimated: 0, unknown: 0 }

    expect(formatSpend(none)).toBe('–')
    expect(formatSpend({ ...none, unknown: 2 })).toBe('?')
    expect(formatSpend({ ...none, usd: 1.5, known: 2, unknown: 2 })).toBe('$1.50 + 2 unknown')
    expect(formatSpend({ ...none, usd: 1.5, known: 2, estimated: 1 })).toBe('~$1.50')
    expect(formatSpendShort({ ...none, usd: 0.5, known: 1, unknown: 1 })).toBe('$0.5000+?')
    expect(formatSpendShort(none)).toBe('')
  })
})

describe('time', () => {
  it('is local wall-clock time', () => {
    expect(formatTime(new Date(2025, 0, 2, 3, 4, 5).getTime())).toBe('03:04:05')
  })
})

describe('cutting to cells', () => {
  it('counts wide characters as two cells', () => {
    expect(truncateEnd('日本語のテキスト', 7)).toBe('日本語…')
    expect(displayWidth(truncateEnd('日本語のテキスト', 8))).toBeLessThanOrEqual(8)
    expect(truncateStart('日本語のテキスト', 7)).toBe('…キスト')
    expect(fit('日本', 6)).toBe('日本  ')
    expect(fit('12', 4, 'right')).toBe('  12')
  })

  it('leaves what fits alone', () => {
    expect(truncateEnd('as it is', 8)).toBe('as it is')
    expect(truncateStart('as it is', 8)).toBe('as it is')
    expect(truncateEnd('anything', 0)).toBe('')
  })

  test.prop([fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 40 })])(
    'never takes more cells than it is given, and fills them exactly where asked',
    (text, width) => {
      const safe = safeLine(text)

      expect(displayWidth(truncateEnd(safe, width))).toBeLessThanOrEqual(width)
      expect(displayWidth(truncateStart(safe, width))).toBeLessThanOrEqual(width)
      expect(displayWidth(fit(safe, width))).toBe(width)
    },
  )
})

describe('untrusted text', () => {
  it.each(hostileTexts)('is safe as a line, as a preview and as text (%#)', (text) => {
    expect(findUnsafe(safeLine(text))).toBeUndefined()
    expect(safeLine(text)).not.toContain('\n')
    expect(findUnsafe(safePreview(text))).toBeUndefined()
    expect(findUnsafe(safeText(text))).toBeUndefined()
  })

  test.prop([fc.string({ unit: 'binary', maxLength: 200 })])(
    'is safe whatever it holds',
    (text) => {
      expect(findUnsafe(safeLine(text))).toBeUndefined()
      expect(findUnsafe(safeText(text))).toBeUndefined()
    },
  )

  it('keeps ordinary text as it is', () => {
    expect(safeLine('Grüße, 日本語, e\u0301 – naïve')).toBe('Grüße, 日本語, e\u0301 – naïve')
    expect(safeText('a\r\nb\tc')).toBe('a\nb  c')
    expect(safePreview('  many\n\n  spaces\there ')).toBe('many spaces here')
  })
})
