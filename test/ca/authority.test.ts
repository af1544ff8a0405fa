import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import type { AuthorityMaterial } from '../../ca/authority.ts'
import { createAuthority, createMaterial, loadAuthority } from '../../ca/authority.ts'
import { runTool, scratchDirectory } from './external-tools.ts'

const now = new Date()
const dayMs = 86_400_000
const later = (days: number): Date => new Date(now.getTime() + days * dayMs)
const permittedHosts = ['api.openai.com', '*.example.com', '127.0.0.1', '::1']
const authority = createAuthority({ permittedHosts, now, days: 365, commonName: 'Test CA' })
const scratch = scratchDirectory()
const caPath = join(scratch.path, 'ca.pem')
writeFileSync(caPath, authority.certificatePem)
afterAll(() => scratch.remove())

function material(hosts: readonly string[] = permittedHosts): AuthorityMaterial {
  return createMaterial({ permittedHosts: hosts, now, days: 365 })
}

function leafOf(host: string): X509Certificate {
  return new X509Certificate(authority.issueLeaf(host, now).certificatePem)
}

async function textOf(pem: string): Promise<string> {
  const path = join(scratch.path, 'text.pem')
  writeFileSync(path, pem)
  return (await runTool('openssl', ['x509', '-in', path, '-noout', '-text'])).output
}

describe('the CA certificate', () => {
  it('is a root for TLS servers only, limited to leaves and to the permitted hosts', async () => {
    const text = await textOf(authority.certificatePem)

    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/u)
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/u)
    expect(text).toMatch(/Extended Key Usage: \s+TLS Web Server Authentication\n/u)
    expect(text).toMatch(/Subject Key Identifier: \s+[0-9A-F:]{59}\n/u)
    expect(text).toMatch(/Authority Key Identifier: \s+[0-9A-F:]{59}\n/u)
    expect(text).toMatch(/Name Constraints: critical\s+Permitted:\s+DNS:api.openai.com\n/u)
    expect(text).toContain('DNS:example.com\n')
    expect(text).toContain('IP:127.0.0.1/255.255.255.255\n')
    expect(text).not.toContain('Excluded')
    expect(text).toContain('ASN1 OID: prime256v1')
  })

  it('tells itself apart by date and id, and is valid for the days asked for', () => {
    const other = createAuthority({ permittedHosts, now, days: 2, commonName: 'Test CA' })

    expect(authority.subject).toMatch(/^Test CA \d{4}-\d\d-\d\d [0-9a-f]{6}$/u)
    expect(other.subject).not.toBe(authority.subject)
    expect(Math.abs(other.notAfter.getTime() - later(2).getTime())).toBeLessThan(1000)
    expect(other.notBefore.getTime()).toBeLessThan(now.getTime())
  })

  it('keeps a long name within 64 characters', () => {
    const long = createAuthority({ permittedHosts, now, days: 1, commonName: 'n'.repeat(100) })

    expect(long.subject.length).toBeLessThanOrEqual(64)
  })

  it('reads what it permits back from its own constraints', () => {
    const loaded = loadAuthority({ ...material(['*.a.example', '10.0.0.1']), now })

    expect(loaded.permittedHosts).toEqual(['a.example', '10.0.0.1'])
    expect(loaded.permits('x.a.example')).toBe(true)
    expect(loaded.permits('b.example')).toBe(false)
  })

  it('never reveals its key', () => {
    const seen = JSON.stringify({
      ...authority,
      leaf: authority.issueLeaf('::1', now).certificatePem,
    })

    expect(seen).not.toContain('PRIVATE KEY')
  })

  it('excludes every address or every name when none is permitted', async () => {
    const namesOnly = await textOf(material(['x.com']).certificatePem)
    const addressesOnly = await textOf(material(['127.0.0.1']).certificatePem)

    expect(namesOnly).toMatch(/Excluded:\s+IP:0.0.0.0\/0.0.0.0\s+IP:0:0:0:0:0:0:0:0\//u)
    expect(addressesOnly).toMatch(/Excluded:\s+DNS:\s/u)
  })
})

