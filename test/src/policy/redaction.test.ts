import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import {
  isCredentialExchange,
  redacted,
  redactHeaders,
  redactUrl,
  secretValuesOf,
} from '../../../src/policy/redaction.ts'

/** Listed apart from the code under test: what operators expect never to read in a capture. */
const secretHeaders = [
  'Authorization',
  'Proxy-Authorization',
  'Authentication',
  'X-Api-Key',
  'api-key',
  'ApiKey',
  'X-Goog-Api-Key',
  'X-Auth-Token',
  'X-Access-Token',
  'X-Session-Token',
  'X-CSRF-Token',
  'X-Subscription-Token',
  'X-Amz-Security-Token',
  'Bearer',
  'Token',
]
const secretParameters = [
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'api_key',
  'api-key',
  'apikey',
  'key',
  'secret',
  'client_secret',
  'password',
  'code',
  'state',
  'nonce',
  'sig',
  'signature',
  'auth',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
  'x-goog-api-key',
]

const canary = fc.stringMatching(/^CANARY[A-Za-z0-9+/.~=_-]{8,40}$/u)
/** A canary without `=` and `&`, which would end it in a query. */
const plainCanary = fc.stringMatching(/^CANARY[A-Za-z0-9.~_-]{8,40}$/u)

function anyCase(text: string): fc.Arbitrary<string> {
  return fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) =>
      Array.from(text, (letter, index) =>
        upper[index] === true ? letter.toUpperCase() : letter.toLowerCase(),
      ).join(''),
    )
}

const secretHeader = fc.constantFrom(...secretHeaders).chain(anyCase)
const secretParameter = fc.constantFrom(...secretParameters).chain(anyCase)

describe('header fields', () => {
  property.prop([secretHeader, fc.constantFrom('', 'Bearer ', 'basic ', 'Weird ', 'x='), canary])(
    'that carry a secret lose it, however their name is spelt',
    (name, prefix, secret) => {
      const out = redactHeaders([[name, `${prefix}${secret}`]])

      expect(JSON.stringify(out)).not.toContain(secret)
      expect(out[0]?.[0]).toBe(name)
      expect(out[0]?.[1]).toContain(redacted)
    },
  )

  property.prop([fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 30 })])(
    'keep their number, their order and their names',
    (pairs) => {
      const before = structuredClone(pairs)

      const out = redactHeaders(pairs)

      expect(out.map(([name]) => name)).toEqual(pairs.map(([name]) => name))
      expect(pairs).toEqual(before)
    },
  )

  property.prop([
    fc.constantFrom('content-type', 'accept', 'x-request-id', 'openai-organization', 'retry-after'),
    fc.string({ unit: 'binary' }),
  ])('without a secret stay as they are', (name, value) => {
    expect(redactHeaders([[name, value]])).toEqual([[name, value]])
  })

  test.each([
    ['Authorization', 'Bearer sk-1', 'Bearer [REDACTED]'],
    ['authorization', 'bearer sk-1', 'bearer [REDACTED]'],
    ['Authorization', 'Basic dTpw', 'Basic [REDACTED]'],
    ['Authorization', 'sk-1', '[REDACTED]'],
    ['Authorization', 'Bearer', '[REDACTED]'],
    ['Authorization', 'Mystery sk-1', '[REDACTED]'],
    [
      'Authorization',
      'AWS4-HMAC-SHA256 Credential=A/1, Signature=s',
      'AWS4-HMAC-SHA256 [REDACTED]',
    ],
    ['x-api-key', 'sk-ant-1', '[REDACTED]'],
    [
      'Sec-WebSocket-Protocol',
      'realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1',
      'realtime, openai-insecure-api-key.[REDACTED], openai-beta.realtime-v1',
    ],
    [
      'Location',
      'https://u:p@a.example/cb?code=c&x=1',
      'https://[REDACTED]@a.example/cb?code=[REDACTED]&x=1',
    ],
    ['Referer', '/p?api_key=k', '/p?api_key=[REDACTED]'],
  ])('%s: %s shows as %s', (name, value, wanted) => {
    expect(redactHeaders([[name, value]])).toEqual([[name, wanted]])
  })
})

