/**
 * The CA that a proxy works with, and the two public files that programs are pointed at: one that
 * adds to a program's roots, one that replaces them. A CA without a directory lives in memory: its
 * key is never written, and its public files go when the proxy goes.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { AppError } from '../src/base/errors.ts'
import type { HostPattern } from '../src/policy/host-pattern.ts'
import { providerHosts } from '../src/policy/providers.ts'
import type { Authority } from './authority.ts'
import { createAuthority } from './authority.ts'
import { buildBundle, joinCertificates, writePublicFile } from './bundle.ts'
import { openAuthority } from './key-store.ts'

export interface TrustPlan {
  /** What is decrypted: all of it must be within the CA's constraints. */
  readonly allow: readonly HostPattern[]
  /** Where the CA is kept; undefined for one in memory, which may vouch for `allow` only. */
  readonly caDirectory: string | undefined
  /** PEM files that the user's programs add to their roots (NODE_EXTRA_CA_CERTS). */
  readonly extraRootPaths: readonly string[]
  /** PEM files that the user's programs use as their roots (SSL_CERT_FILE and the like). */
  readonly replacedRootPaths: readonly string[]
}

export interface TrustFiles {
  readonly authority: Authority
  /** The CA certificate alone. */
  readonly caCertPath: string
  /** The CA certificate, with what `extraRootPaths` hold. */
  readonly addedRootsPath: string
  /** System roots, what `replacedRootPaths` hold, and the CA certificate. */
  readonly bundlePath: string
  /** Removes the files of a CA in memory. */
  dispose(): Promise<void>
}

/** A run longer than this needs a new start: nobody's CA should outlive its use by much. */
const memoryDays = 30

/** Throws what `openAuthority` does, and `ERR_CA_NOT_PERMITTED` if a host is not covered. */
export async function openTrust(plan: TrustPlan): Promise<TrustFiles> {
  const now = new Date()
  const allowed = plan.allow.map(({ text }) => text)
  if (plan.caDirectory !== undefined) {
    const permittedHosts = [...new Set([...allowed, ...providerHosts])]
    const { authority, caCertPath } = await openAuthority(plan.caDirectory, { permittedHosts, now })
    const uncovered = plan.allow.find(({ host }) => !authority.permits(host))
    if (uncovered !== undefined) {
      throw new AppError('ERR_CA_NOT_PERMITTED', { host: uncovered.host })
    }
    const files = await writeFiles(plan, authority, plan.caDirectory)
    return { authority, caCertPath, ...files, dispose: () => Promise.resolve() }
  }
  const authority = createAuthority({
    permittedHosts: allowed,
    now,
    days: memoryDays,
    commonName: 'Porthole run',
  })
  // mkdtemp makes the folder 0700; the files in it hold certificates only.
  const directory = await mkdtemp(join(tmpdir(), 'porthole-'))
  const caCertPath = join(directory, 'ca.pem')
  await writePublicFile(caCertPath, authority.certificatePem)
  const files = await writeFiles(plan, authority, directory)
  const dispose = (): Promise<void> => rm(directory, { recursive: true, force: true })
  return { authority, caCertPath, ...files, dispose }
}

async function writeFiles(
  plan: TrustPlan,
  authority: Authority,
  directory: string,
): Promise<Pick<TrustFiles, 'addedRootsPath' | 'bundlePath'>> {
  const caPem = authority.certificatePem
  const bundlePath = join(directory, 'bundle.pem')
  await writePublicFile(bundlePath, buildBundle({ caPem, extraPaths: plan.replacedRootPaths }))
  const addedRootsPath = join(directory, 'added-roots.pem')
  const added = await Promise.all(plan.extraRootPaths.map(readIfPossible))
  await writePublicFile(addedRootsPath, joinCertificates([...added, caPem]))
  return { addedRootsPath, bundlePath }
}

/** A variable that names a missing file does no harm without us either. */
async function readIfPossible(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
