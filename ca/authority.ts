/**
 * The certificate authority in memory: makes a name-constrained P-256 root, loads one back, and
 * issues leaves for the hosts that its own certificate permits. It touches no file; where a CA is
 * kept is `key-store.ts`'s business. The private key cannot be read from an `Authority`.
 */
import type { KeyObject } from 'node:crypto'
import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'

import { AppError, describeError } from '../src/base/errors.ts'
import type { Issuer } from './certificate.ts'
import {
  certificatePem,
  encodeCaCertificate,
  encodeLeafCertificate,
  readConstraints,
  readIssuer,
} from './certificate.ts'
import type { NameConstraints } from './name-constraints.ts'
import { constraintsFor, identityOf, permitsIdentity, permittedText } from './name-constraints.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Certificates start one hour early, for clients whose clock is behind. */
const backdatedMs = hourMs
/** Short enough that no client's limit on leaf validity applies. */
const leafMs = 7 * dayMs
/** Leaves room for date and id within the 64 characters of a commonName. */
const maxBaseName = 40

/** What anyone may know of a CA; read from its certificate alone. */
export interface CaDescription {
  readonly certificatePem: string
  readonly certificateDer: Buffer
  /** Upper-case hexadecimal pairs with colons, SHA-256 over the DER. */
  readonly fingerprint256: string
  /** The same with SHA-1, which trust stores of some systems ask for. */
  readonly fingerprint1: string
  /** The commonName, or the whole subject where there is none. */
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** From the certificate's own constraints: `x.com` stands for itself and every name under it. */
  readonly permittedHosts: readonly string[]
  /** False for a pattern, and for anything that is no host. */
  permits(host: string): boolean
}

export interface Leaf {
  /** The leaf, then the CA certificate. */
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly notBefore: Date
  readonly notAfter: Date
}

export interface Authority extends CaDescription {
  /**
   * A certificate for one canonical host or address, valid for at most 7 days from `now` and never
   * longer than the CA. Throws `ERR_CA_NOT_PERMITTED` for a host outside the constraints and
   * `ERR_CA_UNUSABLE` once the CA has expired.
   */
  issueLeaf(host: string, now: Date): Leaf
}

export interface NewAuthority {
  /** Host patterns as in the allowlist; ports do not count. */
  readonly permittedHosts: readonly string[]
  readonly now: Date
  readonly days: number
  /** The start of the subject's commonName; creation date and a random id are added. */
  readonly commonName?: string | undefined
}

