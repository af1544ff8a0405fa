import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createBodyMask, maskText } from '../../../src/policy/content-mask.ts'
import type { SecretSearch } from '../../../src/policy/content-secrets.ts'

const secretsOnly: SecretSearch = { mode: 'secrets', isForm: false, known: [] }
const canary = 'Q7canary-value-Zx9'

function masked(body: string, search: SecretSearch, sizes: readonly number[]): string {
  const mask = createBodyMask(search)
  const bytes = Buffer.from(body, 'utf8')
  const out: Uint8Array[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    out.push(mask.push(bytes.subarray(at, at + size)))
    at += size
  }
  out.push(mask.end())
  const all = Buffer.concat(out)
  expect(all.length).toBe(bytes.length)
  return all.toString('utf8')
}

const chunking = fc.oneof(
  fc.constant([1]),
  fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
)

/** Text that a model or a program may send, with everything in it that the search reads around. */
const harmless = fc
  .array(
    fc.constantFrom(
      'ä',
      ' ',
      '"',
      '\\',
      '\\"',
      ':',
      '{',
      '}',
      ',',
      '=',
      '&',
      '\n',
      'sk-',
      'a',
      '9',
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''))

const fieldNames = ['password', 'api_key', 'apiKey', 'refresh_token', 'OPENAI_API_KEY', 'X-Api-Key']
const tokens = [
  `sk-proj-${'aB3'.repeat(12)}`,
  `ghp_${'a1B2'.repeat(9)}`,
  `AIza${'x_9-Y'.repeat(7)}`,
  `xoxb-1234567890-${'a'.repeat(10)}`,
  `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${'s'.repeat(43)}`,
]

describe('a body', () => {
  test.each([[{}], [{ a: 1, b: ['x', 'y'] }], ['plain words, nothing else\n']])(
    'without a secret stays as it is: %j',
    (body) => {
      const text = JSON.stringify(body)

      expect(masked(text, secretsOnly, [3])).toBe(text)
    },
  )

  test('keeps its JSON, its length and all but the secret', () => {
    const body = JSON.stringify({ user: 'jo', password: 'hunter2-hunter2', n: [1, { id: 'x' }] })

    const shown = masked(body, secretsOnly, [body.length])

    expect(JSON.parse(shown)).toEqual({
      user: 'jo',
      password: '[REDACTED]*****',
      n: [1, { id: 'x' }],
    })
  })

  test('is masked alike in any chunks, wherever a credential field stands', () => {
    fc.assert(
      fc.property(
        harmless,
        fc.constantFrom(...fieldNames),
        fc.integer({ min: 0, max: 3 }),
        harmless,
        chunking,
        (before, name, depth, after, sizes) => {
          let field = `{"${name}": "${canary}"}`
          for (let level = 0; level < depth; level += 1) field = JSON.stringify(field)
          const body = `${before}\n${field}\n${after}`
          const whole = masked(body, secretsOnly, [body.length * 2])

          expect(whole).not.toContain(canary)
          expect(masked(body, secretsOnly, sizes)).toBe(whole)
        },
      ),
    )
  })

  test('is masked alike in any chunks, wherever a key stands', () => {
    fc.assert(
      fc.property(
        harmless,
        fc.constantFrom(...tokens),
        harmless,
        chunking,
        (before, token, after, sizes) => {
          const body = `${before} ${token} ${after}`
          const whole = masked(body, secretsOnly, [body.length * 2])

          expect(whole).not.toContain(token)
          expect(masked(body, secretsOnly, sizes)).toBe(whole)
        },
      ),
    )
  })

  test('hides a known value in any mode and any chunks', () => {
    fc.assert(
      fc.property(
        harmless,
        harmless,
        fc.constantFrom('secrets', 'pii', 'off'),
        chunking,
        (before, after, mode, sizes) => {
          const search: SecretSearch = { mode, isForm: false, known: [canary] }

          expect(masked(before + canary + after, search, sizes)).not.toContain(canary)
        },
      ),
    )
  })

  test.each(['client_secret', 'code', 'client%5Fsecret', 'refresh_token', 'API_KEY'])(
    'of a form hides the value of %s',
    (name) => {
      const search: SecretSearch = { ...secretsOnly, isForm: true }
      const body = `grant_type=x&${name}=${canary}&scope=a`

      for (const size of [1, 7, 100]) {
        const shown = masked(body, search, [size])
        expect(shown).not.toContain(canary)
        expect(shown).toMatch(/^grant_type=x&.*&scope=a$/u)
      }
    },
  )

  test('hides a secret that is longer than what is held back', () => {
    const long = 'Zq8'.repeat(20_000)
    const body = `{"private_key":"${long}","after":"visible"}`

    const shown = masked(body, secretsOnly, [1_000])

    expect(shown.includes('Zq8')).toBe(false)
    expect(shown).toContain('"after":"visible"}')
  })

  test('is shown at once where its chunk ends with a whole line', () => {
    const mask = createBodyMask(secretsOnly)
    const chunk = Buffer.from('data: {"delta":"hello wor"}\n\n')

    expect(mask.push(chunk)).toEqual(chunk)
  })

  test('stays what it is where a name or a prefix means something else', () => {
    for (const body of [
      '{"token":"Hello","logprob":-0.1,"key":"a","code":"invalid_api_key"}',
      '{"properties":{"password":{"type":"string"}},"required":["password"]}',
      'see https://example.com/risk-management-2024-overview-and-more',
      'the sk-learn-package-documentation-page',
      '{"signature":"EuYBCkQYAiJAxyz","encrypted_content":"gAAAAABo"}',
    ]) {
      expect(masked(body, secretsOnly, [5])).toBe(body)
    }
  })

  test('keeps the looks of keys when content is not to be looked at, but no credential field', () => {
    const off: SecretSearch = { ...secretsOnly, mode: 'off' }
    const [token = ''] = tokens

    expect(masked(`key ${token} .`, off, [100])).toContain(token)
    expect(masked(`{"api_key":"${token}"}`, off, [100])).not.toContain(token)
  })
})

describe('a text', () => {
  test('keeps every other character, in any script', () => {
    const text = 'Grüße ✓ {"password":"päss wörd"} 漢字'

    const shown = maskText(text, 'secrets')

    expect(shown).toBe('Grüße ✓ {"password":"[REDACTED]*"} 漢字')
    expect(Buffer.byteLength(shown)).toBe(Buffer.byteLength(text))
  })
})
