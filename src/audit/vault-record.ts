/**
 * What the audit knows of the vault: each act that changed it ends with the hash of all that it then
 * said. So an older copy that was put back is told from the present one, and so is one that
 * something else has written to. Whoever can write to both files can make them agree.
 */
import { sql } from 'kysely'

import type { AuditDatabase } from './audit-database.ts'
import { selectEntries } from './audit-database.ts'
import { joinOutcome, outcomeKeyOf, readOutcome, readRow } from './audit-row.ts'
import type { AuditRow } from './audit-row.ts'

/** Where the vault stands by the audit. */
export type VaultStanding =
  /** As the last act left it, or nobody knows: an act was cut off, or none has been recorded. */
  | { readonly type: 'expected' }
  /** As an earlier act left it. `number`: of the entry that says so; `missing`: acts since then. */
  | { readonly type: 'older'; readonly number: number; readonly missing: number }
  /** As no act left it; `number`: of the entry that says how the last one did. */
  | { readonly type: 'changed'; readonly number: number; readonly at: number }
  /** There is none any more. */
  | { readonly type: 'gone'; readonly number: number; readonly at: number }

interface Recorded {
  readonly number: number
  readonly at: number
  readonly vault: string
}

/** How long before the last recorded state an act may have begun that ended after it, or was cut off. */
const mostOverlap = 256
const longestActMs = 60_000

/** How often both are looked at while acts come in between. */
const mostLooks = 8

/**
 * `stateOf`: what says the vault as it is now; undefined where there is none. It is asked again where
 * an act begins or ends meanwhile, for what it said may be of before and what the audit says of after.
 */
export function standingOf(audit: AuditDatabase, stateOf: () => string | undefined): VaultStanding {
  for (let looks = 0; looks < mostLooks; looks += 1) {
    const { count } = audit.head
    const state = stateOf()
    const standing = audit.read(() => {
      const found = compare(audit, state)
      return found.type === 'expected' || !hasActSince(audit, count) ? found : undefined
    })
    if (standing !== undefined) return standing
  }
  return { type: 'expected' }
}

function compare(audit: AuditDatabase, state: string | undefined): VaultStanding {
  const known = recordedStates(audit)
  const last = known.at(-1)
  if (last === undefined || last.vault === state || isUncertain(audit, last)) {
    return { type: 'expected' }
  }
  const { number, at } = last
  if (state === undefined) return { type: 'gone', number, at }
  const index = known.findLastIndex(({ vault }) => vault === state)
  const earlier = known[index]
  if (earlier === undefined) return { type: 'changed', number, at }
  return { type: 'older', number: earlier.number, missing: known.length - 1 - index }
}

/** Whether an act has begun or ended behind entry `number`. */
function hasActSince(audit: AuditDatabase, number: number): boolean {
  const later = audit.prepare<[number]>()(
    selectEntries
      .where('number', '>', number)
      .where((is) =>
        is.or([is('kind', '=', sql.lit('act')), is('ended', 'like', sql.lit('act%'))]),
      ),
  )
  return later.all(number).length > 0
}

/** The state that the last act left; undefined where no act has told it. */
export function lastRecordedState(audit: AuditDatabase): string | undefined {
  return recordedStates(audit).at(-1)?.vault
}

/** As `lastRecordedState`, of what holds: undefined too where an act was cut off since. */
export function lastCertainState(audit: AuditDatabase): string | undefined {
  const last = recordedStates(audit).at(-1)
  return last === undefined || isUncertain(audit, last) ? undefined : last.vault
}

/** By the index of outcomes, where those of acts stand together: decisions are not read. */
function recordedStates(audit: AuditDatabase): Recorded[] {
  const query = selectEntries
    .where('kind', '=', sql.lit('outcome'))
    .where('ended', '>=', sql.lit('act_'))
    .where('ended', '<', sql.lit('act`'))
  return audit
    .prepare<[]>()(query)
    .all()
    .toSorted((a, b) => a.number - b.number)
    .flatMap((entry) => {
      const { at, vault } = readOutcome(entry) ?? {}
      return at === undefined || vault === undefined ? [] : [{ number: entry.number, at, vault }]
    })
}

/** Whether an act on the vault may have been done since then, which nobody told the end of. */
function isUncertain(audit: AuditDatabase, { number, at }: Recorded): boolean {
  const acts = audit.prepare<[string, number]>()(
    selectEntries.where('kind', '=', 'act').where('number', '>', 0),
  )
  const outcome = audit.prepare<[string]>()(
    selectEntries.where('kind', '=', sql.lit('outcome')).where('ended', '=', ''),
  )
  for (const entry of acts.all('act', number - mostOverlap)) {
    const row = readRow(entry)
    if (row === undefined || !isOnVault(row)) continue
    if (row.at < at - longestActMs && row.number < number) continue
    const ended = joinOutcome(row, outcome.get(outcomeKeyOf(row) ?? '')).outcome
    // One that failed changed nothing; a version that told no states may have ended it, too.
    const isTold = ended?.error !== undefined || ended?.vault !== undefined
    if (!isTold && (ended === undefined || ended.number > number)) return true
  }
  return false
}

function isOnVault(row: AuditRow): boolean {
  return row.kind === 'act' && /^(?:secrets|agents|tokens|rules) /u.test(row.action)
}
