import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import type { Authority } from '../../../src/policy/authority.ts'
import {
  formatAuthority,
  parseAuthority,
  parseHost,
  sameAuthority,
} from '../../../src/policy/authority.ts'

const long = 'a'.repeat(63)
const longest = `${long}.${long}.${long}.${'b'.repeat(61)}`

describe('an authority', () => {
  test.each<[string, Authority]>([
    ['api.openai.com:443', { host: 'api.openai.com', port: 443, kind: 'name' }],
    ['API.OPENAI.COM:443', { host: 'api.openai.com', port: 443, kind: 'name' }],
    ['api.openai.com.:443', { host: 'api.openai.com', port: 443, kind: 'name' }],
    ['api.openai.com:8443', { host: 'api.openai.com', port: 8443, kind: 'name' }],
    ['localhost:1', { host: 'localhost', port: 1, kind: 'name' }],
    ['a:65535', { host: 'a', port: 65_535, kind: 'name' }],
    ['xn--bcher-kva.example:443', { host: 'xn--bcher-kva.example', port: 443, kind: 'name' }],
    ['under_score.example:443', { host: 'under_score.example', port: 443, kind: 'name' }],
    ['_a.b:443', { host: '_a.b', port: 443, kind: 'name' }],
    ['1password.com:443', { host: '1password.com', port: 443, kind: 'name' }],
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80, kind: 'ipv4' }],
    ['127.0.0.1.:80', { host: '127.0.0.1', port: 80, kind: 'ipv4' }],
    ['[::1]:443', { host: '::1', port: 443, kind: 'ipv6' }],
    ['[0:0:0:0:0:0:0:1]:443', { host: '::1', port: 443, kind: 'ipv6' }],
    ['[2001:DB8::A]:443', { host: '2001:db8::a', port: 443, kind: 'ipv6' }],
    ['[::ffff:169.254.169.254]:80', { host: '::ffff:169.254.169.254', port: 80, kind: 'ipv6' }],
    ['[::ffff:a9fe:a9fe]:80', { host: '::ffff:169.254.169.254', port: 80, kind: 'ipv6' }],
    [`${longest}:443`, { host: longest, port: 443, kind: 'name' }],
    ['constructor:443', { host: 'constructor', port: 443, kind: 'name' }],
  ])('%j is read as %j', (text, authority) => {
    expect(parseAuthority(text)).toEqual({ ok: true, authority })
  })

  test.each([
    // Ports that are none, or that two parsers would read differently.
    ['a'],
    ['a:'],
    ['a:0'],
    ['a:abc'],
    ['a:0443'],
    ['a:+443'],
    ['a:-1'],
    ['a: 443'],
    ['a:443 '],
    ['a:4e2'],
    ['a:0x1bb'],
    ['a:65536'],
    ['a:99999'],
    ['a:999999'],
    ['a:1:2'],
    ['a:443\n'],
    ['a:４４３'],
    // No host.
    [''],
    [':'],
    [':443'],
    [':8080'],
    ['.:443'],
    ['..:443'],
    // Userinfo, URL characters and other tricks.
    ['user@allowed:443'],
    ['user@allowed@evil:443'],
    ['allowed:80@evil:443'],
    ['allowed:80@evil'],
    ['allowed#.evil:443'],
    ['evil?allowed:443'],
    ['allowed/evil:443'],
    [String.raw`allowed\.evil:443`],
    ['allowed%2eevil:443'],
    ['api.openai.com%00.evil:443'],
    ['api.openai.com\u0000.evil:443'],
    ['allowed;b:443'],
    ['allowed,b:443'],
    ['allowed b:443'],
    [' allowed:443'],
    ['\tallowed:443'],
    ['allowed\r\nX: y:443'],
    ['http://allowed:443'],
    ['*.allowed:443'],
    ['$(id):443'],
    // Names that are no host names.
    ['a..b:443'],
    ['.a:443'],
    ['a.b..:443'],
    ['-a.b:443'],
    ['a-.b:443'],
    ['xn--:443'],
    [`${long}a:443`],
    [`${longest}b:443`],
    ['bücher.example:443'],
    ['аpi.openai.com:443'],
    ['api。openai。com:443'],
    ['api.openai.\u212aom:443'],
    ['\u212a:443'],
    ['\u017f:443'],
    ['a\u00adb:443'],
    // Numbers that some resolvers take for addresses.
    ['2130706433:80'],
    ['0x7f000001:80'],
    ['0x7f.1:80'],
    ['127.1:80'],
    ['127.0.0.01:80'],
    ['127.0.0.1.1:80'],
    ['0:80'],
    ['017700000001:80'],
    ['256.0.0.1:80'],
    ['1.2.3.4.5:80'],
    ['a.0x:80'],
    ['a.1:80'],
    // Brackets.
    ['::1:443'],
    ['[::1:443'],
    ['::1]:443'],
    ['[::1]443'],
    ['[::1]'],
    ['[]:443'],
    ['[127.0.0.1]:443'],
    ['[allowed]:443'],
    ['[fe80::1%25eth0]:443'],
    ['[fe80::1%eth0]:443'],
    ['[::1]x:443'],
    ['x[::1]:443'],
    ['[[::1]]:443'],
    ['[v1.a]:443'],
  ])('%j is refused', (text) => {
    expect(parseAuthority(text)).toMatchObject({ ok: false })
  })

  test('takes the default port only where none is given', () => {
    expect(parseAuthority('a', 80)).toMatchObject({ authority: { port: 80 } })
    expect(parseAuthority('[::1]', 80)).toMatchObject({ authority: { host: '::1', port: 80 } })
    expect(parseAuthority('a:81', 80)).toMatchObject({ authority: { port: 81 } })
    expect(parseAuthority('a:', 80)).toMatchObject({ ok: false })
    expect(parseAuthority('a')).toEqual({ ok: false, problem: 'the port is missing' })
  })

  test('is named with or without a port that goes without saying', () => {
    const ipv6: Authority = { host: '::1', port: 443, kind: 'ipv6' }

    expect(formatAuthority(ipv6)).toBe('[::1]:443')
    expect(formatAuthority(ipv6, 443)).toBe('[::1]')
    expect(formatAuthority({ host: 'a', port: 80, kind: 'name' }, 443)).toBe('a:80')
  })

  test('is the same only with both host and port', () => {
    const a: Authority = { host: 'a', port: 1, kind: 'name' }

    expect(sameAuthority(a, { ...a })).toBe(true)
    expect(sameAuthority(a, { ...a, port: 2 })).toBe(false)
    expect(sameAuthority(a, { ...a, host: 'b' })).toBe(false)
  })
})

