import { fc, test } from '@fast-check/vitest'
import { expect, it } from 'vitest'

import { clippingOf, maxClipboardBase64 } from '../../../src/tui/clipboard.ts'
import { findUnsafe, hostileTexts } from './hostile-text.ts'

function readBack(sequence: string): string {
  const [, base64 = ''] = /^\u001b\]52;c;([A-Za-z0-9+/=]*)\u0007$/u.exec(sequence) ?? []
  return Buffer.from(base64, 'base64').toString()
}

test.prop([fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...hostileTexts))])(
  'whatever is copied, the terminal gets one sequence within its bound, and safe text in it',
  (text) => {
    const { sequence } = clippingOf(text)

    expect(sequence.length).toBeLessThanOrEqual(maxClipboardBase64 + 8)
    const pasted = readBack(sequence)
    expect(findUnsafe(pasted)).toBeUndefined()
    expect(pasted).not.toContain('\ufffd')
  },
)

it('says how much of a long text is in it', () => {
  expect(clippingOf('short')).toMatchObject({ copied: 5, of: 5 })
  const { copied, of } = clippingOf('日'.repeat(50_000))
  expect(of).toBe(50_000)
  expect(copied).toBe(Math.floor(((maxClipboardBase64 / 4) * 3) / 3))
})
