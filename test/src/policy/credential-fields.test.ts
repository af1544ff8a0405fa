import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { findFields, isCredentialName } from '../../../src/policy/credential-fields.ts'
import type { SecretRange } from '../../../src/policy/secret-range.ts'

function valuesIn(text: string): string[] {
  const ranges: SecretRange[] = []
  findFields(text, ranges)
  return ranges.map(({ start, end }) => text.slice(start, end))
}

describe('the name of a credential field', () => {
  test.each(['api_key', 'apiKey', 'API-KEY', 'x-api-key', 'client_secret', 'GITHUB_TOKEN'])(
    'is known in any spelling: %s',
    (name) => {
      expect(isCredentialName(name)).toBe(true)
    },
  )

  test.each(['token', 'key', 'max_tokens', 'keys', 'github_token_count', ''])(
    'is no word that means other things: %s',
    (name) => {
      expect(isCredentialName(name)).toBe(false)
    },
  )

  test('is told alike however many other names came before', () => {
    for (let number = 0; number < 10_000; number += 1) isCredentialName(`field${number}`)

    expect(isCredentialName('password')).toBe(true)
    expect(isCredentialName('passwords')).toBe(false)
    expect(isCredentialName(`pass${'_'.repeat(100)}word`)).toBe(true)
  })
})

describe('the value of a credential field', () => {
  test('is found at any depth of JSON in JSON', () => {
    let text = JSON.stringify({ a: 1, password: 'hunter2 ', b: '"' })
    for (let depth = 0; depth < 4; depth += 1) {
      expect(valuesIn(text)).toEqual(['hunter2 '])
      text = JSON.stringify({ inner: text })
    }
  })

  test('is found with white space around the colon, up to a bound', () => {
    const spaced = (count: number): string =>
      `{"password"${' '.repeat(count)}:${'\t'.repeat(count)}"x"}`

    expect(valuesIn(spaced(16))).toEqual(['x'])
    expect(valuesIn(spaced(17))).toEqual([])
  })

  test('is what stands in JSON, whatever the other fields hold', () => {
    const words = ['a', ':', '"', '\\', '":"', 'password', '"password":"', ' ', '{', ',', 'é']
    const text = array(constantFrom(...words), { maxLength: 8 }).map((parts) => parts.join(''))
    assert(
      property(text, text, text, (before, secret, after) => {
        const json = JSON.stringify({ before: [before], api_key: `s${secret}`, after })
        const bytes = Buffer.from(json).toString('latin1')
        const written = Buffer.from(JSON.stringify(`s${secret}`).slice(1, -1)).toString('latin1')

        expect(valuesIn(bytes)).toContain(written)
      }),
    )
  })

  // A megabyte; were it read again from every backslash, this would take minutes.
  test.each(['\\', ':', '":', '\\":', '"":'])('is found after a flood of %j', (part) => {
    const flood = part.repeat(1_000_000 / part.length)

    expect(valuesIn(`${flood} "password": "x"`).at(-1)).toBe('x')
  })
})
