import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'

import { groupPaths, looksLikeId } from '../../../src/backtest/path-groups.ts'

const patterns = (...paths: string[]): string[] =>
  [...new Set(groupPaths(paths).values())].toSorted()

test.each([
  ['12345', true],
  ['file-Ab3dE6gH', true],
  ['resp_68f0c1d2', true],
  ['0b7f1f2e-9a43-4d4c-8e3c-0d4b8f7e2a11', true],
  ['completions', false],
  ['v1beta', false],
  ['gpt-4o-mini', false],
  ['claude-sonnet-4-20250514', false],
  ['gemini-2.5-pro:generateContent', false],
])('%s is an id: %s', (segment, expected) => {
  expect(looksLikeId(segment)).toBe(expected)
})

describe('paths', () => {
  test('without ids stay as they are', () => {
    expect(patterns('/v1/chat/completions', '/v1/responses', '/v1/models', '/')).toEqual([
      '/',
      '/v1/chat/completions',
      '/v1/models',
      '/v1/responses',
    ])
  })

  test('with an id that nothing proves to be one stay too', () => {
    expect(patterns('/v1/files/file-Ab3dE6gH', '/v1/files')).toEqual([
      '/v1/files',
      '/v1/files/file-Ab3dE6gH',
    ])
  })

  test('with ids in one place are named by what stands before', () => {
    expect(
      patterns(
        '/v1/files',
        '/v1/files/file-Ab3dE6gH',
        '/v1/files/file-Zz9yX8wV/content',
        '/v1/models',
      ),
    ).toEqual(['/v1/files/*', '/v1/models'])
  })

  test('beside ids that are none keep a rule of their own, if no star covers it', () => {
    expect(patterns('/t/1', '/t/2', '/t/all', '/u/all')).toEqual(['/t/*', '/u/all'])
  })
})

const segment = fc.oneof(
  fc.constantFrom('v1', 'files', 'content', 'models', '', '*'),
  fc.stringMatching(/^[a-z0-9]{6,9}$/u),
)
const path = fc.array(segment, { maxLength: 5 }).map((segments) => `/${segments.join('/')}`)

test.prop([fc.array(path, { maxLength: 300 })])(
  'every path is covered by its pattern, and there are few of them',
  (paths) => {
    const groups = groupPaths(paths)
    for (const each of paths) {
      const pattern = groups.get(each) ?? ''
      const bare = pattern.endsWith('/*') ? pattern.slice(0, -2) : undefined
      expect(
        pattern === each || each === bare || (bare !== undefined && each.startsWith(`${bare}/`)),
      ).toBe(true)
    }
    expect(new Set(groups.values()).size).toBeLessThanOrEqual(65)
  },
)
