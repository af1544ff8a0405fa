import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { displayWidth } from '../../../src/tui/format.ts'
import { createWrapper, wrapText } from '../../../src/tui/wrap.ts'
import { findUnsafe, hostileTexts } from './hostile-text.ts'

it('breaks at spaces and cuts words that are too long', () => {
  expect(wrapText('the quick brown fox', 10)).toEqual(['the quick', 'brown fox'])
  expect(wrapText('abcdefghijklmno', 10)).toEqual(['abcdefghij', 'klmno'])
  expect(wrapText('one\n\ntwo', 10)).toEqual(['one', '', 'two'])
})

it('breaks wide text by cells', () => {
  expect(wrapText('日本語日本語', 5)).toEqual(['日本', '語日', '本語'])
  expect(wrapText('naïve words wrap too', 12)).toEqual(['naïve words', 'wrap too'])
})

it('keeps indentation', () => {
  expect(wrapText('  "key": 1', 20)).toEqual(['  "key": 1'])
})

test.prop([fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 2, max: 30 })])(
  'never makes a line wider than asked, and loses nothing but spaces at breaks',
  (text, width) => {
    const lines = wrapText(text, width)
    const letters = (value: string): string => value.replaceAll(/\s/gu, '')

    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width)
    expect(letters(lines.join(''))).toBe(letters(wrapText(text, 1_000_000).join('')))
  },
)

it.each(hostileTexts)('makes safe lines of hostile text (%#)', (text) => {
  const lines = wrapText(text, 40)

  expect(findUnsafe(lines.join('\n'))).toBeUndefined()
})

test.prop([
  fc.array(
    fc.string({ unit: fc.constantFrom('a', 'bc ', '\n', 'é', '日', '\r\n', '\ud83d', '\ude00') }),
    {
      maxLength: 20,
    },
  ),
  fc.integer({ min: 2, max: 20 }),
])('wraps text that grows piece by piece as it would wrap the whole', (pieces, width) => {
  const wrapper = createWrapper()
  let text = ''
  for (const piece of pieces) {
    text += piece
    wrapper.wrap(text, width)
  }

  expect(wrapper.wrap(text, width)).toEqual(wrapText(text, width))
})

it('starts over when the width or the text changes', () => {
  const wrapper = createWrapper()

  expect(wrapper.wrap('one two', 20)).toEqual(['one two'])
  expect(wrapper.wrap('one two', 4)).toEqual(['one', 'two'])
  expect(wrapper.wrap('else', 4)).toEqual(['else'])
})
