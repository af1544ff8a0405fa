import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { readRateLimits } from '../../../analyzers/wire/rate-limits.ts'

const at = Date.parse('2026-01-02T03:04:05Z')

test('OpenAI and Groq give resets as durations', () => {
  const read = readRateLimits(
    [
      ['x-ratelimit-limit-requests', '5000'],
      ['x-ratelimit-remaining-requests', '4999'],
      ['x-ratelimit-reset-requests', '120ms'],
      ['X-RateLimit-Limit-Tokens', '160000'],
      ['x-ratelimit-remaining-tokens', '159976'],
      ['x-ratelimit-reset-tokens', '6m1.5s'],
      ['content-type', 'application/json'],
    ],
    at,
  )

  expect(read).toEqual({
    limits: [
      { of: 'requests', limit: 5_000, remaining: 4_999, resetAt: at + 120 },
      { of: 'tokens', limit: 160_000, remaining: 159_976, resetAt: at + 361_500 },
    ],
  })
})

test('Anthropic gives resets as times, and those of its plans as seconds since the epoch', () => {
  const read = readRateLimits(
    [
      ['anthropic-ratelimit-input-tokens-limit', '30000'],
      ['anthropic-ratelimit-input-tokens-remaining', '29000'],
      ['anthropic-ratelimit-input-tokens-reset', '2026-01-02T03:05:00Z'],
      ['anthropic-ratelimit-output-tokens-remaining', '8000'],
      ['anthropic-ratelimit-unified-5h-utilization', '0.25'],
      ['anthropic-ratelimit-unified-5h-reset', '1767340800'],
      ['anthropic-ratelimit-unified-status', 'allowed'],
    ],
    at,
  )

  expect(read?.limits).toEqual([
    { of: 'input-tokens', limit: 30_000, remaining: 29_000, resetAt: at + 55_000 },
    { of: 'output-tokens', remaining: 8_000 },
    { of: 'unified-5h', utilization: 0.25, resetAt: 1_767_340_800_000 },
  ])
})

test('others use one set of fields, with seconds from now or a time', () => {
  expect(
    readRateLimits(
      [
        ['RateLimit-Limit', '100, 100;w=60'],
        ['RateLimit-Remaining', '7'],
        ['RateLimit-Reset', '30'],
      ],
      at,
    ),
  ).toEqual({ limits: [{ of: 'requests', limit: 100, remaining: 7, resetAt: at + 30_000 }] })
  expect(readRateLimits([['X-RateLimit-Reset', String(at + 5)]], at)).toEqual({
    limits: [{ of: 'requests', resetAt: at + 5 }],
  })
  expect(readRateLimits([['ratelimitbysize-remaining', '12']], at)).toEqual({
    limits: [{ of: 'tokens', remaining: 12 }],
  })
})

test('the wait that is asked for is read in milliseconds, seconds and as a date', () => {
  const wait = (...headers: Array<[string, string]>) => readRateLimits(headers, at)?.retryAfterMs

  expect(wait(['retry-after', '2'])).toBe(2_000)
  expect(wait(['retry-after', '2'], ['retry-after-ms', '1500'])).toBe(1_500)
  expect(wait(['Retry-After', 'Fri, 02 Jan 2026 03:05:05 GMT'])).toBe(60_000)
  expect(wait(['Retry-After', 'Fri, 02 Jan 2026 03:00:00 GMT'])).toBe(0)
})

test('what cannot be read is left out', () => {
  expect(readRateLimits([['x-request-id', '1']], at)).toBeUndefined()
  expect(
    readRateLimits(
      [
        ['x-ratelimit-limit-requests', 'many'],
        ['x-ratelimit-reset-requests', '5 minutes'],
        ['x-ratelimit-limit-tokens', '-1'],
        ['retry-after', 'soon'],
      ],
      at,
    ),
  ).toBeUndefined()
})

test('any header fields give whole, finite numbers, and a bounded list', () => {
  const name = fc.constantFrom(
    'x-ratelimit-limit-requests',
    'x-ratelimit-reset-tokens',
    'anthropic-ratelimit-tokens-reset',
    'ratelimit-reset',
    'retry-after',
    'retry-after-ms',
  )
  const value = fc.oneof(
    fc.string(),
    fc.nat().map(String),
    fc.constantFrom('1e9', '9'.repeat(400), '9'.repeat(60) + 'h', '2026-99-99T00:00:00Z', 'Mon, x'),
  )
  const many = fc.nat(200).map((index) => `x-ratelimit-limit-kind${index}`)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(name, many), value), { maxLength: 80 }), (headers) => {
      const read = readRateLimits(headers, at)

      expect(read?.limits.length ?? 0).toBeLessThanOrEqual(32)
      expect(JSON.parse(JSON.stringify(read ?? null))).toEqual(read ?? null)
      for (const { resetAt = 0 } of read?.limits ?? [])
        expect(Number.isSafeInteger(resetAt)).toBe(true)
    }),
  )
})
