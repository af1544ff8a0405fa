import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { createMaterial } from '../../ca/authority.ts'
import { defaultPassphrase, exportCertificate } from '../../ca/export.ts'
import { hasTool, runTool, scratchDirectory } from './external-tools.ts'

const scratch = scratchDirectory()
afterAll(() => scratch.remove())
const { certificatePem, privateKeyPem } = createMaterial({
  permittedHosts: ['x.com'],
  now: new Date(),
  days: 30,
})
const fingerprint = new X509Certificate(certificatePem).fingerprint256

function write(name: string, bytes: Buffer): string {
  const path = join(scratch.path, name)
  writeFileSync(path, bytes)
  return path
}

describe('exportCertificate', () => {
  it('writes the certificate alone, even if it is given the key too', () => {
    const both = privateKeyPem + certificatePem
    const key = Buffer.from(privateKeyPem.split('\n').slice(1, -2).join(''), 'base64')

    expect(exportCertificate(both, 'pem').toString()).toBe(certificatePem)
    expect(exportCertificate(both, 'der')).toEqual(new X509Certificate(certificatePem).raw)
    expect(exportCertificate(both, 'p12').includes(key.subarray(30, 60))).toBe(false)
  })

  it.each([
    ['the usual passphrase', undefined],
    ['a passphrase of its own', 'pässword'],
    ['no passphrase', ''],
  ])('writes a PKCS#12 file with %s that openssl reads', async (_name, passphrase) => {
    const path = write('a.p12', exportCertificate(certificatePem, 'p12', { passphrase }))
    const pass = `pass:${passphrase ?? defaultPassphrase}`

    const info = await runTool('openssl', ['pkcs12', '-info', '-in', path, '-passin', pass])

    expect(info.code).toBe(0)
    expect(info.output).toContain('friendlyName: porthole')
    expect(info.output).not.toContain('PRIVATE KEY')
    const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/u.exec(info.output)
    expect(new X509Certificate(pem?.[0] ?? '').fingerprint256).toBe(fingerprint)
    const wrong = ['pkcs12', '-info', '-in', path, '-passin', 'pass:wrong']
    expect((await runTool('openssl', wrong)).code).not.toBe(0)
  })

  const java = hasTool('keytool')
  it.skipIf(!java)(
    `writes a PKCS#12 file whose certificate Java trusts${java ? '' : ' (skipped: no keytool)'}`,
    async () => {
      const bytes = exportCertificate(certificatePem, 'p12', { friendlyName: 'Porthole CA ü' })
      const path = write('java.p12', bytes)

      const store = ['-storetype', 'PKCS12', '-keystore', path, '-storepass', defaultPassphrase]
      const list = await runTool('keytool', ['-J-Duser.language=en', '-list', '-v', ...store])

      expect(list.output).toContain('Entry type: trustedCertEntry')
      expect(list.output).toContain(fingerprint)
      expect(list.output).toContain('Your keystore contains 1 entry')
    },
  )
})