test('heads that were redacted are known again, copies of them with more in them are not', () => {
  const safe = redactHeaders([['Authorization', 'Bearer secret']])
  const more = [...safe, ['X-Api-Key', 'secret'] as const]

  expect(redactHeaders(safe)).toBe(safe)
  expect(redactHeaders(more)).toEqual([...safe, ['X-Api-Key', redacted]])
})

describe('cookies', () => {
  property.prop([
    fc.constantFrom('Cookie', 'set-cookie'),
    fc.constantFrom('sid', '__Host-id', 'path', 'secure', 'domain', 'secure-session', 'path.token'),
    plainCanary,
    fc.constantFrom('', '; theme=dark', '; Path=/', ';a=b;c'),
  ])('never show a value', (field, name, secret, rest) => {
    const out = redactHeaders([
      [field, `${name}=${secret}${rest}`],
      [field, secret],
    ])

    expect(JSON.stringify(out)).not.toContain(secret)
  })

  property.prop([
    fc.constantFrom('path', 'domain', 'expires', 'max-age', 'samesite', 'secure', 'priority'),
    fc.constantFrom('', '-x', '.x', '_x', ' x'),
    plainCanary,
  ])('of a request have no attributes: every later value goes too', (name, suffix, secret) => {
    const out = redactHeaders([['Cookie', `a=1; ${name}${suffix}=${secret}; ${secret}`]])

    expect(JSON.stringify(out)).not.toContain(secret)
  })

  test.each([
    [
      'Set-Cookie',
      'sid=abc; Path=/; HttpOnly; Max-Age=5; SameSite=Lax; odd=x',
      'sid=[REDACTED]; Path=/; HttpOnly; Max-Age=5; SameSite=Lax; odd=[REDACTED]',
    ],
    ['Set-Cookie', 'a=1; Path=/, b=2', 'a=[REDACTED]; Path=[REDACTED]'],
    ['Cookie', 'a=1; b=2', 'a=[REDACTED]; b=[REDACTED]'],
    ['Set-Cookie', 'a=1; secure-token=2', 'a=[REDACTED]; secure-token=[REDACTED]'],
  ])('%s: %s shows as %s', (name, value, wanted) => {
    expect(redactHeaders([[name, value]])).toEqual([[name, wanted]])
  })
})

