import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { hasDotDot, isUnambiguousPath, splitTarget } from '../../../src/policy/request-path.ts'

test.each([
  '/',
  '/v1/models',
  '/v1/models/',
  '/v1beta/models/gemini-2.5-pro:generateContent',
  '/model/anthropic.claude-v2%3A1/invoke',
  '/a%20b/%C3%A9',
  '/a.b/c..d/...x',
])('%s is read alike by everybody', (path) => {
  expect(isUnambiguousPath(path)).toBe(true)
})

test.each([
  '',
  'v1',
  '*',
  '/v1/../x',
  '/v1/./x',
  '/..',
  '/v1/..',
  '/v1//x',
  '//v1',
  '/v1/%2e%2e/x',
  '/v1/.%2E/x',
  '/v1%2fx',
  '/v1%5Cx',
  String.raw`/v1\x`,
  '/v1;a=b/x',
  '/v1%3Bx/y',
  '/v1/%61',
  '/v1/%7Euser',
  '/v1/%252e',
  '/v1/%00',
  '/v1/%0a',
  '/v1/%3fx',
  '/v1/%23x',
  '/v1/%2',
  '/v1/%zz',
  '/v1/%',
  '/v1/é',
  '/v1/a b',
  '/v1/a\tb',
  '/v1?x',
])('%s may be read otherwise by somebody', (path) => {
  expect(isUnambiguousPath(path)).toBe(false)
})

property.prop([fc.webPath()])('what is unambiguous, URL parsers leave as it is', (path) => {
  fc.pre(isUnambiguousPath(path))

  expect(new URL(path, 'https://h.example').pathname).toBe(path)
  expect(hasDotDot(path)).toBe(false)
})

test('a target is split at its first question mark', () => {
  expect(splitTarget('/a?b?c')).toEqual({ path: '/a', query: '?b?c' })
  expect(splitTarget('/a')).toEqual({ path: '/a', query: '' })
})
