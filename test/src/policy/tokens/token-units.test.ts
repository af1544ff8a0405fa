import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import {
  codeOf,
  decodeUnits,
  lengthOf,
  none,
  unfinished,
  unitAt,
  writtenPattern,
} from '../../../../src/policy/tokens/token-units.ts'

const character = fc.constantFrom(...Array.from('porthelv1:sdAZaz09-_+/='))

/** The ways in which a character may stand in a URL or in JSON. */
function waysOf(one: string): string[] {
  const hex = one.charCodeAt(0).toString(16).padStart(2, '0')
  return [
    one,
    ...[hex, hex.toUpperCase()].flatMap((digits) => [`%${digits}`, `\\u00${digits}`]),
    ...(one === '/' ? [String.raw`\/`] : []),
  ]
}

describe('a character', () => {
  property.prop([character])('is read in every way that it may be written', (one) => {
    for (const way of waysOf(one)) {
      const unit = unitAt(`${way}x`, 0)

      expect(String.fromCharCode(codeOf(unit))).toBe(one)
      expect(lengthOf(unit)).toBe(way.length)
      expect(decodeUnits(way)).toBe(one)
    }
  })

  property.prop([character])('that is cut off may still become one', (one) => {
    for (const way of waysOf(one).filter(({ length }) => length > 1)) {
      for (let length = 0; length < way.length; length += 1) {
        expect(unitAt(way.slice(0, length), 0)).toBe(unfinished)
      }
    }
  })

  test.each(['%zz', '%0a', '%8', '\\n', '\\u1', '\\u01', '\\u008', '\\u00zz', '\\U0070'])(
    'is not found in %s',
    (text) => {
      expect(unitAt(text, 0)).toBe(none)
    },
  )
})

property.prop([fc.array(character, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat(5))])(
  'a word is matched however its characters are written',
  (characters, choices) => {
    const written = characters
      .map((one) => {
        const ways = waysOf(one).filter((way) => way !== String.raw`\/`)
        return ways[(choices.next().value ?? 0) % ways.length] ?? one
      })
      .join('')
    const word = characters.join('').replaceAll(/[+]/gu, '-')

    expect(written.replaceAll(/\+|%2[bB]|\\u002[bB]/gu, '-')).toMatch(
      new RegExp(`^${writtenPattern(word)}$`, 'u'),
    )
  },
)
