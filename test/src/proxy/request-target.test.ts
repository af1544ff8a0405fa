import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { Authority } from '../../../src/policy/authority.ts'
import { resolveIntercepted, resolvePlain } from '../../../src/proxy/request-target.ts'

const authority: Authority = { host: 'api.openai.com', port: 443, kind: 'name' }
const odd: Authority = { host: 'a.example', port: 8443, kind: 'name' }
const ipv6: Authority = { host: '::1', port: 443, kind: 'ipv6' }
const host = (value: string): [string, string] => ['Host', value]

function intercepted(
  target: string,
  hosts: readonly string[] = [authority.host],
  method = 'GET',
  to = authority,
): ReturnType<typeof resolveIntercepted> {
  return resolveIntercepted({ method, target, headers: hosts.map(host) }, to)
}

function plain(
  target: string,
  hosts: readonly string[] = [],
  method = 'GET',
): ReturnType<typeof resolvePlain> {
  return resolvePlain({ method, target, headers: hosts.map(host) })
}

describe('a request on an intercepted connection', () => {
  test.each([
    ['/', '/'],
    ['/v1/chat?x=%41&y#', '/v1/chat?x=%41&y#'],
    ['//evil.example/path', '//evil.example/path'],
    ['/v1/../admin', '/v1/../admin'],
    ['https://api.openai.com/v1', '/v1'],
    ['HTTPS://API.OPENAI.COM:443/v1?x', '/v1?x'],
    ['https://api.openai.com', '/'],
    ['https://api.openai.com?x=1', '/?x=1'],
  ])('to %j goes to the CONNECT authority with path %j', (target, path) => {
    expect(intercepted(target)).toEqual({
      ok: true,
      destination: { scheme: 'https', authority },
      path,
      headers: [['Host', 'api.openai.com']],
    })
  })

  test.each([
    ['https://evil.example/', 421],
    ['http://api.openai.com/', 421],
    ['https://api.openai.com:8443/', 421],
    ['https://api.openai.com@evil.example/', 421],
    ['https://evil.example@api.openai.com/', 421],
    [String.raw`https://api.openai.com\evil.example/`, 421],
    ['ftp://api.openai.com/', 400],
    ['https:///', 400],
    ['https:/api.openai.com/', 400],
    ['api.openai.com:443', 400],
    ['', 400],
    ['*', 400],
    ['https://api.openai.com/#fragment', 400],
  ])('to %j is refused with %i', (target, status) => {
    expect(intercepted(target)).toMatchObject({ ok: false, status })
  })

  test.each([
    [['evil.example'], 421],
    [['api.openai.com:8443'], 421],
    [['api.openai.com.evil.example'], 421],
    [['evilapi.openai.com'], 421],
    [[''], 421],
    [[':8080'], 421],
    [['api.openai.com:'], 421],
    [['api.openai.com:0443'], 421],
    [['api.openai.com:1:2'], 421],
    [['user@api.openai.com'], 421],
    [['api.openai.com, evil.example'], 421],
    [['api.openai.com', 'api.openai.com'], 400],
    [['api.openai.com', 'evil.example'], 400],
  ])('with Host %j is refused with %i', (hosts, status) => {
    expect(intercepted('/', hosts)).toMatchObject({ ok: false, status })
  })

  test.each([
    ['api.openai.com', 'api.openai.com'],
    ['api.openai.com:443', 'api.openai.com:443'],
    ['API.openai.com', 'api.openai.com'],
    ['api.openai.com.', 'api.openai.com'],
  ])('with Host %j is sent with Host %j', (sent, wanted) => {
    expect(intercepted('/', [sent])).toMatchObject({ headers: [['Host', wanted]] })
  })

  test('without Host gets one', () => {
    expect(intercepted('/', [])).toMatchObject({ ok: true, headers: [['Host', 'api.openai.com']] })
  })

  test('keeps the place and the spelling of its field lines', () => {
    const headers: Array<[string, string]> = [
      ['Accept', '*/*'],
      ['hOST', 'API.openai.com'],
      ['x-dup', '1'],
      ['X-Dup', '2'],
    ]

    expect(resolveIntercepted({ method: 'GET', target: '/', headers }, authority)).toMatchObject({
      headers: [
        ['Accept', '*/*'],
        ['hOST', 'api.openai.com'],
        ['x-dup', '1'],
        ['X-Dup', '2'],
      ],
    })
  })

  test('to a port that does not go without saying needs it in Host', () => {
    expect(intercepted('/', ['a.example:8443'], 'GET', odd)).toMatchObject({ ok: true })
    expect(intercepted('/', ['a.example'], 'GET', odd)).toMatchObject({ ok: false, status: 421 })
    expect(intercepted('/', [], 'GET', odd)).toMatchObject({
      headers: [['Host', 'a.example:8443']],
    })
  })

  test('to an IPv6 address is compared as an address', () => {
    expect(intercepted('/', ['[0:0::1]'], 'GET', ipv6)).toMatchObject({
      headers: [['Host', '[::1]']],
    })
  })

  test('may ask for the options of the server as a whole', () => {
    expect(intercepted('*', undefined, 'OPTIONS')).toMatchObject({ ok: true, path: '*' })
  })

  test.each([['TRACE'], ['TRACK'], ['CONNECT']])('by %s is refused with 405', (method) => {
    expect(intercepted('/', undefined, method)).toMatchObject({ ok: false, status: 405 })
  })

  property.prop([
    fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.stringMatching(/^https?:[a-z/@:.]*$/u)),
    fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.domain()), { maxLength: 2 }),
  ])('goes nowhere else, whatever its target and Host are', (target, hosts) => {
    const resolved = intercepted(target, hosts)
    if (!resolved.ok) return

    expect(resolved.destination).toEqual({ scheme: 'https', authority })
    expect(resolved.headers.filter(([name]) => name === 'Host').map(([, value]) => value)).toEqual([
      expect.stringMatching(/^api\.openai\.com(?::443)?$/u),
    ])
  })
})

