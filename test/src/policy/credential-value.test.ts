import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { HeaderPairs } from '../../../src/messages/schema.ts'
import {
  fillSlot,
  formsOfValue,
  leastValueLength,
  problemOfValue,
} from '../../../src/policy/credential-value.ts'
import type { InjectedLocation } from '../../../src/policy/credential.ts'
import { createHeaderList } from '../../../src/proxy/http-messages.ts'

const value = 'a/b?c#d e%f:g&h=i;j+k'
const query = { type: 'query', name: 'key', ifPresent: false } as const
const bot = { type: 'url-path', pattern: '/bot{}/', ifPresent: false } as const

function filled(
  location: InjectedLocation,
  path: string,
  headers: HeaderPairs = [],
): { path: string; headers: HeaderPairs; text: string | undefined } {
  const request = { path, headers: createHeaderList(headers) }
  const text = fillSlot(request, location, value)
  return { path: request.path, headers: request.headers.pairs(), text }
}

describe('S5 a value is written so that its place can hold it', () => {
  test.each([
    ['/x', '/x?key='],
    ['/x?', '/x?key='],
    ['/x?a=1', '/x?a=1&key='],
    ['/x?key=mine&a=1', '/x?key=', '&a=1'],
    ['/x?a=1&key=mine&key=again&b', '/x?a=1&key=', '&b'],
    ['/x?k%65y=mine', '/x?key='],
    ['/x?key', '/x?key='],
    ['/x?KEY=other&keys=1&%zz=1', '/x?KEY=other&keys=1&%zz=1&key='],
  ])('in the query of %s', (before, start, end = '') => {
    expect(filled(query, before).path).toBe(`${start}${encodeURIComponent(value)}${end}`)
  })

  test('in the path, as one segment', () => {
    const { path } = filled(bot, '/botMINE/send?x=1')

    expect(path).toBe('/bota%2Fb%3Fc%23d%20e%25f:g&h=i%3Bj+k/send?x=1')
    expect(path.split('?')[0]?.split('/')).toHaveLength(3)
  })

  test('as a password, behind its user', () => {
    const { headers } = filled({ type: 'basic', user: 'me', ifPresent: false }, '/', [
      ['authorization', 'Bearer mine'],
      ['Authorization', 'too'],
    ])

    expect(headers).toHaveLength(1)
    const [, text = ''] = headers[0] ?? []
    expect(Buffer.from(text.replace('Basic ', ''), 'base64').toString()).toBe(`me:${value}`)
  })

  property.prop([fc.stringMatching(/^[!-~]{8,40}$/u), fc.webQueryParameters()])(
    'and is read back by parsers as it is',
    (secret, before) => {
      const request = { path: `/x?${before}`, headers: createHeaderList([]) }
      fillSlot(request, query, secret)
      const url = new URL(request.path, 'https://h.example')

      expect(url.searchParams.getAll('key')).toEqual([secret])
    },
  )
})

describe('where something must be there already', () => {
  test.each<[string, InjectedLocation, string, HeaderPairs]>([
    ['header', { type: 'header', name: 'X-Key', format: '{}', ifPresent: true }, '/', []],
    ['password', { type: 'basic', user: 'me', ifPresent: true }, '/', []],
    ['parameter', { ...query, ifPresent: true }, '/?other=1', []],
    ['part of the path', { ...bot, ifPresent: true }, '/bot/x', []],
  ])('no %s is added', (_what, location, path, headers) => {
    expect(filled(location, path, headers)).toEqual({ path, headers, text: undefined })
  })

  test('it is replaced', () => {
    const location = { type: 'header', name: 'X-Key', format: 'k {}', ifPresent: true } as const

    expect(filled(location, '/', [['x-key', '']]).headers).toEqual([['x-key', `k ${value}`]])
    expect(filled({ ...query, ifPresent: true }, '/?key').text).toBe(encodeURIComponent(value))
  })
})

describe('a value that cannot be sent', () => {
  test.each(['', 'short', 'a\nbcdefgh', 'a\rbcdefgh', 'a\0bcdefgh', 'ümlaut-value', ' spaced out'])(
    'is told (%j), and not repeated',
    (text) => {
      const problem = problemOfValue(text, query)

      expect(problem).toBeDefined()
      if (text.length > 5) expect(problem).not.toContain(text)
    },
  )

  test('is one of dots, in a path', () => {
    expect(problemOfValue('........', bot)).toBeDefined()
    expect(problemOfValue('........', query)).toBeUndefined()
    expect(problemOfValue('x'.repeat(20_000), query)).toBeDefined()
  })
})

describe('S7 the forms of a value', () => {
  test('hold it raw, percent-encoded, JSON-escaped, and in base64 alone and within more', () => {
    const secret = String.raw`se/cret"with\many+kinds`
    const forms = formsOfValue(secret)
    const json = JSON.stringify(secret).slice(1, -1)
    const texts = [
      secret,
      encodeURIComponent(secret),
      json,
      json.replaceAll('/', String.raw`\/`),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
      ...['u:', 'us:', 'use:', 'user:'].map((before) =>
        Buffer.from(`${before}${secret} and more`).toString('base64'),
      ),
    ]

    for (const text of texts) expect(forms.some((form) => text.includes(form))).toBe(true)
    expect(forms.every((form) => form.length >= leastValueLength)).toBe(true)
  })
})
