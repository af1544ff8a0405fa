/** An audit in a fresh folder, entries to put into it, and raw SQL to tamper with it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'

import { openAuditDatabase } from '../../src/audit/audit-database.ts'
import type { AuditDatabase } from '../../src/audit/audit-database.ts'
import { encodeAct, encodeDecision, encodeOutcome } from '../../src/audit/entry.ts'
import type { Decision, Outcome } from '../../src/policy/decision-log.ts'

export const session = { pid: 7, startedAt: 1000 }

export interface AuditUnderTest {
  readonly home: string
  readonly path: string
  readonly audit: AuditDatabase
  /** Runs SQL as somebody else than Porthole does. */
  tamper(sql: string): void
  close(): Promise<void>
}

export async function makeAudit(): Promise<AuditUnderTest> {
  const home = await mkdtemp(join(tmpdir(), 'porthole-audit-'))
  const path = join(home, 'audit.db')
  const audit = openAuditDatabase(path, { create: true, survives: 'system' })
  return {
    home,
    path,
    audit,
    tamper: (sql) => {
      const raw = new Sqlite(path).unsafeMode(true)
      raw.exec(sql)
      raw.close()
    },
    close: async () => {
      audit.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

export function decision(over: Partial<Decision> = {}): Decision {
  return {
    connectionId: 'c1',
    exchangeId: 'x1',
    agent: 'ci',
    subject: 'request',
    host: 'api.openai.com',
    port: 443,
    method: 'GET',
    path: '/v1/models',
    decision: 'allow',
    reason: 'allowlisted',
    ...over,
  }
}

export function outcome(over: Partial<Outcome> = {}): Outcome {
  return {
    exchangeId: 'x1',
    status: 200,
    bytesUp: 10,
    bytesDown: 20,
    durationMs: 5,
    models: [],
    secrets: [],
    tokensReplaced: 0,
    tokensStripped: 0,
    ...over,
  }
}

export const decisionBody = (over: Partial<Decision> = {}, at = 5000): string =>
  encodeDecision(decision(over), at, session)
export const outcomeBody = (over: Partial<Outcome> = {}, at = 6000): string =>
  encodeOutcome(outcome(over), at, session)
export const actBody = (id: string, at = 5000): string =>
  encodeAct({ user: 'alice', action: 'agents add', target: 'ci' }, id, at, session)
