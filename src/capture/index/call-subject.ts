/**
 * A row of the index as a filter sees it. What the index does not hold, headers and bodies, comes
 * from the record of the exchange, which is read only where an expression asks for it.
 */
import { isUtf8 } from 'node:buffer'

import type { HeaderPairs, Part } from '../../messages/schema.ts'
import type { FilterSubject } from '../../query/filter-subject.ts'
import { decodeBody } from '../../recorded/decoded-body.ts'
import type { ExchangeRecord, RecordedBody, RecordedCall } from '../../recorded/exchange-record.ts'
import type { CallRow } from './search.ts'

const kinds = ['call', 'api', 'mcp', 'http', 'tunnel', 'refused', 'tls'] as const
const verdicts = ['hit', 'partial', 'miss', 'unknown'] as const

/** Thrown out of a match that asks for what only the record holds. */
class RecordWanted extends Error {}

export interface Filter {
  matches(subject: FilterSubject): boolean
}

/** Undefined where that depends on what only the record holds. */
export function matchesRow(filter: Filter, row: CallRow): boolean | undefined {
  try {
    return filter.matches(
      toSubject(row, () => {
        throw new RecordWanted()
      }),
    )
  } catch (error) {
    if (error instanceof RecordWanted) return undefined
    throw error
  }
}

/** `record` is that of the row's exchange; undefined where the capture has none any more. */
export function matchesRecord(
  filter: Filter,
  row: CallRow,
  record: ExchangeRecord | undefined,
): boolean {
  return filter.matches(toSubject(row, () => record))
}

function toSubject(row: CallRow, record: () => ExchangeRecord | undefined): FilterSubject {
  return {
    kind: kinds.find((kind) => kind === row.kind) ?? 'http',
    method: row.method,
    url: row.url,
    host: row.host,
    status: row.status ?? undefined,
    hasResponse: row.has_response === 1,
    isError: row.error !== null || (row.status ?? 0) >= 400,
    agent: row.agent ?? undefined,
    provider: row.provider ?? undefined,
    model: row.model ?? undefined,
    operation: row.operation ?? undefined,
    stop: row.stop ?? undefined,
    cacheVerdict: verdicts.find((verdict) => verdict === row.cache_verdict),
    sessions: [row.session_id, row.client_session_id].filter((id) => id !== null),
    costUsd: row.cost_usd ?? undefined,
    tokens: tokensOf(row),
    ttftMs: row.ttft_ms ?? undefined,
    durationMs: row.duration_ms ?? undefined,
    tools: () => toolsOf(row),
    requestHeaders: () => record()?.started?.headers ?? [],
    responseHeaders: () => record()?.responseStarted?.headers ?? [],
    requestBody: () => {
      const found = record()
      return found === undefined ? '' : bodyText(found.request, found.started?.headers ?? [])
    },
    responseBody: () => {
      const found = record()
      return found === undefined
        ? ''
        : bodyText(found.response, found.responseStarted?.headers ?? [])
    },
    conversation: () => conversationOf(record(), row.call),
  }
}

/** Input, cached or not, and output; undefined where nothing was counted. */
export function tokensOf(row: CallRow): number | undefined {
  if (row.input_tokens === null) return undefined
  const { input_tokens, cache_read_tokens, cache_write_tokens, output_tokens } = row
  return input_tokens + (cache_read_tokens ?? 0) + (cache_write_tokens ?? 0) + (output_tokens ?? 0)
}

export function toolsOf(row: CallRow): string[] {
  return JSON.parse(row.tools) as string[]
}

function bodyText(body: RecordedBody, headers: HeaderPairs): string {
  const { bytes } = decodeBody(body, headers)
  return isUtf8(bytes) ? bytes.toString('utf8') : ''
}

function conversationOf(record: ExchangeRecord | undefined, call: number): string {
  const calls = record?.calls ?? []
  const own = call === -1 ? calls : calls.filter((it) => numberOf(it) === call)
  return own.flatMap(partsOf).map(textOf).join('\n')
}

function partsOf({ called, answered }: RecordedCall): Part[] {
  const asked = called?.messages.flatMap(({ parts }) => parts) ?? []
  const tools = answered?.toolCalls.map((it): Part => ({ ...it, type: 'tool-call' })) ?? []
  return asked.concat(answered?.output ?? [], tools)
}

function numberOf({ called, merged, answered }: RecordedCall): number | undefined {
  return (called ?? merged ?? answered)?.call
}

function textOf(part: Part): string {
  switch (part.type) {
    case 'tool-call':
      return `${part.name} ${part.arguments}`
    case 'media':
      return ''
    default:
      return part.text
  }
}
