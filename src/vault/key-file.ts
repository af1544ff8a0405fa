/**
 * `vault.key`: the key-encryption keys of a vault that has no better place for them, one a line, in
 * a file that its owner alone can read. While a key is replaced both stand in it, so that a process
 * that is killed at any instant leaves the one that is needed. The caller holds the vault's lock.
 */
import { join } from 'node:path'

import { readPrivateFile, writePrivateFile } from '../../ca/private-files.ts'
import { AppError } from '../base/errors.ts'
import { keyLength } from './sealing.ts'
import type { NamedKey } from './sealing.ts'

const line = /^porthole-key (?<id>[\w-]{1,40}) (?<key>[A-Za-z\d+/]{43}=)$/u

export function keyFileIn(home: string): string {
  return join(home, 'vault.key')
}

/** The key of that name. Throws `ERR_VAULT_KEY` where the file or the key is not there. */
export async function readKeyFile(path: string, id: string): Promise<Buffer> {
  const keys = await readKeys(path)
  if (keys === undefined) throw unusable(`its key file ${path} is missing`)
  const key = keys.find((known) => known.id === id)
  if (key === undefined) throw unusable(`the key ${id} is not in ${path}`)
  return key.bytes
}

/** Adds a key to those there are. */
export async function addToKeyFile(path: string, key: NamedKey): Promise<void> {
  await writePrivateFile(path, format([...((await readKeys(path)) ?? []), key]), 'replace')
}

/** Drops all keys but one. */
export async function keepInKeyFile(path: string, id: string | undefined): Promise<void> {
  const keys = await readKeys(path)
  if (keys === undefined || id === undefined) return
  const kept = keys.filter((key) => key.id === id)
  if (kept.length === 0 || kept.length === keys.length) return
  await writePrivateFile(path, format(kept), 'replace')
}

async function readKeys(path: string): Promise<NamedKey[] | undefined> {
  const text = await readPrivate(path)
  if (text === undefined) return undefined
  return text
    .split('\n')
    .filter((part) => part !== '')
    .map((part) => {
      const groups = line.exec(part)?.groups
      const bytes = Buffer.from(groups?.['key'] ?? '', 'base64')
      if (groups === undefined || bytes.byteLength !== keyLength) {
        throw unusable(`${path} is not a key file of Porthole`)
      }
      return { id: groups['id'] ?? '', bytes }
    })
}

/** The errors of the certificate authority name remedies that are not for a vault. */
async function readPrivate(path: string): Promise<string | undefined> {
  try {
    return await readPrivateFile(path)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.code === 'ERR_CA_MODE') throw new AppError('ERR_VAULT_MODE', error.details, error)
    throw unusable(`${path}: ${String(error.details['problem'] ?? error.message)}`, error)
  }
}

function format(keys: readonly NamedKey[]): string {
  return keys.map(({ id, bytes }) => `porthole-key ${id} ${bytes.toString('base64')}\n`).join('')
}

function unusable(problem: string, cause?: unknown): AppError {
  const next = 'put the key file back; without it the secrets cannot be read by anybody'
  return new AppError('ERR_VAULT_KEY', { problem, next }, cause)
}
