/**
 * The values of all secrets in a form in which they can be found and not read (`ValueScanner`), so
 * that none is written down wherever it turns up. Each is opened once, when the vault is first read
 * and when it has changed; what a reference leads to is added when somebody has followed it.
 */
import { randomBytes } from 'node:crypto'

import { seedBytes, ValueScanner } from '../policy/value-scanner.ts'
import type { SecretRow } from './schema.ts'
import type { DataKey } from './sealing.ts'
import { openRow } from './secret-rows.ts'
import type { VaultSnapshot } from './vault-reader.ts'

export class VaultValues {
  readonly scanner = new ValueScanner(randomBytes(seedBytes))
  readonly #taken = new WeakSet<VaultSnapshot>()
  /** Versions of secrets that are known. */
  readonly #known = new Set<string>()

  /** Adds what is new in a snapshot whose manifest holds. */
  take(snapshot: VaultSnapshot, key: DataKey): void {
    if (this.#taken.has(snapshot)) return
    this.#taken.add(snapshot)
    if (this.scanner.isFull) {
      this.scanner.clear()
      this.#known.clear()
    }
    for (const row of snapshot.rows.secrets) {
      const version = `${row.id} ${row.version}`
      if (row.kind !== 'value' || this.#known.has(version)) continue
      this.#known.add(version)
      const value = readable(row, key, snapshot.rows.vaultId)
      if (value !== undefined) this.scanner.add(row.name, value)
    }
  }

  /** What a reference led to. */
  followed(name: string, value: string): void {
    this.scanner.add(name, value)
  }
}

/** A secret that does not open is refused where it is to be used; here it is none. */
function readable(row: SecretRow, key: DataKey, vaultId: string): string | undefined {
  try {
    return openRow(row, key, vaultId)
  } catch {
    return undefined
  }
}
