import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import {
  dropOwnTokens,
  holdsOwnToken,
  replaceOwnTokens,
  standsForKey,
} from '../../../src/policy/own-token.ts'
import { redactHeaders, redactUrl } from '../../../src/policy/redaction.ts'
import { formatToken } from '../../../src/policy/tokens/token-format.ts'
import { createHeaderList } from '../../../src/proxy/http-messages.ts'
import { mintRouteToken, mintSessionToken } from '../../../src/proxy/session-token.ts'
import { mintAgentToken } from '../../../src/vault/agent-token.ts'

const agent = mintAgentToken()
const route = mintRouteToken()
const opaque = formatToken(new Uint8Array(32))
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What leaves of a request. */
function left(path: string, headers: ReadonlyArray<readonly [string, string]> = []) {
  const list = createHeaderList(headers)
  const request = { path, headers: list }
  dropOwnTokens(request)
  return { path: request.path, headers: list.pairs() }
}

describe.each([
  ['an agent', agent],
  ['a route', route],
])('the token of %s', (_what, token) => {
  test('is known in any text, and masked there', () => {
    expect(replaceOwnTokens(`a ${token}, ${token}`, '*')).toBe('a *, *')
    expect(holdsOwnToken(`Bearer ${token}`)).toBe(true)
    expect(holdsOwnToken(`Basic ${base64(`me:${token}`)}`)).toBe(true)
    expect(standsForKey(token)).toBe(true)
    expect(redactUrl(`https://a.example/x${token}?y=${token}`)).toBe(
      'https://a.example/x[REDACTED]?y=[REDACTED]',
    )
    expect(redactHeaders([['X-Own', `v=${token}`]])).toEqual([['X-Own', 'v=[REDACTED]']])
  })

  test.each([
    ['/x?k=<T>', '/x'],
    ['/x?a=1&k=<T>&b', '/x?a=1&b'],
    ['/x?a=1&k=x<T>x', '/x?a=1'],
    ['/x?<T>', '/x'],
    ['/x?k=<E>', '/x'],
    ['/<T>/x', '//x'],
    ['/bot<T>/x?a=%20', '/bot/x?a=%20'],
    ['/bot<E>/x', '//x'],
  ])('does not leave with %s', (path, wanted) => {
    const encoded = token.replaceAll('_', '%5f')

    expect(left(path.replaceAll('<T>', token).replaceAll('<E>', encoded)).path).toBe(wanted)
  })

  test('does not leave in any field', () => {
    const kept = ['X-Kept', 'porthole_agent_'] as const

    expect(
      left('/', [
        ['X-A', token],
        kept,
        ['Authorization', `Bearer ${token}`],
        ['Authorization', `Basic ${base64(`x:${token}`)}`],
      ]).headers,
    ).toEqual([kept])
  })
})

test.each([
  ['/x'],
  ['/x?'],
  ['/x?a=%'],
  ['/%E0%A4%A/x?a=+b&&c'],
  ['/porthole_route_/x?porthole_agent_=1'],
])('%s leaves as it is', (path) => {
  expect(left(path).path).toBe(path)
})

property.prop([fc.string(), fc.array(fc.tuple(fc.string(), fc.string()))])(
  'other requests leave as they are',
  (path, headers) => {
    expect(left(path, headers)).toEqual({ path, headers })
  },
)

test.each([
  ['', true],
  ['porthole-placeholder', true],
  ['porthole:v1:abc', true],
  [opaque, true],
  [`${opaque}sk-real`, false],
  ['sk-real', false],
  ['x-porthole-placeholder', false],
  [`${agent}x`, false],
])('%j stands for a key: %s', (text, wanted) => {
  expect(standsForKey(text)).toBe(wanted)
})

test('tokens that a proxy makes are all different', () => {
  const made = Array.from({ length: 50 }, () => [mintRouteToken(), mintSessionToken()]).flat()

  expect(new Set(made).size).toBe(100)
  expect(made.every((token) => /^(?:porthole_route_[\w-]{51}|[\w-]{43})$/u.test(token))).toBe(true)
})
