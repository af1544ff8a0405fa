import { expect, test } from 'vitest'

import { parseHeaderLocation } from '../../../src/policy/credential-syntax.ts'
import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { otherPlaces, providerKeyOf, providerKeys } from '../../../src/policy/provider-keys.ts'

test('every row has a host, a header and a variable that can be used', () => {
  for (const { host, header, variables, rivals = [] } of providerKeys) {
    expect(parseHostPattern(host).text).toBe(host)
    expect(parseHeaderLocation(header, false).ok).toBe(true)
    expect(variables.length).toBeGreaterThan(0)
    for (const name of [...variables, ...rivals]) expect(name).toMatch(/^[A-Z][A-Z\d_]+$/u)
  }
})

test.each([
  ['api.openai.com', 'Authorization: Bearer {}'],
  ['api.anthropic.com', 'x-api-key: {}'],
  ['generativelanguage.googleapis.com', 'x-goog-api-key: {}'],
  ['mine.openai.azure.com', 'api-key: {}'],
  ['*.openai.azure.com', 'api-key: {}'],
  ['evilopenai.azure.com', undefined],
  ['openai.com', undefined],
])('%s takes %s', (host, header) => {
  expect(providerKeyOf(host)?.header).toBe(header)
})

test('a provider that takes its key in two places is known by the usual one', () => {
  const usual = { type: 'header', name: 'X-API-Key', format: '{}', ifPresent: true } as const
  const bearer = { type: 'header', name: 'Authorization', format: 'Bearer {}', ifPresent: false }
  const query = { type: 'query', name: 'k', ifPresent: false } as const

  expect(otherPlaces('api.anthropic.com', [query, usual])).toEqual([bearer])
  expect(otherPlaces('api.anthropic.com', [query])).toEqual([])
  expect(otherPlaces('api.openai.com', [usual])).toEqual([])
  expect(otherPlaces('a.example', [usual])).toEqual([])
})
