import { fc, test as property } from '@fast-check/vitest'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'

import { toMatch } from '../../../../src/capture/index/search-query.ts'

describe('what a user types', () => {
  test.each([
    ['rate limit', '"rate" "limit"'],
    ['"connection refused" now', '"connection refused" "now"'],
    ['conf*', '"conf*"*'],
    ['"connection ref"*', '"connection ref"*'],
    ['src/config/settings.ts', '"src/config/settings.ts"'],
    ['AND OR NOT NEAR(a b)', '"AND" "OR" "NOT" "NEAR(a" "b)"'],
    ['prompt:secret ^first -not +and', '"prompt:secret" "^first" "-not" "+and"'],
    ['an "open phrase', '"an" "open phrase"'],
    ['--- * "" !!! word', '"word"'],
    ['größe 東京', '"größe" "東京"'],
    ['a\u0000b', '"a" "b"'],
  ])('%j becomes the query %s', (text, match) => {
    expect(toMatch(text)).toBe(match)
  })

  test.each(['', '  ', '"', '***', '" "', '-- ()'])('%j holds no word', (text) => {
    expect(toMatch(text)).toBeUndefined()
  })
})

const words = fc.string({
  unit: fc.constantFrom(...'ab"*()^:-+{}\\\' \u0000\n\u2028é東'.split(''), 'NEAR', 'OR', '\ud800'),
})

property.prop([words])('no text is a syntax error', (text) => {
  const db = new Database(':memory:')
  db.exec('create virtual table texts using fts5 (prompt, answer)')
  const match = toMatch(text)

  if (match !== undefined) {
    expect(() => db.prepare('select rowid from texts where texts match ?').all(match)).not.toThrow()
  }
  db.close()
})

property.prop([fc.stringMatching(/^[a-z]{1,8}$/u), fc.stringMatching(/^[a-z "*]{0,20}$/u)])(
  'a word of a text is found by itself and by its beginning, whatever stands around it',
  (word, around) => {
    const db = new Database(':memory:')
    db.exec('create virtual table texts using fts5 (prompt)')
    db.prepare('insert into texts values (?)').run(`${around} ${word} ${around}`)
    const find = (text: string): unknown[] =>
      db.prepare('select rowid from texts where texts match ?').all(toMatch(text))

    expect(find(word)).toHaveLength(1)
    expect(find(`${word.slice(0, 1)}*`)).toHaveLength(1)
    expect(find(`"${word}"`)).toHaveLength(1)
    expect(find(`${word} zzzzzzzzzz`)).toHaveLength(0)
    db.close()
  },
)
