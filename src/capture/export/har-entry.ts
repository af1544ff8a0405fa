/**
 * One exchange as an entry of an HTTP Archive (HAR 1.2), with the extensions that Chromium's network
 * panel reads (`_webSocketMessages`, `_resourceType`, `_error`, `_transferSize`) and Porthole's own
 * under `_porthole`. What is unknown is -1, never 0.
 */
import type { Content, Entry, Header, PostData, QueryString } from 'har-format'

import { headerValues } from '../../messages/header-values.ts'
import type { CallLink, HeaderPairs, MsgOf } from '../../messages/schema.ts'
import type { ExchangeRecord, RecordedBody, RecordedCall } from '../../recorded/exchange-record.ts'
import { exportBody, isoTime } from './export-text.ts'

/** UTF-16 units of the messages of one WebSocket. */
const maxFramesLength = 32 * 1024 * 1024

type Frame = NonNullable<Entry['_webSocketMessages']>[number]

/** Undefined for what is no exchange: an archive has no word for it. */
export function harEntry(record: ExchangeRecord): Entry | undefined {
  const { started } = record
  if (started === undefined) return undefined
  const timings = timingsOf(record)
  const isWebSocket = record.frames.length > 0
  return {
    startedDateTime: isoTime(record.startedAt),
    time: timings.send + timings.wait + timings.receive,
    request: requestOf(record, started),
    response: responseOf(record),
    cache: {},
    timings,
    ...(record.connectionId === undefined ? {} : { connection: record.connectionId }),
    _resourceType: isWebSocket ? 'websocket' : 'fetch',
    ...(isWebSocket ? { _webSocketMessages: framesOf(record) } : {}),
    _porthole: portholeFields(record),
  }
}

function requestOf(record: ExchangeRecord, started: MsgOf<'request-started'>): Entry['request'] {
  const { headers, method, url } = started
  const postData = postDataOf(record.request, headers)
  return {
    method,
    url: harUrl(url),
    httpVersion: `HTTP/${started.httpVersion}`,
    cookies: headerValues(headers, 'cookie').flatMap((value) => value.split(';').map(cookieOf)),
    headers: headers.map(harHeader),
    queryString: queryOf(url),
    headersSize: -1,
    bodySize: record.requestEnded?.bytes ?? -1,
    ...(postData === undefined ? {} : { postData }),
  }
}

function postDataOf(body: RecordedBody, headers: HeaderPairs): PostData | undefined {
  if (body.bytes === 0) return undefined
  const { text, isBase64, isWhole } = exportBody(body, headers)
  const mimeType = headerValues(headers, 'content-type')[0] ?? 'application/octet-stream'
  return {
    mimeType,
    text,
    // HAR names the coding of content alone; readers that know of it in requests call it the same.
    ...(isBase64 ? { encoding: 'base64' } : {}),
    ...(isWhole ? {} : { comment: 'the recorded body is incomplete' }),
  }
}

function responseOf(record: ExchangeRecord): Entry['response'] {
  const { responseStarted, responseEnded, end } = record
  const bytes = responseEnded?.bytes
  const common = {
    content: contentOf(record),
    headersSize: -1,
    bodySize: bytes ?? (responseStarted === undefined ? 0 : -1),
    ...(bytes === undefined ? {} : { _transferSize: bytes }),
    ...(end?.kind === 'exchange-failed' ? { _error: end.code } : {}),
  }
  if (responseStarted === undefined) {
    // What the proxy itself answered, if it did.
    const status = record.refused?.status ?? end?.status ?? 0
    const none = { statusText: '', httpVersion: 'HTTP/1.1', cookies: [], headers: [] }
    return { status, ...none, redirectURL: '', ...common }
  }
  const { status, statusText = '', httpVersion = '1.1', headers } = responseStarted
  const cookies = headerValues(headers, 'set-cookie').map((value) => value.split(';')[0] ?? '')
  return {
    status,
    statusText,
    httpVersion: `HTTP/${httpVersion}`,
    cookies: cookies.map(cookieOf),
    headers: headers.map(harHeader),
    redirectURL: headerValues(headers, 'location')[0] ?? '',
    ...common,
  }
}

