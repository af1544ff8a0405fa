/**
 * What the analyzers make of recorded exchanges, counted by host and path: which are recognised as
 * model calls, which streams are merged to what the provider's own SDK makes of them, and whose
 * reported usage is read, to the token, and priced. The references are read apart from the analyzers.
 */
import { isDeepStrictEqual } from 'node:util'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import { providerOf } from '../../analyzers/providers/provider-hosts.ts'
import type { AnalysisMsg, MsgOf, Usage } from '../../src/messages/schema.ts'
import { comparable, mergedByOracle } from '../support/merge-oracle.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import { specOf } from '../support/recorded-exchanges.ts'
import type { ReportedCounts } from '../support/reported-counts.ts'
import { reportedCounts } from '../support/reported-counts.ts'
import { exchangeMessages, ofKind, runAnalyzers } from '../support/run-analyzers.ts'

export interface CoverageRow {
  /** Without a port. */
  readonly host: string
  readonly method: string
  /** Ids within it as `*`. */
  readonly path: string
  count: number
  /** Told as a model call, as an operation that runs no model, and as neither. */
  recognised: number
  operations: number
  unseen: number
  /** Answers with events, those of them that gave a whole answer, and the one that the SDK gives. */
  streams: number
  merged: number
  mergedAsSdk: number
  /** Answers of calls that report token counts, and those whose usage is the same, part by part. */
  usageReported: number
  usageEqual: number
  /** Answers without token counts whose usage was estimated. */
  estimated: number
  priced: number
  /** Exchanges in which an analyzer threw, and bodies that nothing could be made of. */
  failures: number
  opaque: number
  /** What the operations are called. */
  readonly names: Set<string>
  /** What was read as wrong, by exchange: for the message of a failed test. */
  readonly problems: string[]
}

/** One row for each method, host and path, in the order of the host. */
export async function coverageOf(recordings: readonly RecordedExchange[]): Promise<CoverageRow[]> {
  const rows = new Map<string, CoverageRow>()
  for (const recording of recordings) {
    const { hostname, pathname } = new URL(recording.request.url)
    const place = {
      host: hostname,
      method: recording.request.method.toUpperCase(),
      path: shortened(pathname),
    }
    const key = Object.values(place).join(' ')
    const row = rows.get(key) ?? { ...place, ...emptyCounts(), names: new Set(), problems: [] }
    rows.set(key, row)
    await count(row, recording)
  }
  return [...rows.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
}

/** One row for each provider. */
export function byProvider(rows: readonly CoverageRow[]): CoverageRow[] {
  const groups = Map.groupBy(rows, ({ host }) => providerOf(host))
  return [...groups].map(([provider, group]) => totalOf(group, provider))
}

/** The sum of some rows. */
export function totalOf(rows: readonly CoverageRow[], host: string = 'total'): CoverageRow {
  const total: CoverageRow = {
    host,
    method: '',
    path: '',
    ...emptyCounts(),
    names: new Set(rows.flatMap(({ names }) => [...names])),
    problems: [],
  }
  for (const row of rows) {
    for (const key of countKeys) total[key] += row[key]
    total.problems.push(...row.problems)
  }
  return total
}

/** The rows as lines of text, under a line of headings. */
export function coverageTable(rows: readonly CoverageRow[], name: string): string {
  const headings = [
    ['exchanges', 'calls', 'operations', 'neither'],
    ['streams', 'merged', 'as SDK', 'usage', 'equal', 'estimated', 'priced', 'failures', 'opaque'],
  ].flat()
  const widths = headings.map((heading) => Math.max(6, heading.length) + 1)
  const line = (cells: ReadonlyArray<string | number>, label: string): string =>
    `${cells.map((cell, index) => String(cell).padStart(widths[index] ?? 0)).join('')}  ${label}`
  return [
    line(headings, name),
    ...rows.map((row) =>
      line(
        countKeys.map((key) => row[key]),
        `${row.method} ${row.host}${row.path}`.trim(),
      ),
    ),
  ].join('\n')
}

/** What is no model call, and why: one line for each method, host and path. */
export function othersTable(rows: readonly CoverageRow[]): string {
  return rows
    .filter(({ count, recognised }) => recognised < count)
    .map(({ method, host, path, count, recognised, names }) => {
      const why = names.size === 0 ? 'not known' : `runs no model: ${[...names].join(', ')}`
      return `${String(count - recognised).padStart(10)}  ${method} ${host}${path}  ${why}`
    })
    .join('\n')
}

const countKeys = [
  'count',
  'recognised',
  'operations',
  'unseen',
  'streams',
  'merged',
  'mergedAsSdk',
  'usageReported',
  'usageEqual',
  'estimated',
  'priced',
  'failures',
  'opaque',
] as const

function emptyCounts(): Record<(typeof countKeys)[number], number> {
  const none = countKeys.map((key) => [key, 0] as const)
  return Object.fromEntries(none) as Record<(typeof countKeys)[number], number>
}

async function count(row: CoverageRow, recording: RecordedExchange): Promise<void> {
  row.count += 1
  let out: AnalysisMsg[]
  try {
    out = runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))
  } catch (error) {
    row.failures += 1
    row.problems.push(`${recording.id}: ${String(error)}`)
    return
  }
  const [answer] = ofKind(out, 'model-answered')
  const operations = ofKind(out, 'operation-performed')
  for (const { operation } of operations) row.names.add(operation)
  row.recognised += Number(answer !== undefined)
  row.operations += Number(operations.length > 0)
  row.unseen += Number(answer === undefined && operations.length === 0)
  row.opaque += Number(ofKind(out, 'http-parsed').some(({ base64 }) => base64 !== undefined))
  row.estimated += Number(answer?.usage?.source === 'estimated')
  row.priced += Number(answer?.cost?.usd !== undefined)
  await countStream(row, recording, out)
  if (answer !== undefined) countUsage(row, recording, answer)
}

