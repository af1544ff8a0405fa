import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { secretVariable } from '../../../../src/capture/export/secret-names.ts'

test.each([
  ['https://api.openai.com/v1/x', 'Authorization', true, 'OPENAI_API_KEY'],
  ['https://api.openai.com:443/v1/x', 'Authorization', true, 'OPENAI_API_KEY'],
  ['https://me.openai.azure.com/', 'api-key', false, 'AZURE_OPENAI_API_KEY'],
  ['https://api.anthropic.com/v1', 'x-api-key', false, 'ANTHROPIC_API_KEY'],
  ['https://api.anthropic.com/v1', 'Authorization', true, 'ANTHROPIC_AUTH_TOKEN'],
  ['https://generativelanguage.googleapis.com/', 'key', false, 'GEMINI_API_KEY'],
  ['https://aiplatform.googleapis.com/', 'authorization', true, 'GOOGLE_ACCESS_TOKEN'],
  ['https://api.mistral.ai/', 'authorization', true, 'MISTRAL_API_KEY'],
])('the key for %s in %s stands in %#', (url, name, isBearer, variable) => {
  expect(secretVariable(url, name, isBearer)).toBe(variable)
})

test.each([
  ['http://api.openai.com/v1/x', 'Authorization', 'PORTHOLE_API_OPENAI_COM_KEY'],
  ['https://evil-openai.com/', 'Authorization', 'PORTHOLE_EVIL_OPENAI_COM_KEY'],
  ['https://api.openai.com.evil.example/', 'key', 'PORTHOLE_API_OPENAI_COM_EVIL_EXAMPLE_KEY'],
  ['https://api.openai.com@evil.example/', 'key', 'PORTHOLE_EVIL_EXAMPLE_KEY'],
  ['https://api.openai.com:8443/', 'key', 'PORTHOLE_API_OPENAI_COM_8443_KEY'],
  ['https://api.openai.com/', 'Cookie', 'PORTHOLE_API_OPENAI_COM_COOKIE'],
])('what %s is given in %s has a name of our own', (url, name, variable) => {
  expect(secretVariable(url, name, true)).toBe(variable)
})

property.prop([fc.webUrl({ withQueryParameters: true }), fc.string(), fc.boolean()])(
  'any name is one that a shell takes, and no stranger gets one that others use',
  (url, name, isBearer) => {
    expect(secretVariable(url, name, isBearer)).toMatch(/^PORTHOLE_[A-Z0-9_]+$/u)
  },
)
