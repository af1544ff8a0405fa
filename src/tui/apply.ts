/**
 * What each kind of message does to its row. It never throws, whatever the order of messages; the
 * bound on one row's detail is kept here, the bounds over all rows in `model.ts`.
 */
import type { AnalysisMsg, HeaderPairs, MsgOf } from '../messages/schema.ts'
import { keepChunk, keepParsed } from './apply-body.ts'
import { applyModelCall } from './apply-call.ts'
import { applyOperation } from './apply-operation.ts'
import type { Row, StreamEvent } from './row.ts'
import { addNote, appendLive, reserve, summaryOf } from './row.ts'
import { readStreamDeltas } from './stream-delta.ts'

/** Applies `msg` and returns by how many model calls the row grew. */
export function applyToRow(row: Row, msg: AnalysisMsg, maxRowBytes: number): number {
  // It counted as a call as soon as its body was read.
  const refusedCalls = msg.kind === 'request-refused' && isOpenCall(row) ? 1 : 0
  if (applyTraffic(row, msg, maxRowBytes)) return 0
  const calls = applyModelCall(row, msg, maxRowBytes)
  if (calls !== undefined) return calls
  if (!applyOperation(row, msg, maxRowBytes) && !applyConnection(row, msg)) applyNote(row, msg)
  return -refusedCalls
}

function isOpenCall({ kind, isRefused }: Row): boolean {
  return kind === 'call' && !isRefused
}

function applyTraffic(row: Row, msg: AnalysisMsg, maxRowBytes: number): boolean {
  const { detail } = row
  switch (msg.kind) {
    case 'request-started':
      applyRequestStarted(row, msg, maxRowBytes)
      return true
    case 'response-started':
      row.status = msg.status
      if (detail === undefined || !reserve(row, sizeOfHeaders(msg.headers), maxRowBytes))
        return true
      detail.heads.responseStarted = msg
      detail.responseHeaders = msg.headers
      detail.statusText = msg.statusText ?? ''
      return true
    case 'request-body':
    case 'response-body':
      keepChunk(row, msg, maxRowBytes)
      return true
    case 'http-parsed':
      keepParsed(row, msg, maxRowBytes)
      return true
    case 'request-ended':
      row.requestBytes = msg.bytes
      if (detail !== undefined) detail.heads.requestEnded = msg
      return true
    case 'response-ended':
      row.responseBytes = msg.bytes
      if (detail !== undefined) detail.heads.responseEnded = msg
      return true
    case 'sse-event':
      appendLive(row, readStreamDeltas(msg.data))
      keepEvent(
        row,
        { label: msg.event ?? '', data: msg.data, sinceRequestMs: msg.sinceRequestMs },
        maxRowBytes,
      )
      return true
    case 'websocket-message':
      applyFrame(row, msg, maxRowBytes)
      return true
    default:
      return applyEnd(row, msg)
  }
}

function applyRequestStarted(row: Row, msg: MsgOf<'request-started'>, maxRowBytes: number): void {
  row.method = msg.method
  row.url = msg.url
  row.host = msg.host
  row.path = pathOf(msg.url)
  row.client = clientOf(msg.headers)
  if (row.detail === undefined) return
  if (!reserve(row, sizeOfHeaders(msg.headers), maxRowBytes)) return
  row.detail.heads.started = msg
  row.detail.requestHeaders = msg.headers
  row.detail.httpVersion = msg.httpVersion
}

function applyEnd(row: Row, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'exchange-completed':
      if (row.detail !== undefined) row.detail.heads.end = msg
      row.status = msg.status
      row.requestBytes = msg.requestBytes
      row.responseBytes = msg.responseBytes
      row.durationMs = msg.durationMs
      row.phase = row.problem === undefined && msg.status < 400 ? 'done' : 'failed'
      return true
    case 'exchange-failed':
      if (row.detail !== undefined) row.detail.heads.end = msg
      row.phase = 'failed'
      row.durationMs = msg.durationMs
      row.status ??= msg.status
      row.problem = `${msg.code} (by the ${msg.by}, ${phaseText[msg.phase]})${
        msg.message === undefined ? '' : `: ${msg.message}`
      }`
      return true
    case 'request-refused':
      row.status = msg.status
      row.isRefused = true
      row.problem = `refused: ${msg.message ?? msg.reason}`
      if (msg.rule !== undefined) addNote(row, msg.at, `rule ${msg.rule}`, true)
      return true
    default:
      return false
  }
}

const phaseText = {
  request: 'while sending the request',
  connect: 'while connecting',
  waiting: 'while waiting for the answer',
  response: 'during the answer',
} as const