describe('a leaf', () => {
  const longName = `${'a'.repeat(63)}.example.com`
  const hosts = ['api.openai.com', 'a.b.example.com', longName, 'under_score.example.com']

  it.each([...hosts, '127.0.0.1', '::1'])('for %s passes strict verification', async (host) => {
    const path = join(scratch.path, 'leaf.pem')
    writeFileSync(path, authority.issueLeaf(host, now).certificatePem)
    const name = host.includes('.0.') || host === '::1' ? '-verify_ip' : '-verify_hostname'
    const args = ['verify', '-x509_strict', '-purpose', 'sslserver', name, host]

    const verified = await runTool('openssl', [...args, '-CAfile', caPath, path])

    expect(verified.output).toContain(': OK')
  })

  it('is valid for seven days from one hour ago', () => {
    const leaf = authority.issueLeaf('api.openai.com', now)
    const certificate = new X509Certificate(leaf.certificatePem)

    expect(leaf.notAfter).toEqual(later(7))
    expect(leaf.notBefore).toEqual(new Date(now.getTime() - 3_600_000))
    const written = new Date(certificate.validTo).getTime()
    expect(Math.abs(written - leaf.notAfter.getTime())).toBeLessThan(1000)
  })

  it('never outlives its CA', () => {
    const short = createAuthority({ permittedHosts, now, days: 2 })

    expect(short.issueLeaf('::1', now).notAfter).toEqual(short.notAfter)
  })

  it('has the usages of a TLS server and nothing more', async () => {
    const text = await textOf(authority.issueLeaf('api.openai.com', now).certificatePem)

    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/u)
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/u)
    expect(text).toMatch(/Extended Key Usage: \s+TLS Web Server Authentication\n/u)
    expect(text).toMatch(/Subject Alternative Name: \s+DNS:api.openai.com\n/u)
    expect(text).toMatch(/Subject Key Identifier: \s+[0-9A-F:]{59}\n/u)
    expect(text).toMatch(/Authority Key Identifier: \s+[0-9A-F:]{59}\n/u)
  })

  it('names the host in its subject only where that is allowed', async () => {
    expect(leafOf('api.openai.com').subject).toBe('CN=api.openai.com')
    expect(leafOf(longName).subject ?? '').toBe('')
    expect(leafOf('127.0.0.1').subjectAltName).toBe('IP Address:127.0.0.1')
    expect(leafOf('::1').subjectAltName).toBe('IP Address:0:0:0:0:0:0:0:1')
    const unnamed = await textOf(authority.issueLeaf(longName, now).certificatePem)
    expect(unnamed).toContain('Subject Alternative Name: critical')
  })

  it('has a positive 16-byte serial of its own, and the one key of its authority', () => {
    const leaves = Array.from({ length: 200 }, () => leafOf('api.openai.com'))

    expect(new Set(leaves.map(({ serialNumber }) => serialNumber)).size).toBe(200)
    for (const { serialNumber } of leaves) expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/u)
    const other = createAuthority({ permittedHosts, now, days: 1 })
    const keys = [authority, authority, other].map((ca) => ca.issueLeaf('::1', now).privateKeyPem)
    expect(keys[0]).toBe(keys[1])
    expect(keys[0]).not.toBe(keys[2])
  })

  it.each(['evil.com', 'xapi.openai.com', '10.0.0.1', '::2', '*.example.com', '', 'a b', '../x'])(
    'is refused for %j',
    (host) => {
      expect(() => authority.issueLeaf(host, now)).toThrow(
        expect.objectContaining({ code: 'ERR_CA_NOT_PERMITTED' }),
      )
    },
  )

  it('is refused once the CA has expired, and before it begins', () => {
    const failure = expect.objectContaining({ code: 'ERR_CA_UNUSABLE' })

    expect(() => authority.issueLeaf('::1', later(366))).toThrow(failure)
    expect(() => authority.issueLeaf('::1', later(-365))).toThrow(failure)
  })
})

describe('loading an authority', () => {
  const problemOf = (given: Partial<AuthorityMaterial>, at = now): string => {
    try {
      loadAuthority({ ...material(), ...given, now: at, path: '/store' })
      return 'none'
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_CA_UNUSABLE', details: { path: '/store' } })
      const { message } = error as Error
      expect(message).not.toContain('\n')
      return message
    }
  }

  it('accepts what was stored', () => {
    const stored = material()

    expect(loadAuthority({ ...stored, now }).certificatePem).toBe(stored.certificatePem)
  })

  it('refuses damaged, foreign and expired material, each with its own reason', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const rsaPem = rsa.export({ type: 'pkcs8', format: 'pem' }).toString()
    const foreign = join(scratch.path, 'foreign.pem')
    const keyPath = join(scratch.path, 'foreign.key')
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    await runTool('openssl', [...make, '-subj', '/CN=x', '-keyout', keyPath, '-out', foreign])
    const unconstrained = (await runTool('openssl', ['x509', '-in', foreign])).output

    expect(problemOf({ certificatePem: 'garbage' })).toContain('certificate is damaged')
    expect(problemOf({ privateKeyPem: 'garbage' })).toContain('private key is damaged')
    expect(problemOf({ privateKeyPem: material().privateKeyPem })).toContain('belong together')
    expect(problemOf({ privateKeyPem: rsaPem })).toContain('P-256')
    expect(problemOf({ certificatePem: unconstrained })).toContain('no name constraints')
    const leaf = authority.issueLeaf('::1', now).certificatePem
    expect(problemOf({ certificatePem: leaf })).toContain('not one of an authority')
    expect(problemOf({}, later(366))).toContain('expired on')
    expect(problemOf({}, later(-2))).toContain('clock')
  })
})
