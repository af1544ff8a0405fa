/** Where the audit lies; apart, so that a look for it loads no database. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The audit in `home`: no part of the vault, whose readers would begin anew at every entry. */
export function auditPathIn(home: string): string {
  return join(home, 'audit.db')
}

export function hasAudit(home: string): boolean {
  return existsSync(auditPathIn(home))
}
