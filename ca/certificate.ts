/**
 * X.509 v3 certificates (RFC 5280) of the two shapes that Porthole issues: a name-constrained CA
 * and a TLS server leaf. Encoding only: no policy, no files, no clock. P-256 keys, ECDSA with
 * SHA-256; signatures are node:crypto's, since node-forge knows no elliptic curves.
 */
import type { KeyObject, X509Certificate } from 'node:crypto'
import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto'

import type { Der } from './der.ts'
import {
  bitString,
  booleanTrue,
  bytesOf,
  contextTagOf,
  decodeDer,
  encodeDer,
  integer,
  membersOf,
  objectId,
  objectIdOf,
  octetString,
  sequence,
  set,
  smallInteger,
  tagged,
  taggedBytes,
  time,
  utf8String,
} from './der.ts'
import type { Identity, NameConstraints } from './name-constraints.ts'
import { decodeConstraints, encodeConstraints, generalName } from './name-constraints.ts'

const oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

/** Upper bound of a commonName (RFC 5280 appendix A.1, ub-common-name). */
const maxCommonName = 64

export interface CaFields {
  /** At most 64 characters. */
  readonly commonName: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly constraints: NameConstraints
  readonly privateKey: KeyObject
}

export interface LeafFields {
  readonly identity: Identity
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly issuer: Issuer
  readonly issuerKey: KeyObject
}

/** The parts of a CA certificate that its leaves repeat byte for byte. */
export interface Issuer {
  readonly subject: Der
  readonly keyIdentifier: Buffer
}

/** A self-signed root that may sign leaves only (path length 0), within its name constraints. */
export function encodeCaCertificate(fields: CaFields): Buffer {
  const publicKey = createPublicKey(fields.privateKey)
  const keyIdentifier = keyIdentifierOf(publicKey)
  const subject = nameOf([
    { type: oid.organization, value: 'Porthole' },
    { type: oid.commonName, value: fields.commonName },
  ])
  return encodeSigned(
    {
      issuer: subject,
      subject,
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      publicKey,
      extensions: [
        extension(oid.basicConstraints, sequence(booleanTrue(), smallInteger(0)), 'critical'),
        // keyCertSign and cRLSign: bits 5 and 6, so one bit of the octet is unused.
        extension(oid.keyUsage, bitString(Buffer.of(0x06), 1), 'critical'),
        extension(oid.extendedKeyUsage, sequence(objectId(oid.serverAuth))),
        extension(oid.subjectKeyIdentifier, octetString(keyIdentifier)),
        extension(oid.authorityKeyIdentifier, sequence(taggedBytes(0, keyIdentifier))),
        extension(oid.nameConstraints, encodeConstraints(fields.constraints), 'critical'),
      ],
    },
    fields.privateKey,
  )
}

/** A TLS server certificate for exactly one name or address. */
export function encodeLeafCertificate(fields: LeafFields): Buffer {
  const { identity, issuer } = fields
  // An address as commonName would be checked against the dNSName constraints by OpenSSL.
  const named = identity.kind === 'name' && identity.name.length <= maxCommonName
  const subject = named ? nameOf([{ type: oid.commonName, value: identity.name }]) : nameOf([])
  return encodeSigned(
    {
      issuer: issuer.subject,
      subject,
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      publicKey: fields.publicKey,
      extensions: [
        extension(oid.basicConstraints, sequence(), 'critical'),
        // digitalSignature: bit 0, so seven bits of the octet are unused.
        extension(oid.keyUsage, bitString(Buffer.of(0x80), 7), 'critical'),
        extension(oid.extendedKeyUsage, sequence(objectId(oid.serverAuth))),
        extension(
          oid.subjectAltName,
          sequence(generalName(identity)),
          // RFC 5280 §4.1.2.6: critical when the subject is empty.
          named ? undefined : 'critical',
        ),
        extension(oid.subjectKeyIdentifier, octetString(keyIdentifierOf(fields.publicKey))),
        extension(oid.authorityKeyIdentifier, sequence(taggedBytes(0, issuer.keyIdentifier))),
      ],
    },
    fields.issuerKey,
  )
}

/** Throws on a certificate without a subject key identifier or with malformed extensions. */
export function readIssuer(certificate: X509Certificate): Issuer {
  const tbs = tbsOf(certificate)
  const subject = tbs[5]
  const keyIdentifier = extensionValue(tbs, oid.subjectKeyIdentifier)
  if (subject === undefined || keyIdentifier === undefined) {
    throw new Error('the certificate has no subject key identifier')
  }
  return { subject, keyIdentifier: bytesOf(decodeDer(keyIdentifier)) }
}

/** Undefined for a certificate without name constraints; throws on malformed ones. */
export function readConstraints(certificate: X509Certificate): NameConstraints | undefined {
  const value = extensionValue(tbsOf(certificate), oid.nameConstraints)
  return value === undefined ? undefined : decodeConstraints(decodeDer(value))
}

/** PEM (RFC 7468) with a newline at its end. */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/gu) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

interface TbsFields {
  readonly issuer: Der
  readonly subject: Der
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly Der[]
}

function encodeSigned(fields: TbsFields, signingKey: KeyObject): Buffer {
  const algorithm = sequence(objectId(oid.ecdsaWithSha256))
  const tbs = sequence(
    tagged(0, smallInteger(2)),
    integer(randomSerial()),
    algorithm,
    fields.issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject,
    decodeDer(fields.publicKey.export({ type: 'spki', format: 'der' })),
    tagged(3, sequence(...fields.extensions)),
  )
  const signature = sign('sha256', encodeDer(tbs), signingKey)
  return encodeDer(sequence(tbs, algorithm, bitString(signature)))
}

/** 16 random bytes, positive and of constant length (RFC 5280 §4.1.2.2). */
function randomSerial(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

/** The leftmost 160 bits of the SHA-256 of the public key bits (RFC 7093 §2, method 1). */
function keyIdentifierOf(publicKey: KeyObject): Buffer {
  const spki = membersOf(decodeDer(publicKey.export({ type: 'spki', format: 'der' })))
  const bits = bytesOf(spki[1]).subarray(1)
  return createHash('sha256').update(bits).digest().subarray(0, 20)
}

function nameOf(parts: ReadonlyArray<{ readonly type: string; readonly value: string }>): Der {
  return sequence(
    ...parts.map(({ type, value }) => set(sequence(objectId(type), utf8String(value)))),
  )
}

function extension(id: string, value: Der, critical?: 'critical'): Der {
  const wrapped = octetString(encodeDer(value))
  return critical === undefined
    ? sequence(objectId(id), wrapped)
    : sequence(objectId(id), booleanTrue(), wrapped)
}

function tbsOf(certificate: X509Certificate): readonly Der[] {
  return membersOf(membersOf(decodeDer(certificate.raw))[0])
}

function extensionValue(tbs: readonly Der[], id: string): Buffer | undefined {
  const field = tbs.find((candidate) => contextTagOf(candidate) === 3)
  if (field === undefined) return undefined
  const found = membersOf(membersOf(field)[0]).find(
    (candidate) => objectIdOf(membersOf(candidate)[0]) === id,
  )
  return found === undefined ? undefined : bytesOf(membersOf(found).at(-1))
}