function applyConnection(row: Row, msg: AnalysisMsg): boolean {
  switch (msg.kind) {
    case 'tunnel-opened':
      row.kind = 'tunnel'
      row.host = `${msg.host}:${msg.port}`
      row.problem = msg.reason
      if (row.durationMs === undefined) row.phase = 'running'
      return true
    case 'tunnel-closed':
      row.kind = 'tunnel'
      row.host = `${msg.host}:${msg.port}`
      row.requestBytes = msg.bytesUp
      row.responseBytes = msg.bytesDown
      row.durationMs = msg.durationMs
      row.phase = msg.error === undefined ? 'done' : 'failed'
      if (msg.error !== undefined) addNote(row, msg.at, msg.error, true)
      return true
    case 'connection-refused':
      row.phase = 'failed'
      row.host = msg.host === undefined ? '' : `${msg.host}${portSuffix(msg.port)}`
      row.status = msg.status
      row.problem = [msg.code ?? msg.reason, msg.message]
        .filter((text) => text !== undefined)
        .join(': ')
      return true
    case 'tls-failed':
      if (row.kind === 'tls') {
        row.phase = 'failed'
        row.host = msg.host
        row.problem = msg.code
      }
      addNote(row, msg.at, `TLS with the ${msg.side} failed: ${msg.code}. ${msg.hint}`, true)
      return true
    default:
      return false
  }
}

function applyNote(row: Row, msg: AnalysisMsg): void {
  switch (msg.kind) {
    case 'credential-injected':
      addNote(row, msg.at, `${msg.kind}: ${msg.secretId} (${msg.mode}, ${msg.location})`, false)
      return
    case 'token-replaced':
    case 'token-stripped':
      addNote(row, msg.at, describeToken(msg), msg.kind === 'token-stripped')
      return
    case 'credential-echoed':
      addNote(row, msg.at, echoText(msg), true)
      return
    case 'secret-withheld':
      addNote(row, msg.at, `the value of ${msg.secretId} stood in a ${msg.where}: masked`, true)
      return
    case 'rule-matched':
    case 'budget-exceeded':
      addNote(row, msg.at, ruleText(msg), msg.decision === 'block' || msg.decision === 'limit')
      return
    case 'analyzer-failed':
      addNote(row, msg.at, `the analyzer ${msg.analyzer} failed: ${msg.error}`, true)
      return
    default:
  }
}

function ruleText({
  kind,
  rule,
  decision,
  mode,
}: MsgOf<'rule-matched' | 'budget-exceeded'>): string {
  const onTrial = mode === 'observe' && decision !== 'observe' ? ' (on trial: told only)' : ''
  return `${kind}: ${rule}, ${decision}${onTrial}`
}

function describeToken(msg: MsgOf<'token-replaced' | 'token-stripped'>): string {
  const { kind, secretId, mode, location, count = 1 } = msg
  const why = msg.kind === 'token-stripped' && msg.reason !== undefined ? `, ${msg.reason}` : ''
  return `${kind}: ${secretId} (${mode}, ${location}${why})${count > 1 ? ` ×${count}` : ''}`
}

function echoText({ secretId, where, name, form }: MsgOf<'credential-echoed'>): string {
  const place = name === undefined ? where : `${where} ${name}`
  return `${secretId ?? 'a credential'} came back in the ${place} (${form})`
}

function applyFrame(row: Row, msg: MsgOf<'websocket-message'>, maxRowBytes: number): void {
  const data = frameText(msg)
  if (msg.direction === 'response' && row.latestPartId === undefined) {
    appendLive(row, readStreamDeltas(data))
  }
  const label = msg.direction === 'request' ? '▲ sent' : '▼ received'
  const sinceRequestMs = Math.max(0, msg.at - row.startedAt)
  keepEvent(row, { label, data, sinceRequestMs, frame: msg }, maxRowBytes)
}

function frameText(msg: MsgOf<'websocket-message'>): string {
  // RFC 6455 §5.2: 8 close, 9 ping, 10 pong.
  if (msg.opcode === 8)
    return `close ${msg.closeCode ?? 'without a code'} ${msg.closeReason ?? ''}`.trimEnd()
  if (msg.opcode === 9) return 'ping'
  if (msg.opcode === 10) return 'pong'
  if (msg.text !== undefined) return msg.text
  const size = `${msg.bytes ?? 0} bytes`
  return msg.truncated === true ? `${size}, too large to show` : `binary, ${size}`
}

function keepEvent(row: Row, event: StreamEvent, maxRowBytes: number): void {
  // An empty event costs memory too.
  if (reserve(row, event.data.length + 100, maxRowBytes)) row.detail?.events.push(event)
}

function pathOf(url: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/iu.exec(url)
  const path = match === null ? url : (match[1] ?? '')
  return path === '' ? '/' : path
}

/** The first product of a `User-Agent` (RFC 9110 §10.1.5), without its version. */
function clientOf(headers: HeaderPairs): string | undefined {
  const value = headers.find(([name]) => name.toLowerCase() === 'user-agent')?.[1]
  if (value === undefined) return undefined
  return summaryOf(/^[^/\s(]*/u.exec(value.slice(0, 256))?.[0] ?? '', 48) || undefined
}

function sizeOfHeaders(headers: HeaderPairs): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
}

function portSuffix(port: number | undefined): string {
  return port === undefined ? '' : `:${port}`
}