describe('a request to the proxy itself', () => {
  test.each([
    ['http://a.example/', 'a.example', 80, '/'],
    ['HTTP://A.example/x', 'a.example', 80, '/x'],
    ['http://a.example', 'a.example', 80, '/'],
    ['http://a.example?x', 'a.example', 80, '/?x'],
    ['http://a.example:8080/p?q', 'a.example', 8080, '/p?q'],
    ['http://a.example.:80/', 'a.example', 80, '/'],
    ['http://[::1]:81/', '::1', 81, '/'],
    ['http://127.0.0.1/', '127.0.0.1', 80, '/'],
    ['http://a.example//b/../c', 'a.example', 80, '//b/../c'],
  ])('for %j goes to %s port %i with path %j', (target, name, port, path) => {
    expect(plain(target)).toMatchObject({
      ok: true,
      path,
      destination: { scheme: 'http', authority: { host: name, port } },
    })
  })

  test('has its Host replaced by that of its target', () => {
    expect(plain('http://a.example/', ['b.example'])).toMatchObject({
      headers: [['Host', 'a.example']],
    })
    expect(plain('http://a.example:81/', [''])).toMatchObject({
      headers: [['Host', 'a.example:81']],
    })
    expect(plain('http://a.example/')).toMatchObject({ headers: [['Host', 'a.example']] })
  })

  test.each([
    ['/', 'not-a-proxy-request'],
    ['/v1/models', 'not-a-proxy-request'],
    ['//evil/path', 'not-a-proxy-request'],
    ['*', 'not-a-proxy-request'],
    ['https://a.example/', 'https-needs-connect'],
    ['ftp://a.example/', 'bad-request'],
    ['file:///etc/passwd', 'bad-request'],
    ['gopher://a.example/', 'bad-request'],
    ['http:///', 'bad-request'],
    ['http://', 'bad-request'],
    ['http:a.example/', 'bad-request'],
    ['http://a.example/#x', 'bad-request'],
    ['a.example:80', 'bad-request'],
    ['', 'bad-request'],
    ['http://user:pass@a.example/', 'bad-authority'],
    ['http://a.example@b.example/', 'bad-authority'],
    ['http://:80/', 'bad-authority'],
    ['http://a.example:/', 'bad-authority'],
    ['http://a.example:0/', 'bad-authority'],
    ['http://a.example:99999/', 'bad-authority'],
    ['http://2130706433/', 'bad-authority'],
    ['http://a%2eexample/', 'bad-authority'],
    [String.raw`http://a.example\b/`, 'bad-authority'],
  ])('for %j is refused as %s', (target, code) => {
    expect(plain(target)).toMatchObject({ ok: false, status: 400, code })
  })

  test('never repeats the credentials of a URL in its refusal', () => {
    const refused = plain('http://user:hunter2@a.example/')

    expect(JSON.stringify(refused)).not.toContain('hunter2')
  })

  test('with two Host fields is refused', () => {
    expect(plain('http://a.example/', ['a.example', 'a.example'])).toMatchObject({ status: 400 })
  })

  test.each([['TRACE'], ['TRACK'], ['CONNECT']])('by %s is refused with 405', (method) => {
    expect(plain('http://a.example/', [], method)).toMatchObject({ ok: false, status: 405 })
  })

  property.prop([fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl())])(
    'never throws, and names one host in target, destination and Host',
    (target) => {
      const resolved = plain(target, ['other.example'])
      if (!resolved.ok) return

      const { host: name, port, kind } = resolved.destination.authority
      const text = kind === 'ipv6' ? `[${name}]` : name
      expect(resolved.headers).toEqual([['Host', port === 80 ? text : `${text}:${port}`]])
      expect(resolved.path).toMatch(/^\//u)
    },
  )
})
