/**
 * The data key: opened once and kept in memory, found again when another process has changed it.
 * It is random, and sealed in the database by a key that comes from elsewhere (`key-sources.ts`).
 */
import { createSecretKey, timingSafeEqual } from 'node:crypto'

import { AppError } from '../base/errors.ts'
import type { VaultDatabase } from './database.ts'
import { sql } from './database.ts'
import { keepInKeyFile, keyFileIn } from './key-file.ts'
import type { KeyEnvironment, SealingKey } from './key-sources.ts'
import {
  dropSealingKey,
  findSealingKey,
  sealingKeyName,
  storeSealingKey,
  wrongKey,
} from './key-sources.ts'
import type { DataKeyRow, SecretRow } from './schema.ts'
import type { DataKey } from './sealing.ts'
import { mintId, mintKey, seal, unseal } from './sealing.ts'
import { dataKeyBinding, sealManifest } from './secret-rows.ts'

export class Keyring {
  readonly environment: KeyEnvironment
  #known: { readonly sealed: Buffer; readonly key: DataKey } | undefined
  #opening: { readonly sealed: Buffer; readonly key: Promise<DataKey> } | undefined

  constructor(environment: KeyEnvironment) {
    this.environment = environment
  }

  /** At once where it is known; else from its source. Throws, or rejects with, `ERR_VAULT_KEY`. */
  open(row: DataKeyRow, vaultId: string): DataKey | Promise<DataKey> {
    if (this.#known !== undefined && isSame(this.#known.sealed, row.sealed)) return this.#known.key
    if (this.#opening !== undefined && isSame(this.#opening.sealed, row.sealed)) {
      return this.#opening.key
    }
    const key = this.#find(row, vaultId)
    this.#opening = { sealed: row.sealed, key }
    const forget = (): void => {
      if (this.#opening?.key === key) this.#opening = undefined
    }
    key.then(forget, forget)
    return key
  }

  async #find(row: DataKeyRow, vaultId: string): Promise<DataKey> {
    const outer = await findSealingKey(row.source, row.parameters, this.environment)
    const bytes = unseal(outer, row.sealed, dataKeyBinding(row, vaultId))
    outer.fill(0)
    if (bytes === undefined) throw wrongKey(row.source)
    const key = dataKey(row.id, bytes)
    this.#known = { sealed: row.sealed, key }
    return key
  }

  /** A new data key under `outer`, which is stored first. Within the vault's lock. */
  async mint(outer: SealingKey, vaultId: string, now: number): Promise<[DataKeyRow, DataKey]> {
    await storeSealingKey(outer, this.environment)
    const bytes = mintKey()
    const id = mintId('dek')
    const { source, parameters } = outer
    const row = { id, source, parameters, created_at: now }
    const sealed = seal(outer.bytes, bytes, dataKeyBinding(row, vaultId))
    const key = dataKey(id, bytes)
    this.#known = { sealed, key }
    return [{ ...row, sealed, manifest: sealManifest([], key, vaultId) }, key]
  }

  /** Drops the keys that nothing is sealed with any more. Within the vault's lock. */
  async prune(row: DataKeyRow, before: DataKeyRow): Promise<void> {
    const id = row.source === 'file' ? sealingKeyName(row.parameters) : undefined
    await keepInKeyFile(keyFileIn(this.environment.home), id)
    const isReplaced = row.source !== before.source || row.parameters !== before.parameters
    if (isReplaced) await dropSealingKey(before, this.environment)
  }
}

/** Everything that the database says of secrets, as of one moment. */
export interface VaultRows {
  readonly vaultId: string
  /** Undefined before the first secret. */
  readonly dataKey: DataKeyRow | undefined
  readonly secrets: readonly SecretRow[]
}

/** Throws `ERR_VAULT_TAMPERED` where what must be there is not. */
export function readVault(database: VaultDatabase): VaultRows {
  const vault = database.first(sql.selectFrom('vault').selectAll())
  const dataKeys = database.all(sql.selectFrom('data_keys').selectAll())
  const secrets = database.all(sql.selectFrom('secrets').selectAll().orderBy('name'))
  const isWhole = dataKeys.length === 1 || (dataKeys.length === 0 && secrets.length === 0)
  if (vault === undefined || !isWhole) {
    throw new AppError('ERR_VAULT_TAMPERED', { what: 'as a whole' })
  }
  return { vaultId: vault.id, dataKey: dataKeys[0], secrets }
}

/** Wipes `bytes`. */
function dataKey(id: string, bytes: Buffer): DataKey {
  const key = { id, secret: createSecretKey(bytes) }
  bytes.fill(0)
  return key
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}
