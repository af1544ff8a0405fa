/**
 * What a filter is told of a record, as the viewer would tell it of the same exchange. Where an
 * exchange carries several calls, over a WebSocket, each of them is a subject of its own.
 */
import type { HeaderPairs, MsgOf, Part } from '../messages/schema.ts'
import { sentTokens } from '../messages/sent-tokens.ts'
import type { FilterSubject } from '../query/filter-subject.ts'
import type { Filter } from '../query/filter.ts'
import { maxTextLength } from '../query/text-pattern.ts'
import { decodeBody } from './decoded-body.ts'
import type { ExchangeRecord, RecordedBody, RecordedCall } from './exchange-record.ts'

/** One for each call; one for a record without any. */
export function subjectsOf(record: ExchangeRecord): readonly FilterSubject[] {
  return record.calls.length === 0
    ? [subjectOf(record)]
    : record.calls.map((call) => subjectOf(record, call))
}

/** Whether one of its subjects is chosen. */
export function matchesRecord(filter: Filter, record: ExchangeRecord): boolean {
  return subjectsOf(record).some((subject) => filter.matches(subject))
}

/** Of one call of the record, or of a record that has none. */
export function subjectOf(record: ExchangeRecord, call?: RecordedCall): FilterSubject {
  return { ...trafficOf(record), ...sayingOf(record, call) }
}

type Traffic = Pick<
  FilterSubject,
  | 'kind'
  | 'method'
  | 'url'
  | 'host'
  | 'hasResponse'
  | 'agent'
  | 'requestHeaders'
  | 'responseHeaders'
  | 'requestBody'
  | 'responseBody'
>

function trafficOf(record: ExchangeRecord): Traffic {
  const { started, responseStarted } = record
  const requestHeaders = started?.headers ?? []
  const responseHeaders = responseStarted?.headers ?? []
  return {
    kind: kindOf(record),
    method: started?.method ?? '',
    url: started?.url ?? '',
    host: hostOf(record),
    hasResponse: responseStarted !== undefined,
    agent: record.agent,
    requestHeaders: () => requestHeaders,
    responseHeaders: () => responseHeaders,
    requestBody: () => bodyText(record, 'request', requestHeaders),
    responseBody: () => bodyText(record, 'response', responseHeaders),
  }
}

const noCall: RecordedCall = {
  called: undefined,
  merged: undefined,
  answered: undefined,
  link: undefined,
}

function sayingOf(
  record: ExchangeRecord,
  call: RecordedCall | undefined,
): Omit<FilterSubject, keyof Traffic> {
  const { answered, called, link } = call ?? noCall
  const known = answered ?? called ?? record.operation
  return {
    status: statusOf(record, call),
    isError: isError(record, call),
    provider: known?.provider,
    model: answered?.model ?? called?.model,
    operation: known?.operation ?? record.mcp[0]?.method,
    stop: answered?.finishReason,
    cacheVerdict: link?.cache.verdict,
    sessions: sessionsOf(record, call),
    costUsd: costOf(answered),
    tokens: tokensOf(answered),
    ttftMs: answered?.ttftMs,
    durationMs: durationOf(record, call),
    tools: () => answered?.toolCalls.map(({ name }) => name) ?? [],
    conversation: () => conversationText(record, call),
  }
}

function kindOf(record: ExchangeRecord): FilterSubject['kind'] {
  if (record.type !== 'exchange') return record.type
  if (record.calls.length > 0) return 'call'
  if (record.operation !== undefined) return 'api'
  return record.mcp.length > 0 ? 'mcp' : 'http'
}

