import { expect, test } from 'vitest'

import { findSecrets } from '../../../src/policy/content-secrets.ts'
import { hashAgentToken, isAgentToken, mintAgentToken } from '../../../src/vault/agent-token.ts'

test('a token has 256 random bits, a prefix and a checksum', () => {
  const tokens = Array.from({ length: 1000 }, mintAgentToken)

  expect(new Set(tokens).size).toBe(1000)
  for (const token of tokens) {
    expect(token).toMatch(/^porthole_agent_[\w-]{43}[\da-f]{8}$/u)
    expect(isAgentToken(token)).toBe(true)
  }
})

test('one that was mistyped or cut is none', () => {
  const token = mintAgentToken()
  const other = token.at(20) === 'A' ? 'B' : 'A'

  expect(isAgentToken(`${token.slice(0, 20)}${other}${token.slice(21)}`)).toBe(false)
  for (const text of ['', token.slice(0, -1), `${token}0`, token.toUpperCase(), token.slice(15)]) {
    expect(isAgentToken(text)).toBe(false)
  }
})

test('a token stands for itself alone', () => {
  const token = mintAgentToken()

  expect(hashAgentToken(token)).toHaveLength(32)
  expect(hashAgentToken(token)).toEqual(hashAgentToken(token))
  expect(hashAgentToken(token)).not.toEqual(hashAgentToken(`${token} `))
})

test('a token that a program puts into a prompt is masked there', () => {
  const token = mintAgentToken()
  const text = `use ${token} for it`

  expect(findSecrets(text, { mode: 'secrets', isForm: false, known: [] })).toMatchObject([
    { start: 4, end: 4 + token.length },
  ])
})
