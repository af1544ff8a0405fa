import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { RequestTarget } from '../../../src/proxy/request-target.ts'
import {
  formatReverseRoute,
  parseReverseRoute,
  resolveRoute,
} from '../../../src/proxy/reverse-routes.ts'
import type { ListenerPlace, ReverseRoute } from '../../../src/proxy/reverse-routes.ts'

const listener: ListenerPlace = { host: '0.0.0.0', address: '::ffff:192.168.0.7', port: 8080 }

function parsed(text: string): ReverseRoute {
  const result = parseReverseRoute(text)
  if (!result.ok) throw new Error(result.problem)
  return result.route
}

function resolve(
  target: string,
  fields: ReadonlyArray<readonly [string, string]> = [],
  upstream = 'https://api.openai.com/v1',
): RequestTarget {
  const routes = new Map([
    ['openai', parsed(`openai=${upstream}`)],
    ['openai-two', parsed('openai-two=https://two.example')],
  ])
  const headers = fields.some(([name]) => name.toLowerCase() === 'host')
    ? fields
    : [['Host', '127.0.0.1:8080'] as const, ...fields]
  return resolveRoute({ method: 'GET', target, headers }, routes, listener)
}

const pathOf = (target: RequestTarget): string | undefined => (target.ok ? target.path : undefined)
const codeOf = (target: RequestTarget): string | undefined => (target.ok ? 'ok' : target.code)

describe('a route', () => {
  test.each([
    ['openai=https://api.openai.com', 'https://api.openai.com'],
    ['openai=https://API.openai.com:443/v1/', 'https://api.openai.com/v1'],
    ['a-1=HTTPS://h.example:8443', 'https://h.example:8443'],
    ['o=http://localhost:11434/', 'http://localhost:11434'],
    ['o=http://127.0.0.2', 'http://127.0.0.2'],
    ['o=http://[::1]:8000/v1', 'http://[::1]:8000/v1'],
  ])('is read from %s', (text, shown) => {
    expect(formatReverseRoute(parsed(text))).toBe(shown)
  })

  test.each([
    ['o=http://localhost:1', true],
    ['o=https://[::1]', true],
    ['o=https://api.openai.com', undefined],
    ['o=https://10.0.0.1', undefined],
    ['o=https://localhost.example', undefined],
  ])('%s is marked as loopback: %s', (text, isMarked) => {
    expect(parsed(text).destination.isNamedLoopback).toBe(isMarked)
  })

  test.each([
    ['', 'NAME=URL'],
    ['openai', 'NAME=URL'],
    ['https://api.openai.com', 'NAME=URL'],
    ['o=ftp://a.example', 'NAME=URL'],
    ['o=https://', 'NAME=URL'],
    ['o=https://a.example?x=1', 'NAME=URL'],
    ['=https://a.example', 'a name'],
    ['OpenAI=https://a.example', 'a name'],
    [
      'sk-proj-a1b2c3d4e5f6g7h8i9j0=https://a.example',
      'what was given as its name looks like a key',
    ],
    ['a/b=https://a.example', 'a name'],
    ['a.b=https://a.example', 'a name'],
    ['o=http://a.example', 'plain http'],
    ['o=http://localhost.example', 'plain http'],
    ['o=http://10.0.0.1', 'plain http'],
    ['o=http://0.0.0.0', 'plain http'],
    ['o=https://a.example/v1?x=1', 'base path'],
    ['o=https://a.example/v1#x', 'base path'],
    ['o=https://a.example/../x', 'base path'],
    ['o=https://a.example/a b', 'base path'],
    ['o=https://a.example/a\\b', 'base path'],
    ['o=https://a.example:0', 'bad port'],
    ['o=https://2130706433', 'number'],
  ])('%j is refused', (text, problem) => {
    const result = parseReverseRoute(text)

    expect(result.ok ? '' : result.problem).toContain(problem)
  })

  test('that is refused does not show what its URL held', () => {
    const result = parseReverseRoute('o=https://user:CANARY@a.example/CANARY')

    expect(result.ok).toBe(false)
    expect(JSON.stringify(result)).not.toContain('CANARY')
  })
})