function hostOf({ started, connection }: ExchangeRecord): string {
  // As URLs leave out the scheme's own port.
  if (started !== undefined) return /^[a-z]+:\/\/([^/?#]*)/iu.exec(started.url)?.[1] ?? started.host
  if (connection?.host === undefined) return ''
  const port = 'port' in connection ? connection.port : undefined
  return port === undefined || port === 443 ? connection.host : `${connection.host}:${port}`
}

function statusOf(record: ExchangeRecord, call: RecordedCall | undefined): number | undefined {
  const { connection } = record
  return (
    (record.calls.length > 1 ? call?.answered?.status : undefined) ??
    record.responseStarted?.status ??
    record.refused?.status ??
    record.end?.status ??
    (connection?.kind === 'connection-refused' ? connection.status : undefined)
  )
}

function isError(record: ExchangeRecord, call: RecordedCall | undefined): boolean {
  if (call?.answered?.error !== undefined) return true
  // A WebSocket that fails takes no answer back that had come before.
  if (record.calls.length > 1 && call?.answered !== undefined) return false
  const { end, connection } = record
  if (end?.kind === 'exchange-failed' || record.refused !== undefined) return true
  if (connection !== undefined && isBroken(connection)) return true
  if ((statusOf(record, call) ?? 0) >= 400) return true
  const answers = [record.operation, ...record.mcp]
  return answers.some((answer) => answer !== undefined && 'error' in answer)
}

function isBroken(connection: NonNullable<ExchangeRecord['connection']>): boolean {
  if (connection.kind === 'tunnel-opened') return false
  return connection.kind !== 'tunnel-closed' || connection.error !== undefined
}

function sessionsOf(record: ExchangeRecord, call: RecordedCall | undefined): string[] {
  const { sessionId, clientSessionId } = call?.link ?? {}
  const ofMcp = record.mcp.map((msg) => (msg.kind === 'mcp-called' ? msg.sessionId : undefined))
  return [sessionId, clientSessionId, ...ofMcp].filter((id) => id !== undefined)
}

function costOf(answered: MsgOf<'model-answered'> | undefined): number | undefined {
  const cost = answered?.cost
  return cost?.confidence === 'unknown' ? undefined : cost?.usd
}

function tokensOf(answered: MsgOf<'model-answered'> | undefined): number | undefined {
  const usage = answered?.usage
  return usage === undefined ? undefined : sentTokens(usage) + usage.outputTokens
}

function durationOf(record: ExchangeRecord, call: RecordedCall | undefined): number | undefined {
  const ofCall = call?.answered?.durationMs
  if (record.calls.length > 1) return ofCall
  const { connection } = record
  if (connection?.kind === 'tunnel-closed') return connection.durationMs
  return record.end?.durationMs ?? ofCall
}

function bodyText(
  record: ExchangeRecord,
  direction: 'request' | 'response',
  headers: HeaderPairs,
): string {
  const frames = record.frames.filter((frame) => frame.direction === direction)
  const framed = frames.map(({ text }) => text ?? '').join('\n')
  return framed === '' ? decodedText(record[direction], headers) : framed
}

function decodedText(body: RecordedBody, headers: HeaderPairs): string {
  if (body.bytes === 0) return ''
  // UTF-8 takes up to three bytes for a UTF-16 unit, and what a filter sees is bounded in units.
  const { bytes } = decodeBody(body, headers, 3 * maxTextLength)
  try {
    // As a stream: the end may have been cut within a character.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
  } catch {
    // No text.
    return ''
  }
}

/** The newest first: of what is longer than a filter looks at, the end matters most. */
function conversationText(record: ExchangeRecord, call: RecordedCall | undefined): string {
  const texts: string[] = []
  let length = 0
  for (const text of [
    ...(call === undefined ? [] : saidIn(call)),
    ...record.mcp.flatMap(mcpTexts),
  ]) {
    if (length > maxTextLength) break
    length += text.length + 1
    texts.push(text)
  }
  return texts.join('\n')
}

function saidIn({ called, answered, merged }: RecordedCall): string[] {
  const prompt = (called?.messages ?? []).toReversed().flatMap(({ parts }) => parts.map(partText))
  if (answered === undefined) return [merged?.text ?? '', ...prompt]
  const calls = answered.toolCalls.map(({ name, arguments: given }) => `${name} ${given}`)
  return [...answered.output.map(partText), ...calls, ...prompt]
}

function mcpTexts(msg: ExchangeRecord['mcp'][number]): string[] {
  if (msg.kind === 'mcp-answered') return msg.result.map(partText)
  return [`${msg.name ?? ''} ${msg.arguments ?? ''}`]
}

function partText(part: Part): string {
  switch (part.type) {
    case 'tool-call':
      return `${part.name} ${part.arguments}`
    case 'media':
      return part.mediaType
    default:
      return part.text
  }
}
