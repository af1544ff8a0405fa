/**
 * Sets of certificates as PEM text (RFC 7468): for programs whose trust variable replaces their
 * roots instead of adding to them, one file has to hold the user's roots, the system's and ours.
 * Only whole, parsable CERTIFICATE blocks are carried over, so no key can get in.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

import { certificatePem } from './certificate.ts'
import { writeInOneStep } from './private-files.ts'

/** Where systems keep their roots, the first readable one wins. */
export const systemBundlePaths: readonly string[] = [
  // Debian, Ubuntu, Alpine, Arch
  '/etc/ssl/certs/ca-certificates.crt',
  // RHEL, Fedora
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  // SUSE
  '/etc/ssl/ca-bundle.pem',
  // macOS, BSD
  '/etc/ssl/cert.pem',
]

/** Many times the size of any real set of roots. */
const maxBundleBytes = 16 * 1024 * 1024

export interface BundleOptions {
  /** Our certificate: it comes last. */
  readonly caPem: string
  /** The file that the user's own SSL_CERT_FILE names; passed over if it cannot be read. */
  readonly existingBundlePath?: string | undefined
  /** Further files of the user's, such as the one NODE_EXTRA_CA_CERTS names. */
  readonly extraPaths?: readonly string[] | undefined
  /** Candidates for the system's roots; with none readable, Node's built-in roots are taken. */
  readonly systemPaths?: readonly string[] | undefined
}

/** The bundle's text: the user's certificates, the system's roots, ours; each once. */
export function buildBundle(options: BundleOptions): string {
  const own = [options.existingBundlePath, ...(options.extraPaths ?? [])]
  const users = own.flatMap((path) => (path ? certificatesIn(path) : []))
  const system = systemRoots(options.systemPaths ?? systemBundlePaths)
  const ours = splitCertificates(options.caPem)
  // Ours last, even where the user's files hold it already: it is looked for at the end.
  const others = new Set([...users, ...system]).difference(new Set(ours))
  return [...others, ...ours].join('')
}

/** Every certificate in a text, as PEM; all else in it is left out, damaged blocks too. */
export function splitCertificates(text: string): string[] {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([\s\w+/=]+)-----END CERTIFICATE-----/gu)
  return [...blocks].flatMap(([, body = '']) => {
    const der = Buffer.from(body, 'base64')
    return isCertificate(der) ? [certificatePem(der)] : []
  })
}

/** One text of PEM certificates without duplicates, at most `max` of them from the front. */
export function joinCertificates(pems: readonly string[], max = Number.POSITIVE_INFINITY): string {
  const distinct = [...new Set(pems.flatMap(splitCertificates))]
  return distinct.slice(0, max).join('')
}

/** Writes or replaces a file of mode 0644 in one step. Throws `ERR_HOME_UNWRITABLE`. */
export async function writePublicFile(path: string, text: string): Promise<void> {
  await writeInOneStep(path, text, 0o644, 'replace')
}

function systemRoots(candidates: readonly string[]): readonly string[] {
  for (const path of candidates) {
    const found = certificatesIn(path)
    if (found.length > 0) return found
  }
  return splitCertificates(rootCertificates.join('\n'))
}

function certificatesIn(path: string): readonly string[] {
  try {
    const stats = statSync(path)
    if (!stats.isFile() || stats.size > maxBundleBytes) return []
    return splitCertificates(readFileSync(path, 'utf8'))
  } catch {
    // Candidates that this system does not have, and a variable that names nothing readable.
    return []
  }
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.equals(der)
  } catch {
    return false
  }
}
