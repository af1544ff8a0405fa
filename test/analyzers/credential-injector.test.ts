import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import type { StaticCredential } from '../../analyzers/credential-injector.ts'
import type { AnalysisMsgDraft, HeaderPairs } from '../../src/messages/schema.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import { createHeaderList } from '../../src/proxy/http-messages.ts'

const credential: StaticCredential = {
  id: 'openai-key',
  host: 'api.openai.com',
  header: 'Authorization',
  format: 'Bearer {}',
  value: 'sk-CANARY-1',
}

interface Sent {
  readonly headers: HeaderPairs
  readonly told: readonly AnalysisMsgDraft[]
}

function send(
  credentials: readonly StaticCredential[],
  over: Partial<Pick<OutgoingRequest, 'scheme' | 'host' | 'port' | 'method'>> = {},
  headers: HeaderPairs = [['Host', 'api.openai.com']],
): Sent {
  const told: AnalysisMsgDraft[] = []
  const list = createHeaderList(headers)
  void new CredentialInjector(credentials).onRequest({
    connectionId: 'c1',
    exchangeId: 'x1',
    scheme: 'https',
    host: 'api.openai.com',
    port: 443,
    method: 'POST',
    path: '/v1',
    headers: list,
    readBody: () => Promise.resolve(Buffer.alloc(0)),
    emit: (draft) => told.push(draft),
    conceal: () => {},
    ...over,
  })
  return { headers: list.pairs(), told }
}

describe('a credential', () => {
  test('is put into a request for its host, and told by its id alone', () => {
    const { headers, told } = send([credential])

    expect(headers).toEqual([
      ['Host', 'api.openai.com'],
      ['Authorization', 'Bearer sk-CANARY-1'],
    ])
    expect(told).toEqual([
      {
        kind: 'credential-injected',
        by: 'credential-injector',
        secretId: 'openai-key',
        mode: 'header',
        location: 'authorization',
      },
    ])
  })

  test('replaces every value that the client sent in its field', () => {
    const { headers } = send([credential], {}, [
      ['authorization', 'Bearer mine'],
      ['X-Other', '1'],
      ['AUTHORIZATION', 'Bearer mine too'],
      ['Authorization', ''],
    ])

    expect(headers).toEqual([
      ['authorization', 'Bearer sk-CANARY-1'],
      ['X-Other', '1'],
    ])
  })

  test.each([
    ['plain http', { scheme: 'http' }],
    ['plain http on 443', { scheme: 'http', port: 443 }],
    ['another port', { port: 8443 }],
    ['another host', { host: 'evil.example' }],
    ['a host below', { host: 'x.api.openai.com' }],
    ['a host that ends alike', { host: 'evilapi.openai.com' }],
    ['a host that begins alike', { host: 'api.openai.com.evil.example' }],
  ] as const)('is not put into a request for %s', (_what, over) => {
    const before: HeaderPairs = [['Authorization', 'Bearer mine']]

    const { headers, told } = send([credential], over, before)

    expect(headers).toEqual(before)
    expect(told).toEqual([])
  })

  test('for a wildcard or a port is bound to those', () => {
    const wide = { ...credential, host: '*.openai.azure.com:8443' }

    expect(send([wide], { host: 'a.openai.azure.com', port: 8443 }).told).toHaveLength(1)
    expect(send([wide], { host: 'a.openai.azure.com' }).told).toHaveLength(0)
    expect(send([wide], { host: 'openai.azure.com', port: 8443 }).told).toHaveLength(0)
  })

  test('keeps characters that mean something in a replacement pattern', () => {
    const { headers } = send([{ ...credential, format: '{}', value: 'a$&b$1$$' }])

    expect(headers).toContainEqual(['Authorization', 'a$&b$1$$'])
  })

  test('may stand beside others for the same request', () => {
    const second = { ...credential, id: 'org', header: 'OpenAI-Organization', format: '{}' }

    const { headers, told } = send([credential, second])

    expect(headers.map(([name]) => name)).toEqual(['Host', 'Authorization', 'OpenAI-Organization'])
    expect(told).toMatchObject([{ secretId: 'openai-key' }, { secretId: 'org' }])
  })
})

describe('a value', () => {
  test.each([
    [''],
    ['sk-1\r\nX-Evil: 1'],
    ['sk-1\n'],
    ['sk-1\r'],
    ['sk\u00001'],
    ['sk\u007f1'],
    ['sk-é'],
    ['sk-\u2028'],
  ])('%j is refused without being repeated', (value) => {
    let refused: unknown
    try {
      refused = new CredentialInjector([{ ...credential, value }])
    } catch (error) {
      refused = error
    }

    expect(refused).toMatchObject({ code: 'ERR_CREDENTIAL_INVALID' })
    if (value !== '') expect(String(refused)).not.toContain(value)
  })

  test('is refused in a format that would break the field', () => {
    const format = 'Bearer {}\r\nX-Evil: 1'

    expect(() => new CredentialInjector([{ ...credential, format }])).toThrow(
      expect.objectContaining({ code: 'ERR_CREDENTIAL_INVALID' }),
    )
  })

  property.prop([
    fc.stringMatching(/^[!-~]{8,60}$/u),
    fc.constantFrom('{}', 'Bearer {}', 'k={};{}'),
  ])('never stands in a message', (value, format) => {
    // The id and the location are words of their own.
    fc.pre(!'credential-injected credential-injector openai-key authorization'.includes(value))

    const { headers, told } = send([{ ...credential, value, format }])

    expect(JSON.stringify(headers)).toContain(JSON.stringify(value).slice(1, -1))
    expect(JSON.stringify(told)).not.toContain(JSON.stringify(value).slice(1, -1))
  })
})

test('a host that is no pattern is refused', () => {
  expect(() => new CredentialInjector([{ ...credential, host: '*' }])).toThrow(
    expect.objectContaining({ code: 'ERR_HOST_PATTERN' }),
  )
})