describe('a path', () => {
  test.each([
    ['/openai', '/v1'],
    ['/openai/', '/v1'],
    ['/openai?a', '/v1?a'],
    ['/openai/?a', '/v1?a'],
    ['/openai/x/', '/v1/x/'],
    ['/openai//x', '/v1//x'],
    ['/openai/%41/%2F?%2e%2e/../', '/v1/%41/%2F?%2e%2e/../'],
    ['/openai/.../..a/a../.', '/v1/.../..a/a../.'],
    ['/openai-two/x', '/x'],
    ['/openai-two', '/'],
    ['/openai-two/?q', '/?q'],
  ])('%s becomes %s', (target, path) => {
    expect(pathOf(resolve(target))).toBe(path)
  })

  test.each([
    '/openai/..',
    '/openai/../x',
    '/openai/x/../../y',
    '/openai/%2e%2e/x',
    '/openai/.%2E/x',
    '/openai/%2E./x',
    '/openai/..%2fx',
    '/openai/x%2F..%2F..%2fy',
    '/openai/..\\x',
    '/openai/..%5cx',
    '/openai/a\\b',
    '/openai/..;/x',
    '/openai/..%3b/x',
    '/openai/..;a=b?q',
  ])('%s, which some reader takes out of the base path, is refused', (target) => {
    expect(codeOf(resolve(target))).toBe('bad-path')
  })

  test('with a fragment is refused', () => {
    expect(codeOf(resolve('/openai/..#x'))).toBe('bad-request')
  })

  test.each(['/', '//', '//openai/x', '/openai%2fx', '/%6fpenai/', '/OPENAI/', '/openaix', '/?'])(
    '%s names no route',
    (target) => {
      expect(resolve(target)).toMatchObject({ status: 404, code: 'unknown-route' })
    },
  )

  test('that names no route is told which there are', () => {
    const target = resolve('/x')

    expect(target.ok ? '' : target.message).toContain('/openai/, /openai-two/')
  })

  property.prop([fc.webPath(), fc.webQueryParameters()])(
    'never leaves its base path for a URL parser, and else goes as it came',
    (rest, query) => {
      const target = resolve(`/openai${rest}?${query}`)
      if (!target.ok) return
      expect(new URL(target.path, 'https://a.example').pathname).toMatch(/^\/v1(?:\/|$)/u)
      if (rest !== '/') expect(target.path).toBe(`/v1${rest}?${query}`)
    },
  )

  property.prop([
    fc.array(fc.constantFrom('.', '/', '%2e', '%2E', '%2f', '\\', '%5C', ';', 'a', '?'), {
      maxLength: 12,
    }),
  ])('made of dots and slashes never leaves its base path, decoded or not', (parts) => {
    const target = resolve(`/openai/${parts.join('')}`)
    if (!target.ok) return
    const [path = ''] = target.path.split('?', 1)
    for (const read of [path, decodeURIComponent(path)]) {
      expect(new URL(`https://a.example${read}`).pathname).toMatch(/^\/v1(?:\/|$|;)/u)
    }
  })
})

describe('the fields', () => {
  test('keep their order and spelling, but for Host', () => {
    const target = resolve(
      '/openai/x',
      [
        ['X-A', '1'],
        ['hOST', 'localhost:8080'],
        ['x-a', '2'],
      ],
      'https://h.example:8443',
    )

    expect(target).toMatchObject({
      headers: [
        ['X-A', '1'],
        ['hOST', 'h.example:8443'],
        ['x-a', '2'],
      ],
    })
  })

  test.each([
    '127.0.0.1:8080',
    'localhost:8080',
    'LOCALHOST:8080',
    '[::1]:8080',
    '192.168.0.7:8080',
  ])('may name the listener as %s', (host) => {
    expect(codeOf(resolve('/openai/', [['Host', host]]))).toBe('ok')
  })

  test('may name the listener as it was given on the command line', () => {
    const routes = new Map([['o', parsed('o=https://a.example')]])
    const headers = [['Host', 'box.example:8080']] as const
    const line = { method: 'GET', target: '/o/', headers }

    expect(codeOf(resolveRoute(line, routes, { ...listener, host: 'box.example' }))).toBe('ok')
    expect(codeOf(resolveRoute(line, routes, listener))).toBe('misdirected-request')
  })

  test.each([
    '',
    '127.0.0.1',
    '127.0.0.1:80',
    '0.0.0.0:8080',
    '[::]:8080',
    'a.example:8080',
    'a b',
  ])('that name the host %j are misdirected', (host) => {
    expect(resolve('/openai/', [['Host', host]])).toMatchObject({ status: 421 })
  })

  test('with two hosts are refused', () => {
    const twice = [
      ['Host', 'localhost:8080'],
      ['host', 'localhost:8080'],
    ] as const
    expect(codeOf(resolve('/openai/', twice))).toBe('bad-request')
  })

  test.each([
    ['Origin', 'http://localhost:8080'],
    ['Origin', 'http://127.0.0.1:8080'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', 'none'],
    ['Referer', 'https://a.example/'],
  ])('may say %s: %s', (name, value) => {
    expect(codeOf(resolve('/openai/', [[name, value]]))).toBe('ok')
  })

  test.each([
    ['Origin', 'null'],
    ['Origin', ''],
    ['origin', 'https://a.example'],
    ['Origin', 'https://localhost:8080'],
    ['Origin', 'http://localhost:3000'],
    ['Origin', 'http://localhost:8080/'],
    ['Origin', 'http://localhost:8080 https://a.example'],
    ['Sec-Fetch-Site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
  ])('that say %s: %j come from a page of another site', (name, value) => {
    expect(resolve('/openai/', [[name, value]])).toMatchObject({
      status: 403,
      code: 'foreign-origin',
    })
  })
})

test.each(['TRACE', 'TRACK', 'CONNECT'])('%s is not forwarded', (method) => {
  const line = { method, target: '/openai/', headers: [] }

  expect(resolveRoute(line, new Map(), listener)).toMatchObject({ status: 405 })
})
