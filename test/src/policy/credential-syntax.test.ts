import { describe, expect, test } from 'vitest'

import {
  parseBasicLocation,
  parseBoundPath,
  parseHeaderLocation,
  parseKeyVariable,
  parsePathLocation,
  parseQueryLocation,
} from '../../../src/policy/credential-syntax.ts'

describe('a header', () => {
  test.each([
    ['Authorization: Bearer {}', 'Authorization', 'Bearer {}'],
    ['authorization', 'authorization', 'Bearer {}'],
    ['x-api-key', 'x-api-key', '{}'],
    ['X-Key:{}', 'X-Key', '{}'],
    ['Cookie: session={}; a=b', 'Cookie', 'session={}; a=b'],
  ])('%j is read', (text, name, format) => {
    expect(parseHeaderLocation(text, true)).toEqual({
      ok: true,
      value: { type: 'header', name, format, ifPresent: true },
    })
  })

  test.each([
    '',
    ': {}',
    'X Key: {}',
    'X-Key: none',
    'X-Key: {}{}',
    'Host: {}',
    'content-length',
    'Transfer-Encoding: {}',
    'Proxy-Authorization: Basic {}',
    'X-Key: {}\r\nX-Evil: 1',
    'X-Key: {} é',
  ])('%j is refused', (text) => {
    expect(parseHeaderLocation(text, false).ok).toBe(false)
  })
})

test.each([
  ['key', true],
  ['api-key', true],
  ['a[b]', true],
  ['', false],
  ['a=b', false],
  ['a&b', false],
  ['a b', false],
])('the parameter %j is one: %s', (text, isOne) => {
  expect(parseQueryLocation(text, false).ok).toBe(isOne)
})

test.each([
  ['/bot{}/', true],
  ['/file/bot{}', true],
  ['/{}', true],
  ['/bot/', false],
  ['/{}/{}', false],
  ['bot{}/', false],
  ['/../bot{}/', false],
  ['/bot{}?x', false],
])('the pattern %j is one: %s', (text, isOne) => {
  expect(parsePathLocation(text, false).ok).toBe(isOne)
})

test.each([
  ['me', true],
  ['', true],
  ['a:b', false],
  ['a\nb', false],
  ['é', false],
])('the user %j is one: %s', (text, isOne) => {
  expect(parseBasicLocation(text, false).ok).toBe(isOne)
})

test.each([
  ['/v1/*', '/v1/*'],
  ['/v1', '/v1'],
  ['/*', undefined],
  ['*', undefined],
])('the path %j is read', (text, value) => {
  expect(parseBoundPath(text)).toEqual({ ok: true, value })
})

test.each(['', 'v1', '/v*/x', '/v1*', '/v1/../x', '/v1//x', '/v1?x=1', '/%2e/x', '/v1/**'])(
  'the path %j is refused',
  (text) => {
    expect(parseBoundPath(text).ok).toBe(false)
  },
)

test.each([
  ['OPENAI_API_KEY', true],
  ['my_key2', true],
  ['_K', true],
  ['', false],
  ['2_KEY', false],
  ['MY-KEY', false],
  ['A=B', false],
  ['A'.repeat(101), false],
  ['PATH', false],
  ['path', false],
  ['NODE_OPTIONS', false],
  ['LD_PRELOAD', false],
  ['DYLD_INSERT_LIBRARIES', false],
  ['https_proxy', false],
  ['OPENAI_BASE_URL', false],
  ['PORTHOLE_HOME', false],
  ['SECRET_ENCRYPTION_KEY', false],
])('the variable %j may hold a key: %s', (text, isOne) => {
  expect(parseKeyVariable(text).ok).toBe(isOne)
})
