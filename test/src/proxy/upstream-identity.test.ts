/** Whom a TLS peer's certificate must name. */
import type { PeerCertificate } from 'node:tls'

import { expect, test } from 'vitest'

import { identityOf } from '../../../src/proxy/upstream-identity.ts'

const name = { host: 'api.example', port: 443, kind: 'name' } as const
const address = { host: '127.0.0.1', port: 443, kind: 'ipv4' } as const

function certificate(fields: Partial<PeerCertificate>): PeerCertificate {
  return { subject: { CN: '' }, ...fields } as PeerCertificate
}

test('a certificate must name the authority in its alternative names', () => {
  const { checkServerIdentity } = identityOf(name)

  expect(
    checkServerIdentity('other', certificate({ subjectaltname: 'DNS:api.example' })),
  ).toBeUndefined()
  expect(
    checkServerIdentity('api.example', certificate({ subjectaltname: 'DNS:other' })),
  ).toBeInstanceOf(Error)
})

test('a common name stands for nothing', () => {
  const { checkServerIdentity } = identityOf(name)
  const subject = { C: '', ST: '', L: '', O: '', OU: '', CN: 'api.example' }

  expect(checkServerIdentity('api.example', certificate({ subject }))).toBeInstanceOf(Error)
})

test('an address is verified, and not sent as a server name', () => {
  const identity = identityOf(address)

  expect(identity.servername).toBe('')
  expect(
    identity.checkServerIdentity('', certificate({ subjectaltname: 'IP Address:127.0.0.1' })),
  ).toBeUndefined()
  expect(identity.rejectUnauthorized).toBe(true)
})
