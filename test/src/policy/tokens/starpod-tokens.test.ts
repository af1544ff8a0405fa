import { createCipheriv, randomBytes } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import { StarpodTokens } from '../../../../src/policy/tokens/starpod-tokens.ts'
import type { TokenRequest, TokenVerdict } from '../../../../src/policy/tokens/token-source.ts'

const key = Buffer.alloc(32, 5)
const value = 'CANARY-0123456789'

function sealed(content: unknown, under = key): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', under, nonce)
  const parts = [cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]
  const all = Buffer.concat([nonce, ...parts, cipher.getAuthTag()])
  return `starpod:v1:${all.toString('base64')}`
}

const request: TokenRequest = {
  agent: 'ci',
  scheme: 'https',
  host: 'api.github.com',
  port: 443,
  path: '/',
}
const verdictOf = (token: string, over: Partial<TokenRequest> = {}): TokenVerdict =>
  new StarpodTokens(key.toString('base64')).lookup({ ...request, ...over }).find('starpod', token)

async function valueOf(token: string, over: Partial<TokenRequest> = {}): Promise<string> {
  const verdict = verdictOf(token, over)
  return verdict.decision === 'replace' ? verdict.reveal() : verdict.decision
}

describe('a sealed token', () => {
  test('becomes its value for its hosts, and is taken out for others', async () => {
    const token = sealed({ v: value, h: ['*.github.com', 'github.com:8443'] })

    expect(await valueOf(token)).toBe(value)
    expect(await valueOf(token, { host: 'x.api.github.com' })).toBe(value)
    expect(await valueOf(token, { host: 'github.com', port: 8443 })).toBe(value)
    expect(verdictOf(token, { host: 'github.com' })).toMatchObject({ reason: 'host' })
    expect(verdictOf(token, { host: 'api.github.com.evil.example' })).toMatchObject({
      decision: 'strip',
    })
    expect(verdictOf(token, { port: 8443 })).toMatchObject({ decision: 'strip' })
  })

  test('without hosts is for every host, but over plain HTTP for this machine alone', async () => {
    const token = sealed({ v: value, h: [] })

    expect(await valueOf(token, { host: 'any.example' })).toBe(value)
    expect(await valueOf(token, { scheme: 'http', host: '127.0.0.1', port: 80 })).toBe(value)
    expect(verdictOf(token, { scheme: 'http' })).toMatchObject({ reason: 'plain-http' })
  })

  test('whose patterns are none is for no host', () => {
    expect(verdictOf(sealed({ v: value, h: ['*', 7, ''] }))).toMatchObject({ decision: 'strip' })
  })

  const whole = sealed({ v: value, h: [] })
  const bad: ReadonlyArray<readonly [string, string]> = [
    ['of another key', sealed({ v: value, h: [] }, Buffer.alloc(32, 6))],
    ['with a bit changed', whole.replace(/A|B|C|D|E|F|G|H/u, 'z')],
    ['cut', whole.slice(0, -4)],
    ['of the length of a nonce and a tag less one', `starpod:v1:${'A'.repeat(36)}`],
    ['that holds a list', sealed([value])],
    ['that holds nothing', sealed(null)],
    ['without hosts at all', sealed({ v: value })],
    ['whose value is a number', sealed({ v: 7, h: [] })],
  ]
  test.each(bad)('%s is unknown', (_what, token) => {
    expect(verdictOf(token)).toEqual({ decision: 'unknown' })
  })

  test('of the other kind is unknown', () => {
    const tokens = new StarpodTokens(key.toString('hex')).lookup(request)

    expect(tokens.find('porthole', whole)).toEqual({ decision: 'unknown' })
    expect(tokens.find('starpod', whole)).toMatchObject({ decision: 'replace' })
  })
})

test.each(['', 'short', key.toString('hex').slice(1), `${key.toString('base64')}AAAA`])(
  'the key %j is refused without being repeated',
  (text) => {
    expect(() => new StarpodTokens(text)).toThrow(
      expect.objectContaining({
        code: 'ERR_TOKEN_KEY',
        message: expect.not.stringContaining('short') as string,
      }),
    )
  },
)
