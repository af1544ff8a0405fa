import { test as property, fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { FilterSubject } from '../../../src/query/filter-subject.ts'
import { parseFilter } from '../../../src/query/filter.ts'
import { createSubject } from './subject.ts'

function matches(text: string, changes: Partial<FilterSubject> = {}): boolean {
  const parsed = parseFilter(text)
  if (!parsed.ok) throw new Error(`${parsed.problem} at ${parsed.at}`)
  return parsed.filter.matches(createSubject(changes))
}

describe('a filter', () => {
  test.each([
    '',
    '  ',
    '~all',
    '~u v1/chat',
    '~u ^https:.*BETA=1$',
    '~d openai',
    '~m post',
    '~c 200',
    '~c < 300',
    '~h x-trace',
    '~h "^x-request-id: req_7$"',
    '~hq "trace: abc"',
    '~hs request-id',
    '~b because',
    '~b why',
    '~bq why.*second',
    '~bs because',
    '~s',
    '~http',
    '~t json',
    '~t event-stream',
    '~tq json',
    '~ts event-stream',
    '~provider openai',
    '~model gpt',
    '~tool ^bash$',
    '~agent build',
    '~session s1',
    '~session thread',
    '~stop tool',
    '~op chat',
    '~kind call',
    '~kind api|call',
    '~cache partial',
    '~cache hit|partial',
    '~cost >= 0.5',
    '~cost = $.5',
    '~cost>0.4',
    '~cost < 1',
    '~tokens >= 10k',
    '~tokens < 0.1M',
    '~tokens == 10000',
    '~tokens != 9999',
    '~ttft <= 0.25s',
    '~dur > 250ms',
    '~dur < 1m & ~dur < 1h',
    'gpt-5',
    'OPENAI',
    'builder',
    'rayleigh',
    'tool_calls',
    'claude|gpt',
    '"is the sky"',
    "'is the sky'",
    '!~e',
    '! ~q',
    '!!~s',
    '~q | ~s',
    '~s & ~m POST',
    '~s ~m POST',
    '(~q | ~s) (~m GET | ~m POST)',
    '((~s))',
    String.raw`~u \?beta`,
    String.raw`~hq "trace\: abc"`,
    '~http~s',
  ])('%j matches a finished call', (text) => {
    expect(matches(text)).toBe(true)
  })

  test.each([
    '~q',
    '~e',
    '~err',
    '~tunnel',
    '~websocket',
    '~c 404',
    '~c >= 400',
    '~m get',
    '~hs trace',
    '~hq request-id',
    '~bq because',
    '~bs why',
    '~tq event-stream',
    '~ts json',
    '~cache hit',
    '~cost > 0.5',
    '~tokens > 10k',
    '~tokens != 10k',
    '~ttft > 3s',
    '~dur <= 2.9s',
    'claude',
    '!~s',
    '~s & ~q',
    '~s ~q',
    '!(~q | ~s)',
    '~kind http',
    '~q~s | ~s',
  ])('%j does not match it', (text) => {
    expect(matches(text)).toBe(false)
  })

  test('reads things side by side last, as mitmproxy does', () => {
    expect(matches('~s | ~q ~m GET')).toBe(false)
    expect(matches('~s | (~q ~m GET)')).toBe(true)
    expect(matches('~q & ~m GET | ~s')).toBe(true)
    expect(matches('!~q | ~q')).toBe(true)
  })

  test.each(['~cost > 0', '~cost < 1', '~cost != 1', '~tokens > 0', '~ttft < 1h', '~c != 1000'])(
    '%j matches nothing of which that is unknown',
    (text) => {
      const unknown = {
        costUsd: undefined,
        tokens: undefined,
        ttftMs: undefined,
        status: undefined,
      }

      expect(parseFilter(text).ok && matches(text, unknown)).toBe(false)
    },
  )

  test('tells tunnels, WebSockets and requests that wait from each other', () => {
    const tunnel = { kind: 'tunnel', method: '', url: '', hasResponse: false } as const
    const waiting = { hasResponse: false }
    const upgrade = { requestHeaders: () => [['Upgrade', 'WebSocket'] as const] }

    expect(matches('~tunnel', tunnel)).toBe(true)
    expect(matches('~http', tunnel)).toBe(false)
    expect(matches('~q', tunnel)).toBe(false)
    expect(matches('~q', waiting)).toBe(true)
    expect(matches('~websocket', upgrade)).toBe(true)
    expect(matches('~websocket', { url: 'wss://a.example/' })).toBe(true)
  })

  test('asks for bodies only where nothing cheaper decides', () => {
    const dear = {
      requestBody: () => {
        throw new Error('asked')
      },
    }

    expect(matches('~bq why & ~m GET', dear)).toBe(false)
    expect(matches('~bq why | ~m POST', dear)).toBe(true)
  })

  test('keeps its text', () => {
    const parsed = parseFilter(' ~q | x ')

    expect(parsed).toMatchObject({ ok: true, filter: { text: ' ~q | x ', skipped: 0 } })
  })

  property.prop([fc.string({ unit: 'binary' }), fc.string()])(
    'never throws, whatever it is given',
    (text, body) => {
      const parsed = parseFilter(text)

      if (parsed.ok) parsed.filter.matches(createSubject({ requestBody: () => body }))
      else expect(parsed.at).toBeLessThanOrEqual(text.length)
    },
  )

  const piece = fc.constantFrom(
    ...'~u ~q ~c ~cost ~cache ~dur & | ! ( ) " \' > >= = 1 3s 404 hit a+ [ ( \\ * ~ ? x|y'.split(
      ' ',
    ),
  )
  property.prop([fc.array(piece, { maxLength: 12 }), fc.constantFrom('', ' ')])(
    'never throws on what looks like one',
    (pieces, glue) => {
      const parsed = parseFilter(pieces.join(glue))

      expect(parsed.ok ? typeof parsed.filter.matches(createSubject()) : 'boolean').toBe('boolean')
    },
  )
})
