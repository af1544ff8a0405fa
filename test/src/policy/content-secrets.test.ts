import { describe, expect, test } from 'vitest'

import { endOfOpen, findSecrets, tailStart } from '../../../src/policy/content-secrets.ts'
import type { SecretSearch } from '../../../src/policy/content-secrets.ts'

const search: SecretSearch = { mode: 'secrets', isForm: false, known: [] }

describe('a secret that the text ends within', () => {
  test.each([
    ['a string', '{"password":"abc', { kind: 'string', depth: 0 }],
    ['a string within a string', '"{\\"password\\":\\"abc', { kind: 'string', depth: 1 }],
    ['a key', `x sk-${'a1'.repeat(20)}`, { kind: 'token' }],
  ])('is open: %s', (_what, text, open) => {
    expect(findSecrets(text, search).at(-1)).toMatchObject({ end: text.length, open })
  })

  test('ends at the quote that is its own', () => {
    expect(endOfOpen('a\\"b"c', { kind: 'string', depth: 0 })).toBe(4)
    expect(endOfOpen('a\\\\\\"b\\"c', { kind: 'string', depth: 1 })).toBe(6)
    expect(endOfOpen('abc', { kind: 'string', depth: 0 })).toBeUndefined()
    expect(endOfOpen('abc&d', { kind: 'form' })).toBe(3)
    expect(endOfOpen('abc d', { kind: 'token' })).toBe(3)
  })
})

test('what may become a secret with what follows is kept back', () => {
  const kept = (text: string): string => text.slice(tailStart(text, search))

  expect(kept('see sk-pr')).toBe('sk-pr')
  expect(kept('{"a":1,"passw')).toBe('"passw')
  expect(kept('{"a":1,"password": ')).toBe('"password": ')
  expect(kept('data: {}\n\n')).toBe('')
})
