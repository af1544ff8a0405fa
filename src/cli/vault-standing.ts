/**
 * Whether the vault is the one that the audit tells of, in one line for whoever looks after it. It
 * is told and never held against anybody: a backup may have been put back on purpose.
 */
import type { AuditDatabase } from '../audit/audit-database.ts'
import { hasAudit, auditPathIn } from '../audit/audit-path.ts'
import type { VaultStanding } from '../audit/vault-record.ts'
import { AppError, errorCodeOf } from '../base/errors.ts'
import type { Settings } from '../config/settings.ts'
import { formatPlural } from '../run/amounts.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { formatMoment } from './vault-commands.ts'

/** Undefined where it is as it should be, and where that cannot be known. Throws nothing of ours. */
export async function standingProblem(
  home: string,
  audit?: AuditDatabase,
): Promise<string | undefined> {
  if (!hasAudit(home)) return undefined
  try {
    const { standingOf } = await import('../audit/vault-record.ts')
    const { vaultStateIn } = await import('../vault/vault-state.ts')
    if (audit !== undefined) return describeStanding(standingOf(audit, () => vaultStateIn(home)))
    const { openAuditDatabase } = await import('../audit/audit-database.ts')
    const opened = openAuditDatabase(auditPathIn(home), { survives: 'system' })
    try {
      return describeStanding(standingOf(opened, () => vaultStateIn(home)))
    } finally {
      opened.close()
    }
  } catch (error) {
    // Whoever needs the one or the other says what is the matter with it.
    const isStored = error instanceof AppError || errorCodeOf(error)?.startsWith('SQLITE_') === true
    if (isStored) return undefined
    throw error
  }
}

/** Tells whoever starts a proxy, unless nothing of it is to be recorded. */
export async function tellStanding(
  context: CliContext,
  home: string,
  { audit }: Pick<Settings, 'audit'>,
): Promise<void> {
  const problem = audit === 'off' ? undefined : await standingProblem(home)
  if (problem !== undefined) createTeller(context)(problem)
}

function describeStanding(standing: VaultStanding): string | undefined {
  switch (standing.type) {
    case 'expected':
      return undefined
    case 'older': {
      const missing = formatPlural(standing.missing, 'later change')
      return (
        `the vault is as it was after entry ${standing.number} of the audit, without ${missing}: ` +
        'an older porthole.db was put back; porthole audit shows what is missing'
      )
    }
    case 'changed':
      return (
        `the vault is not as the audit last saw it (${seen(standing)}): it was changed by other ` +
        'means than porthole, or with PORTHOLE_AUDIT=off'
      )
    case 'gone':
      return `the vault that the audit last saw (${seen(standing)}) is not there: its secrets, agents and rules hold no more`
  }
}

function seen({ number, at }: { readonly number: number; readonly at: number }): string {
  return `entry ${number}, ${formatMoment(at)}`
}
