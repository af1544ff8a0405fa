/**
 * The audit as a proxy keeps it, by its settings: on as soon as there is somebody to tell apart or
 * something to keep, unless it was said otherwise. What goes wrong with it is told on stderr.
 */
import { userInfo } from 'node:os'

import type { AuditLog, AuditProblem } from '../audit/audit-log.ts'
import { auditPathIn } from '../audit/audit-path.ts'
import { createSystemClock } from '../base/clock.ts'
import type { Settings } from '../config/settings.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { CliContext } from './context.ts'

/** How often a vault that is not there yet is looked for, in ms. */
const lookMs = 500

interface AuditedSession {
  readonly settings: Pick<Settings, 'audit' | 'credentials' | 'rules'>
  readonly home: string
  /** Whether it reads a vault, or will as soon as there is one. */
  readonly usesVault: boolean
}

/**
 * Undefined where nothing will be recorded. Throws `ERR_AUDIT_…` where a record is demanded and
 * cannot be made.
 */
export async function openSessionAudit(
  context: Pick<CliContext, 'pid'>,
  { settings, home, usesVault }: AuditedSession,
  tell: (line: string) => void,
): Promise<AuditLog | undefined> {
  const { audit, credentials, rules } = settings
  const isUsed = credentials.length > 0 || rules.length > 0
  const isOn = audit === 'on' || audit === 'require' || isUsed
  if (audit === 'off' || (!isOn && !usesVault)) return undefined
  // Loaded here, so that no other proxy pays for a database.
  const { AuditLog } = await import('../audit/audit-log.ts')
  const clock = createSystemClock()
  let lookedMs = -Infinity
  const log = new AuditLog({
    path: auditPathIn(home),
    clock,
    pid: context.pid,
    user: currentUser(),
    isOn: () => {
      if (isOn) return true
      if (clock.monotonicMs() - lookedMs < lookMs) return false
      lookedMs = clock.monotonicMs()
      return hasVault(home)
    },
    isDemanded: audit === 'require',
    onProblem: (problem) => tell(describeProblem(problem, audit === 'require')),
  })
  log.open()
  return log
}

/** The name of whoever runs this, or the number where there is no account. */
export function currentUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

function describeProblem(problem: AuditProblem, isDemanded: boolean): string {
  switch (problem.type) {
    case 'failing': {
      const then = isDemanded ? 'requests are refused' : 'traffic goes on, entries wait'
      return `the audit cannot be written: ${problem.message}; ${then}`
    }
    case 'recovered':
      return `the audit can be written again; ${problem.lost} entries were lost`
    case 'moved':
      return 'the audit was moved away or replaced; what follows goes to where it was'
    case 'lost':
      return `the audit lost its last ${problem.count} entries`
  }
}
