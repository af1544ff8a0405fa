import { afterEach, describe, expect, test } from 'vitest'

import { defaultBounds } from '../../../src/config/bounds.ts'
import type { Authority } from '../../../src/policy/authority.ts'
import { UpstreamConnector } from '../../../src/proxy/upstream-connector.ts'

const target: Authority = { host: 'api.openai.com', port: 443, kind: 'name' }
const elsewhere: Authority = { host: '127.0.0.1', port: 9443, kind: 'ipv4' }
const opened: UpstreamConnector[] = []

afterEach(() => {
  for (const connector of opened.splice(0)) connector.close()
})

function connector(
  connectTo: ConstructorParameters<typeof UpstreamConnector>[0]['connectTo'] = [],
): UpstreamConnector {
  const made = new UpstreamConnector({
    connectTo,
    extraRoots: [],
    bounds: { ...defaultBounds, connectTimeoutMs: 1000 },
    allowPrivate: false,
    parent: undefined,
  })
  opened.push(made)
  return made
}

describe('options of a connection', () => {
  test('dial, name and verify the one authority', () => {
    const options = connector().connectionOptions({ scheme: 'https', authority: target })

    expect(options).toMatchObject({
      host: 'api.openai.com',
      port: 443,
      servername: 'api.openai.com',
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
    })
  })

  test('dial the address of connect-to, but name and verify the authority', () => {
    const options = connector([{ from: target, to: elsewhere }]).connectionOptions({
      scheme: 'https',
      authority: target,
    })

    expect(options).toMatchObject({
      host: '127.0.0.1',
      port: 9443,
      servername: 'api.openai.com',
    })
  })

  test('leave other ports and hosts alone when one is redirected', () => {
    const made = connector([{ from: target, to: elsewhere }])

    for (const authority of [
      { ...target, port: 8443 },
      { ...target, host: 'b.openai.com' },
    ]) {
      expect(made.connectionOptions({ scheme: 'https', authority })).toMatchObject({
        host: authority.host,
        port: authority.port,
      })
    }
  })

  test('name no server for an address, and still verify it', () => {
    const authority: Authority = { host: '::1', port: 443, kind: 'ipv6' }

    const options = connector().connectionOptions({ scheme: 'https', authority })
    const certificate = { subject: { CN: 'other' }, subjectaltname: 'DNS:other.example' }

    expect(options.servername).toBe('')
    expect(options.checkServerIdentity?.('', certificate as never)).toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  test('verify against the authority, whatever name node would check', () => {
    const options = connector().connectionOptions({ scheme: 'https', authority: target })
    const check = options.checkServerIdentity
    const of = (names: string): unknown =>
      check?.('evil.example', { subject: {}, subjectaltname: names } as never)

    expect(of('DNS:api.openai.com')).toBeUndefined()
    expect(of('DNS:evil.example')).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  test('keep pools apart by scheme, host and port, even at one address', () => {
    const other: Authority = { ...target, host: 'files.openai.com' }
    const made = connector([
      { from: target, to: elsewhere },
      { from: other, to: elsewhere },
    ])
    const destinations = [
      { scheme: 'https', authority: target },
      { scheme: 'https', authority: other },
      { scheme: 'http', authority: target },
      { scheme: 'https', authority: { ...target, port: 444 } },
    ] as const

    const keys = destinations.map((destination) => {
      const options = made.requestOptions(destination)
      return (options.agent as { getName(given: unknown): string }).getName(options)
    })

    expect(new Set(keys).size).toBe(keys.length)
  })

  test('for plain http have nothing of TLS', () => {
    const options = connector().connectionOptions({
      scheme: 'http',
      authority: { ...target, port: 80 },
    })

    expect(options).toMatchObject({ host: 'api.openai.com', port: 80 })
    expect(options).not.toHaveProperty('secureContext')
  })
})