describe('a URL', () => {
  property.prop([
    secretParameter,
    plainCanary,
    fc.constantFrom('', 'https://a.example', 'http://[::1]:8080', 'HTTPS://a.example/v1'),
    fc.constantFrom('', 'a=1&', '&', 'b&c=&'),
    fc.constantFrom('', '&z=2', '#end', '&z=2#x=1'),
  ])(
    'loses the value of a secret parameter, wherever it stands',
    (name, secret, base, before, after) => {
      const out = redactUrl(`${base}/p?${before}${name}=${secret}${after}`)

      expect(out).not.toContain(secret)
      expect(out).toContain(`${before}${name}=${redacted}`)
    },
  )

  property.prop([
    secretParameter,
    plainCanary,
    fc.constantFrom('/cb', '/cb?x=1', 'https://a.example/'),
  ])('loses a secret in its fragment too, where OAuth puts tokens', (name, secret, base) => {
    expect(redactUrl(`${base}#a=1&${name}=${secret}`)).not.toContain(secret)
  })

  property.prop([
    plainCanary,
    fc.constantFrom('https://', 'http://', 'WSS://', '//'),
    fc.constantFrom('', ':', 'x@', 'u:', ':@'),
  ])('loses its userinfo, even with a second @ in it', (secret, scheme, before) => {
    const out = redactUrl(`${scheme}${before}${secret}@a.example/p?x=1`)

    expect(out).toBe(`${scheme}${redacted}@a.example/p?x=1`)
  })

  property.prop([fc.webUrl({ withQueryParameters: false, withFragments: true })])(
    'without secrets stays as it is',
    (url) => {
      fc.pre(!/[#&](?:[^=&]*)=/u.test(url))
      expect(redactUrl(url)).toBe(url)
    },
  )

  property.prop([fc.string({ unit: 'binary' })])('that is no URL at all never throws', (text) => {
    expect(typeof redactUrl(text)).toBe('string')
  })

  test.each([
    ['/v1/models', '/v1/models'],
    ['/v1?model=gpt&Key=k', '/v1?model=gpt&Key=[REDACTED]'],
    ['/v1?%6bey=k', '/v1?%6bey=[REDACTED]'],
    ['/v1?api%5Fkey=k', '/v1?api%5Fkey=[REDACTED]'],
    ['/v1?%zz=k', '/v1?%zz=k'],
    ['/v1?key', '/v1?key'],
    ['/v1?key=a=b', '/v1?key=[REDACTED]'],
    ['/v1?q=user@example.com', '/v1?q=user@example.com'],
    ['https://a.example/@scope/x', 'https://a.example/@scope/x'],
    ['*', '*'],
  ])('%s shows as %s', (url, wanted) => {
    expect(redactUrl(url)).toBe(wanted)
  })
})

describe('an opaque token', () => {
  const run = 'aB3_'.repeat(12)
  const tokens = [
    `porthole:v1:${run}`,
    `porthole%3Av1%3a${run}`,
    `starpod:v1:${'aB3/'.repeat(12)}aB==`,
    `starpod%3Av1%3A${'aB3%2F'.repeat(12)}aB%3D%3d`,
  ]

  test.each(tokens)('is hidden in any field, in the path and in the query: %s', (token) => {
    expect(redactHeaders([['X-Any', `before ${token}, after`]])).toEqual([
      ['X-Any', 'before [REDACTED], after'],
    ])
    expect(redactUrl(`https://a.example/x?b=${token}&c=1`)).toBe(
      'https://a.example/x?b=[REDACTED]&c=1',
    )
    expect(redactUrl(`https://a.example/${token}?c=1`)).toBe('https://a.example/[REDACTED]?c=1')
  })

  test('is none where it is too short', () => {
    const value = `porthole:v1:${run.slice(1)}. starpod:v1:${run.slice(20)}`

    expect(redactHeaders([['X-Any', value]])).toEqual([['X-Any', value]])
  })
})

describe('an exchange with a token endpoint', () => {
  test.each([
    ['auth.openai.com', '/oauth/token', true],
    ['oauth2.googleapis.com', '/token', true],
    ['oauth2.googleapis.com', '/token?x=1', true],
    ['platform.claude.com', '/v1/oauth/token', true],
    ['platform.claude.com', '/v1/oauth/hello', true],
    ['api.github.com', '/copilot_internal/v2/token', true],
    ['a.example', '/oauth2/v2/token', true],
    ['a.example', '/oauth/revoke', true],
    ['a.example', '/oauth2/introspect', true],
    ['api.openai.com', '/v1/chat/completions', false],
    ['api.anthropic.com', '/v1/messages/count_tokens', false],
    ['a.example', '/v1/tokens', false],
    ['a.example', '/tokenize', false],
    ['a.example', '/search?next=/oauth/token', false],
    ['a.example', '/oauth/token/docs', false],
    ['constructor', '/oauth/x', false],
  ])('%s%s: %s', (host, path, isOne) => {
    expect(isCredentialExchange(host, path)).toBe(isOne)
  })
})

describe('the credentials of a request', () => {
  const base64 = (value: string): string => Buffer.from(value).toString('base64')

  test.each([
    ['a bearer token', [['Authorization', 'Bearer tok-1234567']], '/', 'tok-1234567'],
    ['a key of its own header', [['X-Api-Key', 'key+1234567']], '/', 'key%2B1234567'],
    ['a password', [['Authorization', `Basic ${base64('jo:hunter22')}`]], '/', 'hunter22'],
    [
      'a key among subprotocols',
      [['Sec-WebSocket-Protocol', 'realtime, openai-insecure-api-key.sk-12345678']],
      '/',
      'sk-12345678',
    ],
    ['a key in the query', [], '/v1?alt=sse&key=AIza1234567', 'AIza1234567'],
    ['a token in base64', [['Authorization', 'Bearer tok-1234567']], '/', 'dG9rLTEyMzQ1Njc'],
  ] as const)('are known by their values: %s', (_what, headers, path, value) => {
    expect(secretValuesOf(headers, path)).toContain(value)
  })

  test('are not taken from what is too short or no credential', () => {
    expect(secretValuesOf([['Authorization', 'Bearer x']], '/?key=1')).toEqual([])
    expect(secretValuesOf([['User-Agent', 'something-long']], '/?model=something-long')).toEqual([])
  })
})
