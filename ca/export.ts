/**
 * The CA certificate in the forms that trust stores import. The private key is no argument of
 * anything here: a PKCS#12 file (RFC 7292) holds the certificate alone, marked as a trusted one the
 * way Java and OpenSSL do it.
 */
import { createHmac, randomBytes, X509Certificate } from 'node:crypto'

import forge from 'node-forge'

import { certificatePem } from './certificate.ts'
import type { Der } from './der.ts'
import {
  bmpString,
  encodeDer,
  nullValue,
  objectId,
  octetString,
  sequence,
  set,
  smallInteger,
  tagged,
} from './der.ts'

export type ExportFormat = 'pem' | 'der' | 'p12'
export const exportFormats: readonly ExportFormat[] = ['pem', 'der', 'p12']

/** Protects nothing: a certificate is public, but import dialogs insist on a passphrase. */
export const defaultPassphrase = 'porthole'

export interface ExportOptions {
  /** For `p12`. */
  readonly passphrase?: string | undefined
  /** The alias that trust stores show, for `p12`. */
  readonly friendlyName?: string | undefined
}

const oid = {
  data: '1.2.840.113549.1.7.1',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  /** Java's mark of a trusted certificate entry; without it the entry is ignored. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
  anyExtendedKeyUsage: '2.5.29.37.0',
  sha1: '1.3.14.3.2.26',
} as const

/** Iterations and hash every importer knows; the MAC only guards against damage. */
const macIterations = 2048
const macKeyBytes = 20
/** The id that RFC 7292 appendix B.3 gives to MAC keys. */
const macKeyId = 3

/** The certificate in `caPem` (the first one) as the bytes of a file. */
export function exportCertificate(
  caPem: string,
  format: ExportFormat,
  options: ExportOptions = {},
): Buffer {
  const der = new X509Certificate(caPem).raw
  if (format === 'pem') return Buffer.from(certificatePem(der))
  return format === 'der' ? der : pkcs12(der, options)
}

function pkcs12(certificate: Buffer, options: ExportOptions): Buffer {
  const safe = encodeDer(sequence(certificateBag(certificate, options.friendlyName ?? 'porthole')))
  const authenticated = encodeDer(sequence(dataContent(safe)))
  const salt = randomBytes(20)
  const key = forge.pkcs12.generateKey(
    options.passphrase ?? defaultPassphrase,
    forge.util.createBuffer(salt.toString('latin1')),
    macKeyId,
    macIterations,
    macKeyBytes,
    forge.md.sha1.create(),
  )
  const mac = createHmac('sha1', Buffer.from(key.getBytes(), 'latin1'))
  const digest = sequence(
    sequence(objectId(oid.sha1), nullValue()),
    octetString(mac.update(authenticated).digest()),
  )
  return encodeDer(
    sequence(
      smallInteger(3),
      dataContent(authenticated),
      sequence(digest, octetString(salt), smallInteger(macIterations)),
    ),
  )
}

function certificateBag(certificate: Buffer, friendlyName: string): Der {
  return sequence(
    objectId(oid.certBag),
    tagged(0, sequence(objectId(oid.x509Certificate), tagged(0, octetString(certificate)))),
    set(
      sequence(objectId(oid.friendlyName), set(bmpString(friendlyName))),
      sequence(objectId(oid.trustedKeyUsage), set(objectId(oid.anyExtendedKeyUsage))),
    ),
  )
}

function dataContent(bytes: Buffer): Der {
  return sequence(objectId(oid.data), tagged(0, octetString(bytes)))
}
