import { describe, expect, test } from 'vitest'

import { forecastCall } from '../../../analyzers/providers/forecast.ts'
import { metered } from '../../support/charges.ts'

const at = Date.UTC(2026, 5, 1)
const of = (over: Parameters<typeof metered>[1]): ReturnType<typeof forecastCall> =>
  forecastCall(metered('x1', over), at)

describe('a call is forecast', () => {
  test('by method and path alone to be one', () => {
    expect(of({ path: '/v1/responses?a=b' })).toBeDefined()
    expect(of({ method: 'GET', path: '/v1/realtime?model=m' })).toBeDefined()
    expect(of({ method: 'GET', path: '/v1/models' })).toBeUndefined()
    expect(of({ method: 'GET', path: '/v1/responses/resp_1/input_items' })).toBeUndefined()
  })

  test('by the length of its body, within what a body of text can come to', () => {
    expect(of({ bodyBytes: 40_000 })).toEqual({ tokens: 10_500, usd: 0.0375 })
    expect(of({ bodyBytes: 1e12 })?.tokens).toBe(200_500)
    expect(of({ bodyBytes: undefined })?.tokens).toBe(2500)
  })

  test('by the price of the model that its path or its body names, the dearest of several', () => {
    const host = 'api.anthropic.com'
    const path = '/v1/messages'
    const plain = of({ host, path, bodyBytes: 4000 })
    const dear = of({
      host,
      path,
      bodyBytes: 4000,
      models: ['claude-haiku-4-5', 'claude-opus-4-1'],
    })
    const gemini = of({
      host: 'generativelanguage.googleapis.com',
      path: '/v1beta/models/gemini-2.5-flash:generateContent',
      bodyBytes: 4000,
    })

    expect(plain?.usd).toBeCloseTo(0.0105, 6)
    // $15 and $75 a million.
    expect(dear?.usd).toBeCloseTo(0.0525, 6)
    // $0.30 and $2.50 a million.
    expect(gemini?.usd).toBeCloseTo(0.00155, 6)
  })

  test('at a usual price where nobody knows that of the model', () => {
    expect(of({ bodyBytes: 4000, models: ['no-such-model'] })?.usd).toBeCloseTo(0.0105, 6)
  })
})
