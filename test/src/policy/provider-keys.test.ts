import { expect, test } from 'vitest'

import { parseHeaderLocation } from '../../../src/policy/credential-syntax.ts'
import { parseHostPattern } from '../../../src/policy/host-pattern.ts'
import { providerKeyOf, providerKeys } from '../../../src/policy/provider-keys.ts'

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