function contentOf({ response, responseStarted, responseEnded }: ExchangeRecord): Content {
  if (responseStarted === undefined) return { size: 0, mimeType: 'x-unknown' }
  const { headers } = responseStarted
  const { text, isBase64, isWhole, decodedBytes } = exportBody(response, headers)
  const sent = isWhole ? responseEnded?.bytes : undefined
  return {
    size: isWhole ? decodedBytes : -1,
    ...(sent === undefined ? {} : { compression: decodedBytes - sent }),
    mimeType: headerValues(headers, 'content-type')[0] ?? 'x-unknown',
    ...(response.bytes === 0 ? {} : { text }),
    ...(isBase64 ? { encoding: 'base64' } : {}),
    ...(isWhole ? {} : { comment: 'the recorded body is incomplete' }),
  }
}

/** By the wall clock, in whole milliseconds; the proxy's own dialling counts as waiting. */
function timingsOf(
  record: ExchangeRecord,
): Readonly<Record<'blocked' | 'dns' | 'connect' | 'ssl' | 'send' | 'wait' | 'receive', number>> {
  const sentAt = Math.max(record.startedAt, record.requestEnded?.at ?? record.startedAt)
  const answeredAt = record.responseStarted?.at
  const endedAt = record.responseEnded?.at ?? record.end?.at ?? record.endedAt
  const from = Math.max(sentAt, answeredAt ?? endedAt)
  return {
    blocked: -1,
    dns: -1,
    connect: -1,
    ssl: -1,
    send: sentAt - record.startedAt,
    wait: from - sentAt,
    receive: answeredAt === undefined ? 0 : Math.max(0, endedAt - from),
  }
}

function framesOf(record: ExchangeRecord): Frame[] {
  const frames: Frame[] = []
  let length = 0
  for (const frame of record.frames) {
    const data = frame.text ?? frame.base64 ?? ''
    length += data.length
    if (length > maxFramesLength) break
    const type = frame.direction === 'request' ? 'send' : 'receive'
    frames.push({ type, time: frame.at / 1000, opcode: frame.opcode, data })
  }
  return frames
}

function portholeFields(record: ExchangeRecord): unknown {
  const { id, agent, operation, end } = record
  return {
    id,
    agent,
    calls: record.calls.length === 0 ? undefined : record.calls.map(callFields),
    operation: operation?.operation,
    mcp: record.mcp[0]?.method,
    failed: end?.kind === 'exchange-failed' ? { by: end.by, phase: end.phase } : undefined,
    refused: record.refused?.reason,
  }
}

function callFields({ called, answered, link }: RecordedCall): unknown {
  const known = answered ?? called
  return {
    provider: known?.provider,
    operation: known?.operation,
    model: answered?.model ?? called?.model,
    ...(answered === undefined ? {} : answerFields(answered)),
    ...(link === undefined ? {} : linkFields(link)),
  }
}

function answerFields(answered: MsgOf<'model-answered'>): object {
  const { finishReason, toolCalls, usage, cost, ttftMs, durationMs, complete, error } = answered
  return {
    finishReason,
    tools: toolCalls.map(({ name }) => name),
    usage,
    costUsd: cost?.usd,
    costConfidence: cost?.confidence,
    ttftMs,
    durationMs,
    complete,
    error,
  }
}

function linkFields({ sessionId, turn, branch, cache }: CallLink): object {
  return { session: sessionId, turn, branch, cache: cache.verdict }
}

function harHeader([name, value]: readonly [string, string]): Header {
  return { name, value }
}

function cookieOf(pair: string): { name: string; value: string } {
  const [name = '', ...rest] = pair.trim().split('=')
  return { name, value: rest.join('=') }
}

function queryOf(url: string): QueryString[] {
  const query = /\?([^#]*)/u.exec(url)?.[1] ?? ''
  return Array.from(new URLSearchParams(query), ([name, value]) => ({ name, value }))
}

/** Strictly by RFC 3986, for readers that check: what a client sent, or what masks a secret, may not be. */
function harUrl(url: string): string {
  const [, origin = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)?(.*)$/isu.exec(url) ?? []
  const path = rest
    .toWellFormed()
    .replaceAll(/[^\w\-.~:/?#@!$&'()*+,;=%]|%(?![\dA-Fa-f]{2})/gu, encodeURIComponent)
  return `${origin.replace(/[^/]*@/u, '')}${path}`
}
