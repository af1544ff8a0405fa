/** Does what `porthole search` asks for; every text from a capture is made safe to print. */
import { describeError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { capturesFolder } from '../capture/capture-path.ts'
import { listCaptureSets } from '../capture/capture-sets.ts'
import { tokensOf, toolsOf } from '../capture/index/call-subject.ts'
import { dropIndex } from '../capture/index/capture-index.ts'
import type { IndexDatabase } from '../capture/index/database.ts'
import { searchCalls } from '../capture/index/filtered-search.ts'
import { toMatch } from '../capture/index/search-query.ts'
import type { CallRow } from '../capture/index/search.ts'
import { found, snippetOf } from '../capture/index/search.ts'
import { formatPlural, formatWireText } from '../run/amounts.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { withCurrentIndex } from './indexed-captures.ts'
import type { SearchRequest } from './search.ts'
import { usage } from './search.ts'

export async function search(
  context: CliContext,
  home: string,
  request: SearchRequest,
): Promise<void> {
  const match = toMatch(request.text)
  if (match === undefined && request.text.trim() !== '') {
    throw usage(
      'there is no word to search for',
      'write words, "a phrase" or the beginning of a word*',
    )
  }
  const folder = capturesFolder(home)
  if (request.rebuild) await dropIndex(folder)
  await withCurrentIndex(context, home, async (db) => {
    await printHits(context, db, folder, { ...request, match })
  })
}

async function printHits(
  context: CliContext,
  db: IndexDatabase,
  folder: string,
  request: SearchRequest & { readonly match: string | undefined },
): Promise<void> {
  const { match, filter, limit, sinceMs } = request
  const tell = createTeller(context)
  const sets = await listCaptureSets(folder)
  const since = sinceMs === undefined ? undefined : Date.now() - sinceMs
  const result = await searchCalls(db, sets, { match, filter, limit, since })
  const isStyled = context.stdout.isTTY && (context.env['NO_COLOR'] ?? '') === ''
  for (const row of result.rows) {
    const path = sets.find(({ name }) => name === row.capture)?.path ?? row.capture
    const snippet = snippetOf(db, row.id, match)
    const line = request.json
      ? JSON.stringify(toJson(row, path, snippet))
      : toLine(row, path, snippet, isStyled)
    context.stdout.write(`${line}\n`)
  }
  for (const { name, error } of result.unreadable) tell(`${name}: ${describeError(error)}`)
  if ((filter?.skipped ?? 0) > 0) {
    tell(`texts that took the filter too long: ${filter?.skipped}; they count as no match`)
  }
  if (result.rows.length === 0) tell(`nothing found in ${formatPlural(sets.length, 'capture')}`)
  if (result.hasMore) tell(`more is found; see it with --limit ${limit * 10}`)
}

function toLine(row: CallRow, path: string, snippet: string, isStyled: boolean): string {
  const cells = [
    localTime(row.at),
    formatWireText(row.model ?? `${row.method} ${row.host}`, 40),
    formatWireText(row.client_session_id ?? row.session_id ?? '-', 16),
    styled(snippet === '' ? (row.error ?? row.url) : snippet, isStyled),
    visibleLine(path),
    visibleLine(row.exchange_id),
  ]
  return cells.join('  ')
}

/** Spaces run together; what was found stands out on a terminal. */
function styled(snippet: string, isStyled: boolean): string {
  return snippet
    .replaceAll(/\s+/gu, ' ')
    .trim()
    .split(/(\u0002[^\u0003]*\u0003)/u)
    .map((piece) => {
      const isHit = piece.startsWith(found.begin) && piece.endsWith(found.end)
      const text = visibleLine(withoutMarks(piece))
      return isHit && isStyled ? `\u001B[1m${text}\u001B[22m` : text
    })
    .join('')
}

function withoutMarks(text: string): string {
  return text.replaceAll(found.begin, '').replaceAll(found.end, '')
}

/** Columns by the name that they have as JSON; what is not known is left out. */
const jsonColumns = {
  at: 'at',
  exchangeId: 'exchange_id',
  kind: 'kind',
  method: 'method',
  url: 'url',
  status: 'status',
  agent: 'agent',
  provider: 'provider',
  operation: 'operation',
  model: 'model',
  sessionId: 'session_id',
  clientSessionId: 'client_session_id',
  branch: 'branch',
  branchId: 'branch_id',
  turn: 'turn',
  attempt: 'attempt',
  stop: 'stop',
  error: 'error',
  ttftMs: 'ttft_ms',
  durationMs: 'duration_ms',
  inputTokens: 'input_tokens',
  cacheReadTokens: 'cache_read_tokens',
  cacheWriteTokens: 'cache_write_tokens',
  outputTokens: 'output_tokens',
  reasoningTokens: 'reasoning_tokens',
  usageSource: 'usage_source',
  costUsd: 'cost_usd',
  costConfidence: 'cost_confidence',
  cacheVerdict: 'cache_verdict',
  cacheReason: 'cache_reason',
} as const satisfies Readonly<Record<string, keyof CallRow>>

function toJson(row: CallRow, path: string, snippet: string): Readonly<Record<string, unknown>> {
  const known = Object.entries(jsonColumns)
    .map(([name, column]) => [name, row[column]] as const)
    .filter(([, value]) => value !== null)
  return {
    capture: path,
    ...Object.fromEntries(known),
    ...(row.call === -1 ? {} : { call: row.call }),
    tokens: tokensOf(row),
    tools: toolsOf(row),
    snippet: withoutMarks(snippet),
  }
}

/** `2026-11-22 05:10:11`, as the clock on the wall said. */
export function localTime(at: number): string {
  const date = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
