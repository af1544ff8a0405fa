/** Messages for the tests of summary and lines: drafts made whole, and arbitrary hostile ones. */
import { constantFrom, oneof, record, string, nat } from 'fast-check'
import type { Arbitrary } from 'fast-check'

import type { AnalysisMsg, AnalysisMsgDraft, MsgOf } from '../../../src/messages/schema.ts'

/** Drafts numbered as the pipeline would. */
export function messages(...drafts: readonly AnalysisMsgDraft[]): AnalysisMsg[] {
  return drafts.map((draft, seq) =>
    Object.assign({ v: 1 as const, seq, at: 1_700_000_000_000 + seq }, draft),
  )
}

export function called(
  exchangeId: string,
  over: Partial<MsgOf<'model-called'>> = {},
): AnalysisMsgDraft {
  return {
    kind: 'model-called',
    exchangeId,
    provider: 'openai',
    operation: 'chat',
    model: 'gpt-4o',
    streaming: true,
    messages: [],
    tools: [],
    ...over,
  }
}

export function answered(
  exchangeId: string,
  over: Partial<MsgOf<'model-answered'>> = {},
): AnalysisMsgDraft {
  return {
    kind: 'model-answered',
    exchangeId,
    provider: 'openai',
    operation: 'chat',
    model: 'gpt-4o',
    status: 200,
    output: [],
    toolCalls: [],
    durationMs: 1300,
    complete: true,
    ...over,
  }
}

export function linked(
  exchangeId: string,
  over: Partial<MsgOf<'call-linked'>> = {},
): AnalysisMsgDraft {
  return {
    kind: 'call-linked',
    exchangeId,
    sessionId: 's1',
    sessionSource: 'header',
    turn: 1,
    branch: 'main',
    branchId: 'b1',
    changed: [],
    cache: { verdict: 'unknown', reason: 'no-usage' },
    attempt: 1,
    toolResults: [],
    ...over,
  }
}

/** Text as an attacker would choose it. */
const hostile = oneof(
  string({ unit: 'binary' }),
  constantFrom('\u001b]0;owned\u0007', 'a\r\nb', '\u202egnp.exe', '\ud800', '\u009b31m'),
)
const exchangeId = constantFrom('x1', 'x2', 'x3')

export const anyMessage: Arbitrary<AnalysisMsgDraft> = oneof(
  record({ id: exchangeId, provider: hostile, model: hostile }).map(({ id, provider, model }) =>
    called(id, { provider, model }),
  ),
  record({ id: exchangeId, text: hostile, status: constantFrom(200, 404, 500) }).map(
    ({ id, text, status }) =>
      answered(id, {
        provider: text,
        operation: text,
        model: text,
        status,
        finishReason: text,
        toolCalls: [{ name: text, arguments: text }],
        error: { type: text, message: text },
      }),
  ),
  record({ id: exchangeId, text: hostile }).map(({ id, text }) => ({
    kind: 'request-started' as const,
    exchangeId: id,
    method: text,
    url: text,
    httpVersion: '1.1',
    headers: [],
    host: text,
  })),
  record({ id: exchangeId, text: hostile }).map(({ id, text }) => ({
    kind: 'request-refused' as const,
    exchangeId: id,
    status: 403,
    reason: text,
    message: text,
    rule: text,
  })),
  record({ id: exchangeId, text: hostile }).map(({ id, text }) => ({
    kind: 'exchange-failed' as const,
    exchangeId: id,
    by: 'upstream' as const,
    phase: 'response' as const,
    code: text,
    message: text,
    durationMs: 1,
  })),
  record({ id: exchangeId, status: constantFrom(200, 502) }).map(({ id, status }) => ({
    kind: 'exchange-completed' as const,
    exchangeId: id,
    status,
    requestBytes: 0,
    responseBytes: 0,
    durationMs: 1,
  })),
  record({ host: hostile, bytes: nat() }).map(({ host, bytes }) => ({
    kind: 'tunnel-closed' as const,
    host,
    port: 443,
    bytesUp: bytes,
    bytesDown: bytes,
    durationMs: bytes,
    error: host,
  })),
  hostile.map((host) => ({
    kind: 'connection-refused' as const,
    host,
    status: 403,
    reason: 'rule' as const,
    message: host,
  })),
  hostile.map((text) => ({
    kind: 'tls-failed' as const,
    host: text,
    side: 'upstream' as const,
    code: text,
    hint: text,
  })),
  hostile.map((text) => ({ kind: 'analyzer-failed' as const, analyzer: text, error: text })),
  record({ where: hostile, count: nat(), bytes: nat() }).map(({ where, count, bytes }) => ({
    kind: 'messages-dropped' as const,
    where,
    count,
    bytes,
  })),
)
