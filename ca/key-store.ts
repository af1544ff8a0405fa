/**
 * The persistent CA: `ca.key.pem` (0600: the key and, after it, its certificate), `ca.pem` (the
 * certificate alone, for everyone) and `ca.old.pem` (certificates that were rotated away and may
 * still be trusted somewhere), in a directory of mode 0700.
 *
 * Key and certificate stand in one file so that one rename makes or replaces a CA: a process killed
 * at any instant leaves the old CA or the new one, and no lock can go stale. `ca.pem` is a copy.
 * What is damaged, too open, expired or foreign is refused, never silently made anew.
 */
import { join } from 'node:path'

import { AppError } from '../src/base/errors.ts'
import type { Authority, CaDescription } from './authority.ts'
import { createMaterial, describeCaCertificate, loadAuthority } from './authority.ts'
import { joinCertificates, splitCertificates, writePublicFile } from './bundle.ts'
import {
  checkPrivateDirectory,
  closeDirectory,
  createPrivateDirectory,
  readPrivateFile,
  readPublicFile,
  writePrivateFile,
} from './private-files.ts'

/** Validity of a persistent CA. */
const caDays = 365
/** Rotated certificates remembered, newest first; expired ones are dropped before. */
const maxOldCertificates = 20

export interface StoredAuthority {
  readonly authority: Authority
  /** Holds the certificate alone. */
  readonly caCertPath: string
}

export interface StoreOptions {
  /** Host patterns that a new CA may vouch for; a CA that exists keeps its own. */
  readonly permittedHosts: readonly string[]
  readonly now: Date
}

/** The public side of a store, read without its key. */
export interface StoredCertificates {
  readonly current: CaDescription
  readonly caCertPath: string
  /** Rotated away, newest first. */
  readonly old: readonly CaDescription[]
  /** Exists only if `old` is not empty. */
  readonly oldPath: string
}

/**
 * The CA in `dir`, made at the first use for 365 days; of several processes that start at once one
 * makes it, and the others load that one. Throws `ERR_CA_MODE`, `ERR_CA_UNUSABLE`,
 * `ERR_HOME_UNWRITABLE`, or `ERR_HOST_PATTERN`.
 */
export async function openAuthority(dir: string, options: StoreOptions): Promise<StoredAuthority> {
  await createPrivateDirectory(dir)
  const existing = await readStore(dir, options.now)
  if (existing !== undefined) return existing
  await refuseWithoutKey(dir)
  // Whether this one or another process's was first, what counts is what is there afterwards.
  await writePrivateFile(pathsIn(dir).key, newKeyFile(options), 'exclusive')
  return loadExistingAuthority(dir, options.now)
}

/** As `openAuthority`, but throws `ERR_CA_MISSING` instead of making a CA. */
export async function loadExistingAuthority(
  dir: string,
  now: Date = new Date(),
): Promise<StoredAuthority> {
  const existing = await readStore(dir, now)
  if (existing !== undefined) return existing
  await refuseWithoutKey(dir)
  throw new AppError('ERR_CA_MISSING', { path: dir })
}

/**
 * Replaces the CA, whatever state it is in, and keeps the old certificate in `ca.old.pem`. The
 * directory is made private again if it was not. Throws as `openAuthority` does, but for damage.
 */
export async function rotateAuthority(
  dir: string,
  options: StoreOptions,
): Promise<StoredAuthority> {
  const keyFile = newKeyFile(options)
  await createPrivateDirectory(dir)
  await closeDirectory(dir)
  await rememberCurrent(dir, options.now)
  await writePrivateFile(pathsIn(dir).key, keyFile, 'replace')
  await writePublicFile(pathsIn(dir).certificate, splitCertificates(keyFile).join(''))
  // Another process may have rotated at the same time: the CA that is there now is the one.
  const stored = await readStore(dir, options.now, 'overwrite')
  if (stored === undefined) throw new AppError('ERR_CA_MISSING', { path: dir })
  return stored
}

/** Expired or not. Throws `ERR_CA_MISSING` if there is no CA, `ERR_CA_UNUSABLE` if it is damaged. */
export async function readCertificates(dir: string): Promise<StoredCertificates> {
  const paths = pathsIn(dir)
  const pem = await readPublicFile(paths.certificate)
  if (pem === undefined) throw new AppError('ERR_CA_MISSING', { path: dir })
  return {
    current: describeCaCertificate(pem, paths.certificate),
    caCertPath: paths.certificate,
    old: await readOld(dir),
    oldPath: paths.old,
  }
}