/** A CA as it is stored. */
export interface AuthorityMaterial {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

export interface LoadedAuthority extends AuthorityMaterial {
  readonly now: Date
  /** Where it came from, for error messages. */
  readonly path?: string | undefined
}

/** A new CA whose key never leaves memory. Throws `ERR_HOST_PATTERN` on a bad permitted host. */
export function createAuthority(options: NewAuthority): Authority {
  return loadAuthority({ ...createMaterial(options), now: options.now })
}

/** A new CA to be stored; everyone else wants `createAuthority`. */
export function createMaterial(options: NewAuthority): AuthorityMaterial {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const base = (options.commonName ?? 'Porthole CA').slice(0, maxBaseName)
  const created = options.now.toISOString().slice(0, 10)
  const der = encodeCaCertificate({
    // Trust stores list a CA by this name: two of them must be told apart there.
    commonName: `${base} ${created} ${randomBytes(3).toString('hex')}`,
    notBefore: new Date(options.now.getTime() - backdatedMs),
    notAfter: new Date(options.now.getTime() + options.days * dayMs),
    constraints: constraintsFor(options.permittedHosts),
    privateKey,
  })
  return { certificatePem: certificatePem(der), privateKeyPem: pemOf(privateKey) }
}

/**
 * Throws `ERR_CA_UNUSABLE` when the pieces are damaged, do not belong together, are not a
 * name-constrained P-256 CA, or are not valid at `now`.
 */
export function loadAuthority(material: LoadedAuthority): Authority {
  const path = material.path ?? 'memory'
  const parsed = parseCa(material.certificatePem, path)
  const { certificate, description } = parsed
  const privateKey = parsePrivateKey(material.privateKeyPem, path)
  if (!certificate.checkPrivateKey(privateKey)) {
    throw unusable(path, 'certificate and key do not belong together')
  }
  if (!certificate.verify(certificate.publicKey)) {
    throw unusable(path, 'the certificate is not signed by its own key')
  }
  checkValidity(description, material.now, path)
  // One leaf key for this authority's life: it is never stored, and never used by another CA.
  const leafKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leafKeyPem = pemOf(leafKey.privateKey)
  return {
    ...description,
    issueLeaf(host, now) {
      const identity = identityOf(host)
      if (identity === undefined || !permitsIdentity(parsed.constraints, identity)) {
        throw new AppError('ERR_CA_NOT_PERMITTED', { host })
      }
      checkValidity(description, now, path)
      const notBefore = new Date(now.getTime() - backdatedMs)
      const latest = Math.min(now.getTime() + leafMs, description.notAfter.getTime())
      const notAfter = new Date(latest)
      const leaf = encodeLeafCertificate({
        identity,
        notBefore,
        notAfter,
        publicKey: leafKey.publicKey,
        issuer: parsed.issuer,
        issuerKey: privateKey,
      })
      return {
        certificatePem: certificatePem(leaf) + description.certificatePem,
        privateKeyPem: leafKeyPem,
        notBefore,
        notAfter,
      }
    },
  }
}

/** What a CA certificate says, expired or not. Throws `ERR_CA_UNUSABLE` if it is none of ours. */
export function describeCaCertificate(pem: string, path = 'memory'): CaDescription {
  return parseCa(pem, path).description
}

interface ParsedCa {
  readonly certificate: X509Certificate
  readonly constraints: NameConstraints
  readonly issuer: Issuer
  readonly description: CaDescription
}

function parseCa(pem: string, path: string): ParsedCa {
  let certificate: X509Certificate
  let constraints: NameConstraints | undefined
  let issuer: Issuer
  try {
    certificate = new X509Certificate(pem)
    constraints = readConstraints(certificate)
    issuer = readIssuer(certificate)
  } catch (error) {
    throw unusable(path, `the certificate is damaged (${describeError(error)})`, error)
  }
  if (!certificate.ca) throw unusable(path, 'the certificate is not one of an authority')
  if (constraints === undefined) throw unusable(path, 'its certificate has no name constraints')
  return {
    certificate,
    constraints,
    issuer,
    description: describe(certificate, constraints),
  }
}

function describe(certificate: X509Certificate, constraints: NameConstraints): CaDescription {
  return {
    certificatePem: certificatePem(certificate.raw),
    certificateDer: certificate.raw,
    fingerprint256: certificate.fingerprint256,
    fingerprint1: certificate.fingerprint,
    subject: /^CN=(.+)$/mu.exec(certificate.subject)?.[1] ?? certificate.subject,
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    permittedHosts: permittedText(constraints),
    permits(host) {
      const identity = identityOf(host)
      return identity !== undefined && permitsIdentity(constraints, identity)
    },
  }
}

function parsePrivateKey(pem: string, path: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    throw unusable(path, 'the private key is damaged', error)
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw unusable(path, 'the private key is not on the curve P-256')
  }
  return key
}

function checkValidity(ca: CaDescription, now: Date, path: string): void {
  if (now > ca.notAfter) {
    throw unusable(path, `it expired on ${ca.notAfter.toISOString().slice(0, 10)}`)
  }
  if (now < ca.notBefore) {
    const from = ca.notBefore.toISOString()
    throw unusable(path, `it is not valid before ${from}; is the clock of this machine right?`)
  }
}

function unusable(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('ERR_CA_UNUSABLE', { path, problem }, cause)
}

function pemOf(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
