/**
 * What the analyzers make of recorded exchanges, counted by host and path: which are recognised as
 * model calls, which streams are merged in full, and whose reported usage is read and priced.
 */
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { providerOf } from '../../analyzers/providers/provider-hosts.ts'
import { parseRecord } from '../../analyzers/wire/json.ts'
import type { AnalysisMsg, Json, MsgOf, Usage } from '../../src/messages/schema.ts'
import type { RecordedExchange } from '../support/recorded-exchanges.ts'
import { specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, runAnalyzers } from '../support/run-analyzers.ts'

export interface CoverageRow {
  /** Without a port. */
  readonly host: string
  readonly method: string
  /** Ids within it as `*`. */
  readonly path: string
  count: number
  /** Told as a model call, and as an operation that runs no model. */
  recognised: number
  operations: number
  /** Answers with events, and those of them that gave a whole answer. */
  streams: number
  merged: number
  /** Answers that hold token counts, and those of them whose usage was read, with the same total. */
  usageReported: number
  usageRead: number
  usageEqual: number
  /** Answers without token counts whose usage was estimated. */
  estimated: number
  priced: number
  /** What was read as wrong, by exchange: for the message of a failed test. */
  readonly problems: string[]
}

/** One row for each method, host and path, in the order of the host. */
export function coverageOf(recordings: readonly RecordedExchange[]): CoverageRow[] {
  const rows = new Map<string, CoverageRow>()
  for (const recording of recordings) {
    const { hostname, pathname } = new URL(recording.request.url)
    const place = {
      host: hostname,
      method: recording.request.method.toUpperCase(),
      path: shortened(pathname),
    }
    const key = Object.values(place).join(' ')
    const row = rows.get(key) ?? { ...place, ...emptyCounts(), problems: [] }
    rows.set(key, row)
    count(row, recording)
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
  const total: CoverageRow = { host, method: '', path: '', ...emptyCounts(), problems: [] }
  for (const row of rows) {
    for (const key of countKeys) total[key] += row[key]
    total.problems.push(...row.problems)
  }
  return total
}

/** The rows as lines of text, under a line of headings. */
export function coverageTable(rows: readonly CoverageRow[], name: string): string {
  const headings = [
    ['count', 'calls', 'operations', 'streams', 'merged'],
    ['usage', 'read', 'equal', 'estimated', 'priced'],
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

const countKeys = [
  'count',
  'recognised',
  'operations',
  'streams',
  'merged',
  'usageReported',
  'usageRead',
  'usageEqual',
  'estimated',
  'priced',
] as const

function emptyCounts(): Record<(typeof countKeys)[number], number> {
  return {
    count: 0,
    recognised: 0,
    operations: 0,
    streams: 0,
    merged: 0,
    usageReported: 0,
    usageRead: 0,
    usageEqual: 0,
    estimated: 0,
    priced: 0,
  }
}

function count(row: CoverageRow, recording: RecordedExchange): void {
  const out = runAnalyzers(defaultAnalyzers(), exchangeMessages(specOf(recording)))
  const [answer] = ofKind(out, 'model-answered')
  const [merged] = ofKind(out, 'stream-merged')
  const isStream = ofKind(out, 'sse-event').length > 0
  const reported = reportedTotals(out)
  const hasUsage = reported.length > 0 && answer !== undefined
  const usage = answer?.usage
  const isRead = usage?.source === 'reported'
  const isEqual = isRead && reported.includes(usage.totalTokens)
  row.count += 1
  row.recognised += Number(answer !== undefined)
  row.operations += Number(ofKind(out, 'operation-performed').length > 0)
  row.streams += Number(isStream)
  row.merged += Number(merged?.complete === true)
  row.usageReported += Number(hasUsage)
  row.usageRead += Number(isRead)
  row.estimated += Number(usage?.source === 'estimated')
  row.usageEqual += Number(isEqual)
  row.priced += Number(answer?.cost?.usd !== undefined)
  row.problems.push(...problemsOf(recording, { isStream, merged, reported, usage, isEqual }))
}

interface Reading {
  readonly isStream: boolean
  readonly merged: MsgOf<'stream-merged'> | undefined
  readonly reported: readonly number[]
  readonly usage: Usage | undefined
  readonly isEqual: boolean
}

function problemsOf({ id }: RecordedExchange, reading: Reading): string[] {
  const { isStream, merged, reported, usage, isEqual } = reading
  const problems: string[] = []
  if (isStream && merged?.complete !== true) {
    problems.push(`${id}: ${merged?.problem ?? 'not merged'}`)
  }
  if (reported.length > 0 && usage !== undefined && !isEqual) {
    problems.push(`${id}: ${usage.totalTokens} of ${reported.join(', ')}`)
  }
  return problems
}

/** Every total that the answer's JSON holds: as sent, and as the sum of the last of its parts. */
function reportedTotals(out: readonly AnalysisMsg[]): number[] {
  const parsed = ofKind(out, 'http-parsed').find(({ direction }) => direction === 'response')
  const numbers: Array<readonly [string, number]> = []
  for (const { data } of ofKind(out, 'sse-event')) collectNumbers(parseRecord(data), 0, numbers)
  collectNumbers(parsed?.json, 0, numbers)
  const last = new Map(numbers)
  const cached = cacheKeys.reduce((sum, key) => sum + (last.get(key) ?? 0), 0)
  const sums = halves.flatMap(([input, output]) => {
    const [sent, back] = [last.get(input), last.get(output)]
    return sent === undefined || back === undefined ? [] : [sent + back + cached]
  })
  const totals = numbers.filter(([key]) => totalKeys.has(key)).map(([, value]) => value)
  // Cohere bills by other counts than those of its tokenizer.
  const billed = /"billed_units":\{"input_tokens":(\d+)(?:\.0)?(?:,"output_tokens":(\d+))?/u.exec(
    textOfAll(out, parsed),
  )
  if (billed !== null) sums.push(Number(billed[1]) + Number(billed[2] ?? 0))
  return [...new Set([...totals, ...sums])].filter((total) => total > 0)
}

function textOfAll(out: readonly AnalysisMsg[], parsed: MsgOf<'http-parsed'> | undefined): string {
  const last = ofKind(out, 'sse-event').at(-1)?.data ?? ''
  return `${JSON.stringify(parsed?.json ?? '')}${last}`
}

const totalKeys = new Set(['total_tokens', 'totalTokens', 'totalTokenCount'])
/** What is sent and what comes back, as the providers name it. */
const halves: ReadonlyArray<readonly [string, string]> = [
  ['prompt_tokens', 'completion_tokens'],
  ['input_tokens', 'output_tokens'],
  ['inputTokens', 'outputTokens'],
  ['promptTokenCount', 'candidatesTokenCount'],
  ['prompt_eval_count', 'eval_count'],
  ['inputTokenCount', 'outputTokenCount'],
  ['input_token_count', 'output_token_count'],
]
/** Anthropic counts them apart from the input. */
const cacheKeys = ['cache_read_input_tokens', 'cache_creation_input_tokens']

/** The numbers within a value, in order; usage never lies deep. */
function collectNumbers(
  value: Json | undefined,
  depth: number,
  found: Array<readonly [string, number]>,
): void {
  if (depth > 6 || typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === 'number') found.push([key, inner])
    else collectNumbers(inner, depth + 1, found)
  }
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
