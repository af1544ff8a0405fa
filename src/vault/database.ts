/** `porthole.db`: what a file of the vault is told by, and how its rows are asked for. */
import { createQueryBuilder } from '../base/query-builder.ts'
import type { DatabaseKind, OpenOptions, PrivateDatabase } from '../storage/private-database.ts'
import { openPrivateDatabase } from '../storage/private-database.ts'
import { applicationId, migrations } from './schema.ts'
import type { VaultTables } from './schema.ts'
import { mintId } from './sealing.ts'

export { readerPatienceMs } from '../storage/private-database.ts'

/** Builds typed queries; it runs none. */
export const sql = createQueryBuilder<VaultTables>()

export type VaultDatabase = PrivateDatabase

const vaultKind: DatabaseKind = {
  applicationId,
  migrations,
  synchronous: 'full',
  erases: true,
  seed: () => ({ sql: 'insert into vault (one, id) values (1, ?)', values: [mintId('vault')] }),
  errors: { mode: 'ERR_VAULT_MODE', unusable: 'ERR_VAULT_UNUSABLE', newer: 'ERR_VAULT_NEWER' },
}

/**
 * Opens the database; `create` makes it where there is none. Throws `ERR_VAULT_MODE`,
 * `ERR_VAULT_UNUSABLE`, `ERR_VAULT_NEWER`, `ERR_HOME_UNWRITABLE`.
 */
export function openVaultDatabase(path: string, options: OpenOptions = {}): VaultDatabase {
  return openPrivateDatabase(vaultKind, path, options)
}
