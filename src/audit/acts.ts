/**
 * Acts of the command line: recorded before they are done, and how they ended after. Both are on
 * the disk before the command acknowledges anything; an act that cannot be recorded is not done.
 */
import { AppError, describeError } from '../base/errors.ts'
import { readableStorageError } from '../storage/sqlite-errors.ts'
import { openAuditDatabase, selectEntries } from './audit-database.ts'
import type { AuditDatabase } from './audit-database.ts'
import { timeOf } from './audit-reader.ts'
import { encodeAct, encodeActOutcome, newActId } from './entry.ts'
import type { Act, AuditSession } from './entry.ts'
import { lastCertainState, lastRecordedState } from './vault-record.ts'

export interface ActOptions {
  readonly path: string
  readonly pid: number
  /** Wall clock, in epoch milliseconds. */
  readonly now: () => number
  /** The hash of all that the vault says, for acts on it. */
  readonly vaultState?: (() => string | undefined) | undefined
}

/**
 * Does `work` as an act of the audit, which is made where there is none. Throws what `work` throws,
 * which is recorded by its code, `ERR_AUDIT_…` and `ERR_HOME_UNWRITABLE`.
 */
export async function recordAct<T>(
  options: ActOptions,
  act: Act,
  work: () => Promise<T> | T,
): Promise<T> {
  const audit = openForActs(options.path, true)
  try {
    const session = sessionOf(options)
    const id = newActId()
    readably(options.path, () => audit.append([encodeAct(act, id, options.now(), session)]))
    const before = readableState(options)
    const end = (error?: string): void => {
      readably(options.path, () =>
        audit.appendNow(() => {
          const vault = error === undefined ? options.vaultState?.() : changedState(options, before)
          return encodeActOutcome(id, { error, vault }, options.now(), session)
        }),
      )
    }
    let result: T
    try {
      result = await work()
    } catch (error) {
      // What was the matter is what the user is to hear of, and not that it cannot be recorded.
      try {
        end(error instanceof AppError ? error.code : 'failed')
      } catch {
        // The act stands there without an end: nobody claims that it was done.
      }
      throw error
    }
    try {
      end()
    } catch (error) {
      throw new AppError('ERR_AUDIT_UNENDED', { action: act.action, problem: describeError(error) })
    }
    return result
  } finally {
    audit.close()
  }
}

/**
 * Removes entries from before `before`, in epoch milliseconds, all or none of those that were
 * appended up to the last of them in a row; how many. The record of that is what the chain then begins from.
 */
export function pruneAudit(
  options: ActOptions,
  { user, before }: { readonly user: string; readonly before: number },
): number {
  const audit = openForActs(options.path, false)
  try {
    const { pruned } = audit.chain
    const upTo = lastOlderThan(audit, before)
    if (upTo <= pruned) return 0
    const id = newActId()
    // What was known of the vault stays known, and what nobody knows is not claimed.
    const known = audit.read(() => lastCertainState(audit))
    audit.removeUpTo(upTo, ({ count, hash }) => {
      const details = { entries: count - pruned, upTo: count, hash, before }
      return encodeAct(
        { user, action: 'audit prune', details },
        id,
        options.now(),
        sessionOf(options),
      )
    })
    audit.appendNow(() => {
      // What is left, or was told meanwhile, says it itself.
      const vault = lastRecordedState(audit) === undefined ? known : undefined
      return encodeActOutcome(id, { vault }, options.now(), sessionOf(options))
    })
    return upTo - pruned
  } catch (error) {
    throw readableStorageError('ERR_AUDIT_UNUSABLE', options.path, error)
  } finally {
    audit.close()
  }
}

/** Undefined too where it cannot be read, of which whoever changes it hears. */
function readableState({ vaultState }: ActOptions): string | undefined {
  try {
    return vaultState?.()
  } catch {
    return undefined
  }
}

/** An act may fail after it has changed the vault; of one that it has not, it has nothing to tell. */
function changedState(options: ActOptions, before: string | undefined): string | undefined {
  const state = readableState(options)
  return state === before ? undefined : state
}

/** Throws what SQLite throws as errors that a user can act upon. */
function readably<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw readableStorageError('ERR_AUDIT_UNUSABLE', path, error)
  }
}

function openForActs(path: string, create: boolean): AuditDatabase {
  return openAuditDatabase(path, { create, survives: 'system' })
}

function lastOlderThan(audit: AuditDatabase, before: number): number {
  const entries = audit.prepare<[]>()(selectEntries.orderBy('number'))
  let last = 0
  for (const entry of entries.iterate()) {
    if (timeOf(entry) >= before) break
    last = entry.number
  }
  return last
}

function sessionOf({ pid, now }: ActOptions): AuditSession {
  return { pid, startedAt: now() }
}
