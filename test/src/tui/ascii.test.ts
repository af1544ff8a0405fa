import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { asciiText } from '../../../src/tui/ascii.ts'
import { displayWidth, safeLine } from '../../../src/tui/format.ts'

it('keeps letters, and finds the nearest for our own marks', () => {
  expect(asciiText('› ● plain → ✗ …')).toBe('> o plain > x ~')
  expect(asciiText('日本 é')).toBe('???? ?')
})

test.prop([fc.string({ unit: 'grapheme', maxLength: 40 })])(
  'is ASCII alone, and as wide as before',
  (text) => {
    const safe = safeLine(text)

    expect(asciiText(safe)).toMatch(/^[\u0020-\u007e]*$/u)
    expect(displayWidth(asciiText(safe))).toBe(displayWidth(safe))
  },
)