async function countStream(
  row: CoverageRow,
  recording: RecordedExchange,
  out: readonly AnalysisMsg[],
): Promise<void> {
  if (ofKind(out, 'sse-event').length === 0) return
  const [merged] = ofKind(out, 'stream-merged')
  row.streams += 1
  if (merged?.complete !== true) {
    row.problems.push(`${recording.id}: ${merged?.problem ?? 'not merged'}`)
    return
  }
  row.merged += 1
  const expected = await mergedByOracle(recording, merged.format)
  const isEqual = isDeepStrictEqual(comparable(merged), JSON.parse(JSON.stringify(expected)))
  row.mergedAsSdk += Number(isEqual)
  if (!isEqual) row.problems.push(`${recording.id}: merged to something else than by the SDK`)
}

function countUsage(
  row: CoverageRow,
  recording: RecordedExchange,
  { usage }: MsgOf<'model-answered'>,
): void {
  const reported = reportedCounts(recording)
  const read = usage?.source === 'reported' ? countsOf(usage) : undefined
  const isEqual = isDeepStrictEqual(read, reported)
  row.usageReported += Number(reported !== undefined)
  row.usageEqual += Number(isEqual && reported !== undefined)
  if (!isEqual) {
    row.problems.push(
      `${recording.id}: read ${JSON.stringify(read)} of ${JSON.stringify(reported)}`,
    )
  }
}

function countsOf(usage: Usage): ReportedCounts {
  const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = usage
  return { sent: inputTokens + cacheReadTokens + cacheWriteTokens, back: outputTokens }
}

/** Ids and versions differ from call to call; Azure's deployments and models are names. */
function shortened(path: string): string {
  return path
    .split('/')
    .map((segment) =>
      /^(?:[a-z]+_)?[\da-zA-Z-]{20,}$/u.test(segment) && /\d/u.test(segment) ? '*' : segment,
    )
    .join('/')
}
