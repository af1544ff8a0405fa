import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { visibleLine, visibleText } from '../../../src/base/visible-text.ts'

/** Code points that no terminal should ever be given, listed apart from the code under test. */
const forbiddenRanges: ReadonlyArray<readonly [number, number, string]> = [
  [0x00, 0x1f, 'C0'],
  [0x7f, 0x7f, 'DEL'],
  [0x80, 0x9f, 'C1'],
  [0xad, 0xad, 'soft hyphen'],
  [0x61c, 0x61c, 'Arabic letter mark'],
  [0x180e, 0x180e, 'Mongolian vowel separator'],
  [0x200b, 0x200f, 'zero width and direction marks'],
  [0x2028, 0x2029, 'line and paragraph separators'],
  [0x202a, 0x202e, 'bidirectional embeddings and overrides'],
  [0x2060, 0x2064, 'invisible operators'],
  [0x2066, 0x2069, 'bidirectional isolates'],
  [0x206a, 0x206f, 'deprecated format characters'],
  [0xd800, 0xdfff, 'lone surrogates'],
  [0xfeff, 0xfeff, 'byte-order mark'],
  [0xfff9, 0xfffb, 'interlinear annotation'],
  [0xe0000, 0xe007f, 'tags'],
]

function forbiddenIn(text: string, allowed = ''): string[] {
  return Array.from(text).filter((character) => {
    const code = character.codePointAt(0) ?? 0
    if (allowed.includes(character)) return false
    return forbiddenRanges.some(([first, last]) => code >= first && code <= last)
  })
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.oneof(
        fc
          .constantFrom(...forbiddenRanges)
          .chain(([first, last]) => fc.integer({ min: first, max: last }))
          .map((code) => String.fromCodePoint(code)),
        fc.constantFrom('\r\n', '\n', '\t', 'a', 'é', '漢', '😀', '\u001b[2J', '\u009b31m'),
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join('')),
)

describe('visibleLine', () => {
  property.prop([hostile])('lets no forbidden character through', (text) => {
    expect(forbiddenIn(visibleLine(text))).toEqual([])
  })

  property.prop([hostile])('changes nothing the second time', (text) => {
    expect(visibleLine(visibleLine(text))).toBe(visibleLine(text))
  })

  test.each(forbiddenRanges)('escapes U+%i to U+%i (%s)', (first, last) => {
    for (let code = first; code <= last; code += 1) {
      expect(forbiddenIn(visibleLine(`a${String.fromCodePoint(code)}b`))).toEqual([])
    }
  })

  test.each([
    ['a\nb', String.raw`a\nb`],
    ['a\r\nb', String.raw`a\r\nb`],
    ['a\tb', String.raw`a\tb`],
    ['\u001b]0;title\u0007', String.raw`\x1b]0;title\x07`],
    ['\u009b31m', String.raw`\x9b31m`],
    ['user\u202etxt.exe', String.raw`user\u202etxt.exe`],
    ['a\u{e0041}b', String.raw`a\u{e0041}b`],
    ['\ud83d', String.raw`\ud83d`],
  ])('writes %j as %j', (text, wanted) => {
    expect(visibleLine(text)).toBe(wanted)
  })

  test('leaves letters of all scripts, accents and emoji alone', () => {
    const text = 'Zażółć gęślą jaźń, 漢字, עברית, العربية, हिन्दी, 😀👍🏽, e\u0301'

    expect(visibleLine(text)).toBe(text)
  })
})

describe('visibleText', () => {
  property.prop([hostile])('lets only newlines through', (text) => {
    expect(forbiddenIn(visibleText(text), '\n')).toEqual([])
  })

  property.prop([hostile])('keeps the lines of its input', (text) => {
    expect(visibleText(text).split('\n')).toHaveLength(text.split('\n').length)
  })

  test('turns CRLF into newlines, tabs into spaces and lone returns into escapes', () => {
    expect(visibleText('a\r\n\tb\rc\n')).toBe('a\n  b\\rc\n')
  })
})
