/** Where a vault lies; apart, so that a look for one loads no database. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The database in `home`. */
export function vaultPathIn(home: string): string {
  return join(home, 'porthole.db')
}

export function hasVault(home: string): boolean {
  return existsSync(vaultPathIn(home))
}
