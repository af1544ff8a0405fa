import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import { formatToken, hashToken, isToken } from '../../../../src/policy/tokens/token-format.ts'

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })

property.prop([bytes])('a token is its prefix and 48 characters of base64url', (given) => {
  const token = formatToken(given)

  expect(token).toMatch(/^porthole:v1:[\w-]{48}$/u)
  expect(isToken(token)).toBe(true)
})

property.prop([bytes, fc.nat(47), fc.nat(62)])(
  'a token with any character changed is none',
  (given, place, step) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const token = formatToken(given)
    const at = 12 + place
    const other = alphabet.charAt((alphabet.indexOf(token.charAt(at)) + 1 + step) % 64)

    expect(isToken(token.slice(0, at) + other + token.slice(at + 1))).toBe(false)
  },
)

test('a token that is cut, longer, or under another prefix is none', () => {
  const token = formatToken(new Uint8Array(32).fill(7))

  expect(isToken(token.slice(0, -1))).toBe(false)
  expect(isToken(`${token}A`)).toBe(false)
  expect(isToken(token.replace('v1', 'v2'))).toBe(false)
  expect(isToken(`${token.slice(0, -1)}=`)).toBe(false)
})

test('a token is made of 32 bytes and no other number', () => {
  expect(() => formatToken(new Uint8Array(31))).toThrow(RangeError)
  expect(() => formatToken(new Uint8Array(33))).toThrow(RangeError)
})

test('different tokens have different hashes of 32 bytes', () => {
  const [one, two] = [1, 2].map((byte) => hashToken(formatToken(new Uint8Array(32).fill(byte))))

  expect(one).toHaveLength(32)
  expect(one).not.toEqual(two)
})
