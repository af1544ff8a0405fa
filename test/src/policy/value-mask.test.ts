import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { holdsValue, maskValues, maskValuesIn } from '../../../src/policy/value-mask.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'

const value = 'sk-CANARY-7f3a'
const values = new ValueScanner(randomBytes(seedBytes))
values.add('one', value)

test('texts and names lose it, by characters of the same number', () => {
  const found: string[] = []
  const json = { [value]: [`a ${value}`, 1, null, { deep: value }], whole: 'words' }

  const masked = maskValues(json, values, ({ secretId }) => found.push(secretId))

  expect(JSON.stringify(masked)).not.toContain(value)
  expect(JSON.stringify(masked)).toHaveLength(JSON.stringify(json).length)
  expect(found).toEqual(['one', 'one', 'one'])
  expect(maskValuesIn(value, values)).toBe('[REDACTED]****')
  expect(maskValuesIn('words', values)).toBe('words')
})

test('what is nested without end is looked through, and left out where it holds one', () => {
  let nested: unknown = value
  for (let depth = 0; depth < 100_000; depth += 1) nested = [nested]

  expect(holdsValue(nested, values)).toBe(true)
  expect(holdsValue([['words'], { a: 1 }], values)).toBe(false)
  expect(JSON.stringify(maskValues(nested, values, () => {}))).not.toContain(value)
})

test('a name that every object has is a name like any other', () => {
  const json: unknown = JSON.parse(`{"__proto__":{"a":"${value}"}}`)

  expect(JSON.stringify(maskValues(json, values, () => {}))).toBe(
    '{"__proto__":{"a":"[REDACTED]****"}}',
  )
})