interface StorePaths {
  readonly key: string
  readonly certificate: string
  readonly old: string
}

function pathsIn(dir: string): StorePaths {
  return {
    key: join(dir, 'ca.key.pem'),
    certificate: join(dir, 'ca.pem'),
    old: join(dir, 'ca.old.pem'),
  }
}

async function refuseWithoutKey(dir: string): Promise<void> {
  if ((await readPublicFile(pathsIn(dir).certificate)) === undefined) return
  throw unusable(dir, 'its ca.key.pem is missing')
}

function newKeyFile(options: StoreOptions): string {
  const material = createMaterial({ ...options, days: caDays })
  return material.privateKeyPem + material.certificatePem
}

/** How often a change by another process, seen while reading, is followed before giving up. */
const maxReads = 10

async function readStore(
  dir: string,
  now: Date,
  mismatch: 'refuse' | 'overwrite' = 'refuse',
): Promise<StoredAuthority | undefined> {
  if (!(await checkPrivateDirectory(dir))) return undefined
  const paths = pathsIn(dir)
  let keyFile = await readPrivateFile(paths.key)
  for (let reads = 0; keyFile !== undefined && reads < maxReads; reads += 1) {
    const authority = await loadKeyFile(dir, keyFile, now)
    const state = await publishedState(dir, authority)
    if (state === 'current') return { authority, caCertPath: paths.certificate }
    const current = await readPrivateFile(paths.key)
    if (current === keyFile) {
      if (state === 'foreign' && mismatch === 'refuse') {
        throw unusable(dir, 'ca.pem is not the certificate of ca.key.pem')
      }
      await writePublicFile(paths.certificate, authority.certificatePem)
    }
    keyFile = await readPrivateFile(paths.key)
  }
  if (keyFile === undefined) return undefined
  throw unusable(dir, 'other processes keep changing it')
}

async function loadKeyFile(dir: string, keyFile: string, now: Date): Promise<Authority> {
  const own = splitCertificates(keyFile)[0]
  const certificatePem = own ?? (await readPublicFile(pathsIn(dir).certificate))
  if (certificatePem === undefined) throw unusable(dir, 'there is no certificate for its key')
  return loadAuthority({ certificatePem, privateKeyPem: keyFile, now, path: dir })
}

/**
 * `behind`: a process was killed, or is just about, between the key file and its copy. `foreign`:
 * this never was a certificate of this store, so what users trust and what serves them differ.
 */
async function publishedState(
  dir: string,
  authority: Authority,
): Promise<'current' | 'behind' | 'foreign'> {
  const paths = pathsIn(dir)
  const published = await readPublicFile(paths.certificate)
  if (published === undefined) return 'behind'
  const { fingerprint256 } = describeCaCertificate(published, paths.certificate)
  if (fingerprint256 === authority.fingerprint256) return 'current'
  const old = await readOld(dir)
  return old.some((ca) => ca.fingerprint256 === fingerprint256) ? 'behind' : 'foreign'
}

/** Adds the certificates in use to `ca.old.pem`, as far as they can still be read. */
async function rememberCurrent(dir: string, now: Date): Promise<void> {
  const paths = pathsIn(dir)
  const used: string[] = []
  for (const path of [paths.key, paths.certificate]) {
    // A file that cannot be read is what is being replaced.
    used.push(...splitCertificates((await readPublicFile(path).catch(() => undefined)) ?? ''))
  }
  const before = await readOld(dir).catch(() => [])
  const kept = [...describeAll(used), ...before]
    .filter((ca) => ca.notAfter > now)
    .map((ca) => ca.certificatePem)
  if (kept.length > 0) await writePublicFile(paths.old, joinCertificates(kept, maxOldCertificates))
}

async function readOld(dir: string): Promise<readonly CaDescription[]> {
  return describeAll(splitCertificates((await readPublicFile(pathsIn(dir).old)) ?? ''))
}

/** Without those that are no CA of ours: they were put there by hand. */
function describeAll(pems: readonly string[]): readonly CaDescription[] {
  return pems.flatMap((pem) => {
    try {
      return [describeCaCertificate(pem)]
    } catch {
      return []
    }
  })
}

function unusable(path: string, problem: string): AppError {
  return new AppError('ERR_CA_UNUSABLE', { path, problem })
}