const label = fc.stringMatching(/^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,10}[A-Za-z0-9_])?$/u)
const name = fc
  .tuple(fc.array(label, { maxLength: 4 }), fc.stringMatching(/^[A-Za-z]{2,8}$/u))
  .map(([labels, last]) => [...labels, last].join('.'))
const host = fc.oneof(
  name,
  name.map((text) => `${text}.`),
  fc.ipV4(),
  fc.ipV6().map((text) => `[${text}]`),
)
const port = fc.integer({ min: 1, max: 65_535 })
/** Text near enough to authorities that some of it is accepted. */
const near = fc.oneof(
  fc.tuple(host, port).map(([first, second]) => `${first}:${second}`),
  fc.stringMatching(/^[a-z0-9.:@%[\]#?/\\_-]{0,24}$/u),
  fc.stringMatching(/^[a-z0-9.x-]{1,20}:[0-9]{1,6}$/u),
  fc.string({ unit: 'binary', maxLength: 30 }),
)

describe('any text', () => {
  property.prop([near])('is refused or read to a canonical authority', (text) => {
    const parsed = parseAuthority(text, 443)
    if (!parsed.ok) return
    const { authority } = parsed

    const again = parseAuthority(formatAuthority(authority))

    expect(again).toEqual(parsed)
    expect(text).toMatch(/^[\x21-\x7e]+$/u)
    expect(authority.host).toMatch(/^[a-z0-9_.:-]+$/u)
    expect(authority.host).not.toMatch(/\.$/u)
    expect(authority.port).toBeGreaterThan(0)
    expect(authority.port).toBeLessThan(65_536)
  })

  property.prop([near])('that is accepted names the same host to a URL parser', (text) => {
    const parsed = parseAuthority(text, 443)
    if (!parsed.ok) return
    const url = `http://${formatAuthority(parsed.authority)}/`
    // Some names are valid DNS but no valid IDNA (`xn--` with bad punycode): URL refuses them.
    if (!URL.canParse(url)) return

    const { hostname, username, password, pathname } = new URL(url)

    expect(parseHost(hostname)).toEqual({
      ok: true,
      host: parsed.authority.host,
      kind: parsed.authority.kind,
    })
    expect([username, password, pathname]).toEqual(['', '', '/'])
  })

  property.prop([host, port])('that is a well-formed authority is accepted', (given, number) => {
    expect(parseAuthority(`${given}:${number}`)).toMatchObject({
      ok: true,
      authority: { port: number },
    })
  })

  property.prop([fc.ipV6()])('that spells one IPv6 address gives one host', (address) => {
    const spellings = [
      `[${address}]`,
      `[${address.toUpperCase()}]`,
      new URL(`http://[${address}]`).hostname,
    ]

    const hosts = spellings.map((text) => parseHost(text))

    expect(hosts.every((each) => each.ok)).toBe(true)
    expect(new Set(hosts.map((each) => (each.ok ? each.host : ''))).size).toBe(1)
  })
})
