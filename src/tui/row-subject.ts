/** A row as a filter sees it, and a test of rows that asks each row once for each of its versions. */
import type { HeaderPairs } from '../messages/schema.ts'
import type { FilterSubject } from '../query/filter-subject.ts'
import type { Filter } from '../query/filter.ts'
import { decodedBytes, textOf } from './body-content.ts'
import type { Body, Row } from './row.ts'
import { addTallies } from './row.ts'

/** For one filter: another filter takes another test. */
export function createRowTest(filter: Filter): (row: Row) => boolean {
  if (filter.text.trim() === '') return () => true
  const verdicts = new WeakMap<Row, { readonly version: number; readonly matches: boolean }>()
  return (row) => {
    const known = verdicts.get(row)
    if (known?.version === row.version) return known.matches
    const matches = filter.matches(subjectOf(row))
    verdicts.set(row, { version: row.version, matches })
    return matches
  }
}

export function subjectOf(row: Row): FilterSubject {
  const { inputTokens, outputTokens, counted, known, usd } = addTallies(row.settled, row.current)
  const { detail } = row
  return {
    kind: row.kind,
    method: row.method,
    url: row.url,
    host: hostOf(row),
    status: row.status,
    hasResponse: row.status !== undefined,
    isError: row.phase === 'failed' || (row.status ?? 0) >= 400,
    agent: row.agent,
    provider: row.provider,
    model: row.model,
    operation: row.operation,
    stop: row.finishReason,
    cacheVerdict: row.cacheVerdict,
    sessions: row.sessions,
    costUsd: known > 0 ? usd : undefined,
    tokens: counted ? inputTokens + outputTokens : undefined,
    ttftMs: row.ttftMs,
    durationMs: row.durationMs,
    tools: () => row.toolNames,
    requestHeaders: () => detail?.requestHeaders ?? [],
    responseHeaders: () => detail?.responseHeaders ?? [],
    requestBody: () => bodyText(detail?.request, detail?.requestHeaders),
    responseBody: () => bodyText(detail?.response, detail?.responseHeaders),
    conversation: () => `${row.prompt}\n${row.answer}`,
  }
}

/** Rows of tunnels hold the port in any case, those of exchanges not at all. */
function hostOf({ host, url }: Row): string {
  if (url === '') return host.replace(/:443$/u, '')
  return URL.parse(url)?.host ?? host
}

function bodyText(body: Body | undefined, headers: HeaderPairs = []): string {
  if (body === undefined) return ''
  const { parsed } = body
  if (parsed?.text !== undefined) return parsed.text
  if (parsed?.json !== undefined) return JSON.stringify(parsed.json)
  if (parsed?.form !== undefined) return parsed.form.map(({ text }) => text ?? '').join('\n')
  return textOf(decodedBytes(body, headers)) ?? ''
}
