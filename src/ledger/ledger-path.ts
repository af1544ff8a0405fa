/** Where the ledger lies; apart, so that a look for it loads no database. */
import { join } from 'node:path'

/** The ledger in `home`: no part of the vault, whose readers would begin anew at every call. */
export function ledgerPathIn(home: string): string {
  return join(home, 'ledger.db')
}
