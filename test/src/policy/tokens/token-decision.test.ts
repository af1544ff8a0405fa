import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { parseHostPattern } from '../../../../src/policy/host-pattern.ts'
import {
  decideToken,
  firstOutside,
  isSafeWay,
} from '../../../../src/policy/tokens/token-decision.ts'
import type { TokenFacts } from '../../../../src/policy/tokens/token-decision.ts'
import type { TokenRequest } from '../../../../src/policy/tokens/token-source.ts'

const patterns = ['a.example', '*.a.example', 'b.a.example', 'a.example:8443', '127.0.0.1:80']
const hosts = ['a.example', 'b.a.example', 'c.b.a.example', 'xa.example', '127.0.0.1', '::1']

const someHosts = fc.subarray(patterns)
const facts = fc.record({
  hosts: someHosts,
  secretHosts: someHosts,
  path: fc.constantFrom(undefined, '/v1/*', '/v1/x'),
  agent: fc.constantFrom(undefined, 'ci', 'dev'),
  isGranted: fc.boolean(),
  expiresAt: fc.constantFrom(undefined, 999, 1000, 1001),
})
const request = fc.record({
  agent: fc.constantFrom(undefined, 'ci', 'dev'),
  scheme: fc.constantFrom('http' as const, 'https' as const),
  host: fc.constantFrom(...hosts),
  port: fc.constantFrom(443, 80, 8443),
  path: fc.constantFrom('/v1/x', '/v1/y?z', '/v1/../x', '/'),
})

/** By the letters of what patterns are said to mean. */
function reaches(texts: readonly string[], { host, port }: TokenRequest): boolean {
  return texts.some((text) => {
    const [name = '', named] = text.split(':')
    if (port !== Number(named ?? 443)) return false
    return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name
  })
}

property.prop([facts, request])(
  'a token is replaced where all of its conditions hold, and nowhere else',
  (given, asked) => {
    const path = asked.path.split('?')[0] ?? ''
    const inPath =
      given.path === undefined ||
      (given.path === '/v1/*' ? /^\/v1\/[xy]$/u.test(path) : path === '/v1/x')
    const wanted =
      given.isGranted &&
      asked.agent !== undefined &&
      (given.agent === undefined || given.agent === asked.agent) &&
      (given.expiresAt === undefined || given.expiresAt > 1000) &&
      reaches(given.hosts, asked) &&
      reaches(given.secretHosts, asked) &&
      (asked.scheme === 'https' || asked.host === '127.0.0.1' || asked.host === '::1') &&
      inPath
    const parsed: TokenFacts = {
      ...given,
      hosts: given.hosts.map(parseHostPattern),
      secretHosts: given.secretHosts.map(parseHostPattern),
    }

    expect(decideToken(parsed, asked, 1000) === 'replace').toBe(wanted)
  },
)

describe('a token that is not replaced', () => {
  const good: TokenFacts = {
    hosts: [parseHostPattern('a.example')],
    secretHosts: [parseHostPattern('a.example')],
    path: undefined,
    agent: undefined,
    isGranted: true,
    expiresAt: undefined,
  }
  const asked: TokenRequest = {
    agent: 'ci',
    scheme: 'https',
    host: 'a.example',
    port: 443,
    path: '/',
  }
  const cases: ReadonlyArray<readonly [string, Partial<TokenFacts>, Partial<TokenRequest>]> = [
    ['agent', { isGranted: false }, {}],
    ['agent', { agent: 'dev' }, {}],
    ['agent', {}, { agent: undefined }],
    ['expired', { expiresAt: 5 }, {}],
    ['host', {}, { host: 'evil.example' }],
    ['host', {}, { port: 8443 }],
    ['host', { secretHosts: [parseHostPattern('b.example')] }, {}],
    ['host', {}, { scheme: 'http', port: 80 }],
    ['plain-http', {}, { scheme: 'http' }],
    ['path', { path: '/v1/*' }, {}],
  ]
  test.each(cases)('says why: %s', (reason, over, request) => {
    expect(decideToken({ ...good, ...over }, { ...asked, ...request }, 5)).toBe(reason)
  })

  test('is one of a request that goes in the clear beyond this machine', () => {
    const ways = ['a.example', '10.0.0.1', '128.0.0.1', '127.example', 'localhost.example', '::2']

    expect(ways.filter((host) => isSafeWay({ scheme: 'http', host }))).toEqual([])
    expect(isSafeWay({ scheme: 'http', host: 'localhost' })).toBe(true)
    expect(isSafeWay({ scheme: 'https', host: 'a.example' })).toBe(true)
  })
})

describe('hosts of a token', () => {
  const outside = (inner: string[], outer: string[]): string | undefined =>
    firstOutside(inner.map(parseHostPattern), outer.map(parseHostPattern))?.text

  test('lie within those of its secret, or are named', () => {
    expect(outside(['a.example'], ['a.example:443'])).toBeUndefined()
    expect(outside(['b.a.example', '*.b.a.example'], ['*.a.example'])).toBeUndefined()
    expect(outside(['*.a.example'], ['*.a.example'])).toBeUndefined()
    expect(outside(['a.example', 'a.example:8443'], ['a.example'])).toBe('a.example:8443')
    expect(outside(['a.example'], ['*.a.example'])).toBe('a.example')
    expect(outside(['*.a.example'], ['a.example', 'b.a.example'])).toBe('*.a.example')
    expect(outside(['xa.example'], ['*.a.example', 'a.example'])).toBe('xa.example')
  })

  property.prop([fc.constantFrom(...patterns), someHosts, request])(
    'that are found within reach nothing that those of the secret do not',
    (inner, outer, asked) => {
      fc.pre(outside([inner], outer) === undefined)
      fc.pre(reaches([inner], asked))

      expect(reaches(outer, asked)).toBe(true)
    },
  )
})
