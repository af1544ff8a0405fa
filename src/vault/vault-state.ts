/**
 * All that a vault says, as one hash: whoever kept it can tell later whether it is still the same.
 * It is made of rows as they are stored, so that no key is needed; what it says of values is what
 * their ciphertexts say.
 */
import { createHash } from 'node:crypto'

import { openVaultDatabase, sql } from './database.ts'
import type { VaultDatabase } from './database.ts'
import { hasVault, vaultPathIn } from './vault-path.ts'

/**
 * SHA-256 of the vault in `home` as it is now, in hexadecimal digits; undefined where there is none.
 * Throws `ERR_VAULT_…`.
 */
export function vaultStateIn(home: string): string | undefined {
  if (!hasVault(home)) return undefined
  const database = openVaultDatabase(vaultPathIn(home), { skipCheck: true })
  try {
    return database.read(() => hashRows(database))
  } finally {
    database.close()
  }
}

function hashRows(database: VaultDatabase): string {
  const tables = {
    vault: database.all(sql.selectFrom('vault').selectAll()),
    data_keys: database.all(sql.selectFrom('data_keys').selectAll()),
    secrets: database.all(sql.selectFrom('secrets').selectAll()),
    agents: database.all(sql.selectFrom('agents').selectAll()),
    grants: database.all(sql.selectFrom('grants').selectAll()),
    rules: database.all(sql.selectFrom('rules').selectAll()),
    tokens: database.all(sql.selectFrom('tokens').selectAll()),
  }
  const lines = Object.entries(tables).flatMap(([table, rows]) =>
    rows.map((row) => JSON.stringify([table, ...Object.entries(row).flatMap(writeColumn)])),
  )
  const hash = createHash('sha256').update('porthole-vault-1\n')
  for (const line of lines.toSorted()) hash.update(`${line}\n`)
  return hash.digest('hex')
}

/** Columns without a value are left out: one that a later version adds changes nothing by itself. */
function writeColumn([name, value]: [string, unknown]): Array<[string, unknown]> {
  if (value === null) return []
  return [[name, Buffer.isBuffer(value) ? value.toString('base64') : value]]
}
