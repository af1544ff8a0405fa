import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { maskJson } from '../../../src/policy/json-mask.ts'

const key = `sk-proj-${'aB3'.repeat(12)}`

test('texts and credential fields are masked at any depth, the rest stays', () => {
  const value = {
    role: 'assistant',
    content: [{ type: 'text', text: `use ${key} now` }],
    input: { password: 'hunter2', user: 'jo', n: 1 },
    arguments: '{"api_key":"abcdefgh"}',
  }

  expect(maskJson(value, 'secrets')).toEqual({
    role: 'assistant',
    content: [{ type: 'text', text: `use [REDACTED]${'*'.repeat(key.length - 10)} now` }],
    input: { password: '[REDACTED]', user: 'jo', n: 1 },
    arguments: '{"api_key":"********"}',
  })
})

test('a value with nothing to mask is the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const json = JSON.stringify(value)
      fc.pre(!/passw|secret|token|key|auth/iu.test(json))

      expect(maskJson(value as never, 'off')).toBe(value)
    }),
  )
})

test('a field named as a prototype is a field', () => {
  const value = JSON.parse('{"__proto__":{"password":"x"}}') as never

  expect(JSON.stringify(maskJson(value, 'secrets'))).toBe('{"__proto__":{"password":"[REDACTED]"}}')
})
