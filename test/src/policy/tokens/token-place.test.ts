import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { writeValue } from '../../../../src/policy/tokens/token-place.ts'
import type { TokenPlace } from '../../../../src/policy/tokens/token-place.ts'

const places: readonly TokenPlace[] = [
  'header',
  'basic',
  'basic-user',
  'path',
  'query',
  'json',
  'form',
  'raw',
]
const value = fc.string({ unit: 'binary', minLength: 8, maxLength: 60 })

function written(text: string, place: TokenPlace, as = 'porthole:v1:…'): string | undefined {
  const given = writeValue(text, place, as)
  return given.ok ? Buffer.from(given.text, 'latin1').toString('utf8') : undefined
}

describe('S5 a value', () => {
  property.prop([value, fc.constantFrom(...places)])(
    'S5 any value is written so that its place can hold it, or refused without being repeated',
    (text, place) => {
      const given = writeValue(text, place, 'porthole:v1:…')
      if (!given.ok) {
        expect(given.problem).not.toContain(text)
        return
      }
      const read = Buffer.from(given.text, 'latin1').toString('utf8')
      switch (place) {
        case 'path':
          expect(read).toMatch(/^[\w.~!*'()%-]+$/u)
          expect(decodeURIComponent(read)).toBe(text)
          break
        case 'query':
        case 'form':
          expect(new URLSearchParams(`a=${read}&b=1`).get('a')).toBe(text)
          break
        case 'json':
          expect(JSON.parse(`{"a":"${read}"}`)).toEqual({ a: text })
          break
        case 'header':
          expect(read).toMatch(/^[\u0021-\u007E][\u0020-\u007E]*$/u)
          break
        case 'basic-user':
          expect(`${read}:x`.split(':', 1)[0]).toBe(text)
          break
        case 'basic':
        case 'raw':
          expect(read).toBe(text)
      }
    },
  )

  const refused: ReadonlyArray<readonly [string, TokenPlace, string]> = [
    ['a line break', 'header', 'CANARY-1\r\nX: y'],
    ['a character beyond ASCII', 'header', 'CANARY-1é'],
    ['a space at its end', 'header', 'CANARY-1 '],
    ['a colon', 'basic-user', 'CANARY:12345'],
    ['dots alone', 'path', '........'],
    ['a zero byte', 'raw', 'CANARY-\0-1'],
    ['too few characters', 'json', 'CANARY'],
    ['too many characters', 'form', 'x'.repeat(16_385)],
    ['half a character', 'query', 'CANARY-1\uD800'],
  ]
  test.each(refused)('S5 with %s does not go into: %s', (_what, place, text) => {
    expect(writeValue(text, place, 'porthole:v1:…')).toMatchObject({ ok: false })
  })
})

test('what stands where a percent-encoded token stood is percent-encoded, whatever holds it', () => {
  for (const place of ['json', 'raw', 'header'] as const) {
    expect(written('CANARY "&/', place, 'porthole%3Av1%3A…')).toBe('CANARY%20%22%26%2F')
  }
})

test('what stands where an escaped token stood is escaped', () => {
  expect(written('CANARY "\\', 'raw', String.raw`porthole\u003av1\u003a…`)).toBe(
    String.raw`CANARY \"\\`,
  )
})
