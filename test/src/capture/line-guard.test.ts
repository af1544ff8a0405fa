import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { LineGuard } from '../../../src/capture/line-guard.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'

const value = 'sk-"CANARY"-7f3a'

function cleaned(lines: string): { lines: string; told: string[] } {
  const values = new ValueScanner(randomBytes(seedBytes))
  values.add('one', value)
  const told: string[] = []
  const guard = new LineGuard(values, (secretId) => told.push(secretId))
  return { lines: guard.cleaned(lines), told }
}

const line = (fields: object): string => `${JSON.stringify({ kind: 'blob', ...fields })}\n`

test('lines without a value pass as they are', () => {
  const lines = line({ hash: 'a', text: 'words' }) + line({ hash: 'b', text: 'more' })

  expect(cleaned(lines)).toEqual({ lines, told: [] })
})

test('a value is masked in its line, which stays JSON, and the others stay', () => {
  const first = line({ hash: 'a', text: 'words' })
  const { lines, told } = cleaned(first + line({ hash: 'b', json: [{ [value]: `x ${value}` }] }))

  expect(lines.startsWith(first)).toBe(true)
  expect(lines).not.toContain('CANARY')
  expect(JSON.parse(lines.slice(first.length))).toEqual({
    kind: 'blob',
    hash: 'b',
    json: [{ '[REDACTED]******': 'x [REDACTED]******' }],
  })
  expect(told).toEqual(['one', 'one'])
})

test('what is no JSON is left out, and told', () => {
  expect(cleaned(`no line ${value}\n${line({ hash: 'a' })}`)).toEqual({
    lines: line({ hash: 'a' }),
    told: ['one'],
  })
})
