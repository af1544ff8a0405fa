import { expect, test } from 'vitest'

import { findPersonalData } from '../../../src/policy/personal-data.ts'

function foundIn(text: string): string[] {
  return findPersonalData(text).map(({ start, end }) => text.slice(start, end))
}

test.each([
  ['a mail address', 'ask jo.doe+x@mail.example.org, please', 'jo.doe+x@mail.example.org'],
  ['a card number', 'card 4111 1111 1111 1111 exp', '4111 1111 1111 1111'],
  ['a card number in JSON text', '"4111111111111111"', '4111111111111111'],
  ['a bank account', 'to DE89 3704 0044 0532 0130 00.', 'DE89 3704 0044 0532 0130 00'],
  ['a telephone number', 'call +49 (30) 901820-11 now', '+49 (30) 901820-11'],
  ['a social security number', 'SSN 078-05-1120', '078-05-1120'],
])('%s is found', (_what, text, value) => {
  expect(foundIn(text)).toContain(value)
})

test.each([
  ['a card number whose check digit is wrong', 'card 4111 1111 1111 1112'],
  ['a bare number of JSON', '{"created": 4111111111111111, "b": 1}'],
  ['a timestamp', '2026-11-22T10:11:12.123Z'],
  ['a request id', 'req_011CSHoEeqs5C35K2UUqR7Fy'],
  ['a bank account whose check digits are wrong', 'DE88 3704 0044 0532 0130 00'],
  ['a version', 'requests@2.1 or 1.2.3-4-5'],
  ['a UUID', '123e4567-e89b-12d3-a456-426614174000'],
])('%s is not taken for personal data', (_what, text) => {
  expect(foundIn(text)).toEqual([])
})
