/** Rows of the audit as lines for people and as JSON for machines, all at once or as they come. */
import type { AuditDatabase } from '../audit/audit-database.ts'
import { AuditReader } from '../audit/audit-reader.ts'
import type { AuditQuery } from '../audit/audit-reader.ts'
import type { AuditRow } from '../audit/audit-row.ts'
import { visibleLine } from '../base/visible-text.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPlural,
  formatUsd,
  formatWireText,
} from '../run/amounts.ts'
import { createTextOutput } from './capture-output.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { stopSignal } from './stop-signal.ts'

/** How often one who follows looks for more, in ms. */
const followMs = 250

/** `most`: the newest of them; undefined for all. */
export async function printRows(
  context: CliContext,
  audit: AuditDatabase,
  query: AuditQuery,
  { most, isJson }: { readonly most: number | undefined; readonly isJson: boolean },
): Promise<void> {
  const write = createTextOutput(context.stdout)
  const reader = new AuditReader(audit)
  const rows = most === undefined ? reader.rows(query) : reader.newest(query, most)
  let count = 0
  for (const row of rows) {
    count += 1
    if (!(await write(lineOf(row, isJson)))) return
  }
  if (count === 0 && !isJson) createTeller(context)('no such entries')
}

/** Until a signal comes, or nobody reads any more. */
export async function followRows(
  context: CliContext,
  audit: AuditDatabase,
  query: AuditQuery,
  isJson: boolean,
): Promise<void> {
  const write = createTextOutput(context.stdout)
  const reader = new AuditReader(audit)
  const stopped = stopSignal().then(() => true)
  let last = audit.head.count
  for (;;) {
    const found = reader.follow(query, last, performance.now())
    for (const row of found.rows) {
      if (!(await write(lineOf(row, isJson)))) return
    }
    const isCaughtUp = found.last === last
    ;({ last } = found)
    if (!isCaughtUp) continue
    const waited = new Promise<boolean>((resolve) => {
      setTimeout(() => resolve(false), followMs)
    })
    if (await Promise.race([waited, stopped])) return
  }
}

function lineOf(row: AuditRow, isJson: boolean): string {
  if (isJson) return `${JSON.stringify(row)}\n`
  const [when, who, what, on, why, how] = row.kind === 'act' ? actCells(row) : decisionCells(row)
  const cells = [
    when.padEnd(20),
    who.padEnd(12),
    what.padEnd(6),
    on.padEnd(44),
    why.padEnd(16),
    how,
  ]
  return `${cells.join('  ').trimEnd()}\n`
}

type Cells = readonly [string, string, string, string, string, string]

function decisionCells(row: Extract<AuditRow, { kind: 'decision' }>): Cells {
  const place = row.host === undefined ? '' : `${hostText(row.host)}${portText(row)}`
  const method = row.subject === 'connect' ? 'CONNECT' : (row.method ?? '')
  const why = row.rule === undefined ? row.reason : `${row.reason} ${row.rule}`
  return [
    momentText(row.at),
    visibleLine(row.agent ?? '-'),
    row.decision,
    formatWireText(`${method} ${place}${row.path ?? ''}`.trim(), 80) || '-',
    visibleLine(why),
    row.status === undefined || row.outcome !== undefined
      ? outcomeText(row.outcome)
      : String(row.status),
  ]
}

function actCells(row: Extract<AuditRow, { kind: 'act' }>): Cells {
  const { error } = row.outcome ?? {}
  const how = row.outcome === undefined ? 'not known' : error === undefined ? 'done' : error
  return [
    momentText(row.at),
    visibleLine(row.user),
    'act',
    formatWireText(`${row.action} ${row.target ?? ''}`.trim(), 80),
    '',
    visibleLine([how, ...detailTexts(row.details ?? {})].join(' · ')),
  ]
}

/** What was changed to what, as `secret openai`; what is empty says nothing. */
function detailTexts(details: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(details).flatMap(([name, value]) => {
    const text = Array.isArray(value) ? value.join(', ') : String(value)
    return text === '' ? [] : [`${name} ${text}`]
  })
}

function outcomeText(outcome: AuditRow['outcome']): string {
  if (outcome === undefined) return ''
  const { status, bytesUp, bytesDown, durationMs, inputTokens, outputTokens, usd } = outcome
  const parts = [
    status === undefined ? undefined : String(status),
    outcome.error,
    durationMs === undefined ? undefined : formatDuration(durationMs),
    bytesUp === undefined ? undefined : `${formatBytes(bytesUp)} up`,
    bytesDown === undefined ? undefined : `${formatBytes(bytesDown)} down`,
    outcome.models?.join(', '),
    inputTokens === undefined && outputTokens === undefined
      ? undefined
      : `${countText(inputTokens)} in, ${countText(outputTokens)} out`,
    usd === undefined ? undefined : formatUsd(usd),
    outcome.secrets === undefined ? undefined : `with ${outcome.secrets.join(', ')}`,
    tokensText(outcome.tokensReplaced, 'replaced'),
    tokensText(outcome.tokensStripped, 'taken out'),
  ]
  return visibleLine(parts.filter((part) => part !== undefined && part !== '').join(' · '))
}

function tokensText(count: number | undefined, what: string): string | undefined {
  return count === undefined ? undefined : `${formatPlural(count, 'token')} ${what}`
}

function countText(count: number | undefined): string {
  return count === undefined ? '?' : formatCount(count)
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function portText({ port }: { readonly port?: number | undefined }): string {
  return port === undefined || port === 443 ? '' : `:${port}`
}

function momentText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`
}
