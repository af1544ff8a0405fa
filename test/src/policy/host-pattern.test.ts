import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import { parseAuthority } from '../../../src/policy/authority.ts'
import {
  matchesAny,
  matchesHostPattern,
  parseHostPattern,
} from '../../../src/policy/host-pattern.ts'

function matches(pattern: string, authority: string, schemePort = 443): boolean {
  const parsed = parseAuthority(authority)
  if (!parsed.ok) throw new Error(parsed.problem)
  return matchesHostPattern(parseHostPattern(pattern), parsed.authority, schemePort)
}

describe('a pattern', () => {
  test.each([
    ['api.openai.com', 'api.openai.com'],
    ['  API.OpenAI.com. ', 'api.openai.com'],
    ['*.openai.com', '*.openai.com'],
    ['*.OPENAI.com:8443', '*.openai.com:8443'],
    ['api.openai.com:443', 'api.openai.com:443'],
    ['localhost:3000', 'localhost:3000'],
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1:8080', '127.0.0.1:8080'],
    ['[::1]', '[::1]'],
    ['[0::1]:443', '[::1]:443'],
  ])('%j is written as %j', (text, canonical) => {
    expect(parseHostPattern(text).text).toBe(canonical)
    expect(parseHostPattern(canonical)).toEqual(parseHostPattern(text))
  })

  test.each([
    [''],
    [' '],
    ['*'],
    ['*.'],
    ['*.com'],
    ['*.co.uk'],
    ['*.COM.au.'],
    ['*.or.jp:8443'],
    ['*com'],
    ['*.*.com'],
    ['a.*.com'],
    ['api.*'],
    ['*.127.0.0.1'],
    ['*.[::1]'],
    ['https://api.openai.com'],
    ['HTTP://api.openai.com'],
    ['api.openai.com/v1'],
    ['api.openai.com:'],
    ['api.openai.com:0'],
    ['api.openai.com:99999'],
    ['api.openai.com:x'],
    ['user@api.openai.com'],
    ['a b.com'],
    ['::1'],
    ['127.1'],
    ['.openai.com'],
    ['a,b'],
    ['a\nb'],
  ])('%j is refused with its text quoted, in one line', (text) => {
    const error = refusal(text)

    expect(error.code).toBe('ERR_HOST_PATTERN')
    expect(error.message).toContain(JSON.stringify(text))
    expect(error.message).not.toContain('\n')
  })

  test.each([
    ['api.openai.com', 'api.openai.com:443', true],
    ['api.openai.com', 'API.OPENAI.COM:443', true],
    ['api.openai.com', 'api.openai.com.:443', true],
    ['api.openai.com', 'api.openai.com:8443', false],
    ['api.openai.com:8443', 'api.openai.com:8443', true],
    ['api.openai.com:8443', 'api.openai.com:443', false],
    ['api.openai.com', 'api.openai.com.evil.com:443', false],
    ['api.openai.com', 'evilapi.openai.com:443', false],
    ['api.openai.com', 'openai.com:443', false],
    ['*.openai.com', 'api.openai.com:443', true],
    ['*.openai.com', 'a.b.openai.com:443', true],
    ['*.openai.com', 'openai.com:443', false],
    ['*.openai.com', 'evilopenai.com:443', false],
    ['*.openai.com', 'openai.com.evil.com:443', false],
    ['*.openai.com:8443', 'api.openai.com:443', false],
    ['[::1]', '[0:0::1]:443', true],
    ['127.0.0.1', '127.0.0.1.:443', true],
    ['127.0.0.1', '[::ffff:127.0.0.1]:443', false],
  ])('%j against %j: %s', (pattern, authority, isMatch) => {
    expect(matches(pattern, authority)).toBe(isMatch)
  })

  test('without a port stands for the port of the scheme alone', () => {
    expect(matches('a.example', 'a.example:80', 80)).toBe(true)
    expect(matches('a.example', 'a.example:80', 443)).toBe(false)
    expect(matches('a.example:80', 'a.example:80', 443)).toBe(true)
  })
})

const label = fc.constantFrom('a', 'b', 'api', 'evilapi', 'openai', 'com')
const name = fc.array(label, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('.'))
const portText = fc.constantFrom('', ':443', ':8443')
const pattern = fc
  .tuple(fc.boolean(), name, portText)
  .map(([wild, host, port]) => `${wild ? '*.' : ''}${host}${port}`)

/** The semantics by regular expression, as one would explain them. */
function naive(text: string, host: string, port: number): boolean {
  const [, star, rest, wanted] = /^(\*\.)?([^:]*)(?::(\d+))?$/u.exec(text) ?? []
  if (Number(wanted ?? 443) !== port) return false
  const escaped = (rest ?? '').replaceAll('.', String.raw`\.`)
  return new RegExp(star === undefined ? `^${escaped}$` : `^.+\\.${escaped}$`, 'u').test(host)
}

describe('a list of patterns', () => {
  property.prop([fc.array(pattern, { maxLength: 4 }), name, fc.constantFrom(443, 8443)], {
    numRuns: 1000,
  })('matches as a naive reading of it does', (patterns, host, port) => {
    const wanted = patterns.some((text) => naive(text, host, port))

    const found = matchesAny(patterns.map(parseHostPattern), { host, port, kind: 'name' }, 443)

    expect(found).toBe(wanted)
  })

  test('matches nothing when empty', () => {
    expect(matchesAny([], { host: 'a', port: 443, kind: 'name' }, 443)).toBe(false)
  })
})

describe('any text', () => {
  property.prop([fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z*.:[\]0-9]*$/u))])(
    'gives a pattern or ERR_HOST_PATTERN, never another error',
    (text) => {
      try {
        const parsed = parseHostPattern(text)
        expect(parseHostPattern(parsed.text)).toEqual(parsed)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_HOST_PATTERN' })
      }
    },
  )
})

function refusal(text: string): AppError {
  try {
    parseHostPattern(text)
  } catch (error) {
    if (error instanceof AppError) return error
  }
  throw new Error(`${text} was not refused`)
}

test.each(['*.example.co.uk', '*.api.co', '*.go.example.com', 'co.uk'])('%j is taken', (text) => {
  expect(parseHostPattern(text).text).toBe(text)
})
