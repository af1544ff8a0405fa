import { expect, test } from 'vitest'

import { byteClass } from '../../../src/policy/byte-classes.ts'

test('tells the characters of a class by their code, and none beyond a byte', () => {
  const digits = byteClass(/\d/u)
  const members = digits.flatMap((isMember, code) => (isMember ? [String.fromCharCode(code)] : []))

  expect(members.join('')).toBe('0123456789')
  expect(digits).toHaveLength(256)
})
