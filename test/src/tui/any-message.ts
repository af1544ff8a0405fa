/** Any valid message, for properties: few ids, so that messages meet on the same rows. */
import { fc } from '@fast-check/vitest'

import type { AnalysisMsg, AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { hostileTexts } from './hostile-text.ts'
import { callEnd, callStart, plainExchange, textEvent, tunnel } from './sample-messages.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(...hostileTexts.map((hostile) => hostile.slice(0, 400))),
)
const size = fc.nat({ max: 5000 })
const ids = ['x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8'] as const
const headers = fc.array(fc.tuple(text, text), { maxLength: 3 })
const base64 = fc.constantFrom('/9j/4A==', '44GC', '')
const part = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text }),
  fc.record({ type: fc.constant('reasoning' as const), text }),
  fc.record({ type: fc.constant('tool-call' as const), name: text, arguments: text }),
  fc.record({ type: fc.constant('tool-result' as const), text }),
  fc.record({ type: fc.constant('media' as const), mediaType: text, bytes: size }),
  fc.record({ type: fc.constant('other' as const), name: text, text }),
)

const drafts: fc.Arbitrary<AnalysisMsgDraft> = fc.oneof(
  fc.record({
    kind: fc.constant('request-started' as const),
    method: text,
    url: text,
    httpVersion: text,
    headers,
    host: text,
  }),
  fc.record({
    kind: fc.constant('response-started' as const),
    status: fc.integer({ min: 0, max: 999 }),
    headers,
    ttfbMs: size,
  }),
  fc.record({ kind: fc.constant('request-body' as const), offset: size, text }),
  fc.record({ kind: fc.constant('response-body' as const), offset: size, text }),
  fc.record({ kind: fc.constant('response-body' as const), offset: size, base64 }),
  fc.record({
    kind: fc.constant('sse-event' as const),
    index: size,
    event: text,
    data: text,
    sinceRequestMs: size,
  }),
  fc.record({
    kind: fc.constant('operation-performed' as const),
    provider: text,
    operation: text,
    subjects: fc.array(text, { maxLength: 2 }),
    facts: fc.array(fc.record({ name: text, value: text }), { maxLength: 2 }),
    durationMs: size,
    complete: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('mcp-called' as const),
    call: fc.constantFrom(0, 1),
    server: text,
    method: text,
    name: text,
    arguments: text,
  }),
  fc.record({
    kind: fc.constant('mcp-answered' as const),
    call: fc.constantFrom(0, 1),
    server: text,
    method: text,
    requestId: text,
    result: fc.array(part, { maxLength: 2 }),
    durationMs: size,
    complete: fc.boolean(),
    error: fc.record({ type: text, message: text }),
  }),
  fc.record({
    kind: fc.constant('http-parsed' as const),
    direction: fc.constantFrom('request' as const, 'response' as const),
    form: fc.array(fc.record({ name: text, filename: text, mediaType: text, bytes: size }), {
      maxLength: 2,
    }),
    bytes: size,
    truncated: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('websocket-message' as const),
    direction: fc.constantFrom('request' as const, 'response' as const),
    opcode: size,
    text,
  }),
  fc.record({
    kind: fc.constant('http-parsed' as const),
    direction: fc.constantFrom('request' as const, 'response' as const),
    mediaType: text,
    json: fc.constantFrom({ a: [1, '\u001b[2J'] }, null, 'text'),
    bytes: size,
    truncated: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('model-called' as const),
    provider: text,
    operation: text,
    model: text,
    streaming: fc.boolean(),
    messages: fc.array(
      fc.record({
        role: fc.oneof(text, fc.constantFrom('system', 'user', 'assistant', 'tool')),
        parts: fc.array(part, { maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
    tools: fc.array(fc.record({ name: text, description: text }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant('model-answered' as const),
    provider: text,
    operation: text,
    model: text,
    output: fc.array(part, { maxLength: 3 }),
    toolCalls: fc.array(fc.record({ name: text, arguments: text }), { maxLength: 2 }),
    finishReason: text,
    cost: fc.record({
      usd: fc.double({ min: 0, max: 10, noNaN: true }),
      confidence: fc.constantFrom('exact' as const, 'estimated' as const, 'unknown' as const),
      lines: fc.constant([]),
    }),
    durationMs: size,
    complete: fc.boolean(),
    error: fc.record({ type: text, message: text }),
  }),
  fc.record({
    kind: fc.constant('call-linked' as const),
    sessionId: text,
    sessionSource: fc.constant('history' as const),
    turn: size,
    branch: fc.constantFrom('main' as const, 'sub-agent' as const, 'side' as const),
    branchId: text,
    parentExchangeId: text,
    previousExchangeId: text,
    sharedMessages: size,
    changed: fc.constantFrom([], ['message' as const, 'appended' as const]),
    changedMessage: size,
    cache: fc.constant({ verdict: 'partial' as const, reason: 'expired' as const }),
    attempt: size,
    retryOf: text,
    toolResults: fc.array(fc.record({ id: text, name: text, calledBy: text }), { maxLength: 12 }),
  }),
  fc.record({
    kind: fc.constant('exchange-failed' as const),
    by: fc.constantFrom('client' as const, 'upstream' as const, 'proxy' as const),
    phase: fc.constantFrom('request' as const, 'waiting' as const),
    code: text,
    message: text,
    durationMs: size,
  }),
  fc.record({
    kind: fc.constant('connection-refused' as const),
    host: text,
    status: fc.constant(403),
    reason: fc.constant('rule' as const),
    message: text,
  }),
  fc.record({
    kind: fc.constant('tls-failed' as const),
    host: text,
    side: fc.constantFrom('client' as const, 'upstream' as const),
    code: text,
    hint: text,
  }),
  fc.record({
    kind: fc.constant('request-refused' as const),
    status: fc.constant(403),
    reason: text,
  }),
  fc.record({
    kind: fc.constant('rule-matched' as const),
    rule: text,
    decision: text,
    mode: fc.constant('observe' as const),
  }),
  fc.record({ kind: fc.constant('analyzer-failed' as const), analyzer: text, error: text }),
  fc.record({
    kind: fc.constant('messages-dropped' as const),
    where: text,
    count: size,
    bytes: size,
  }),
)

const fresh = fc
  .tuple(drafts, fc.option(fc.constantFrom(...ids), { nil: undefined }), size, text)
  .map(([draft, exchangeId, seq, agent]): AnalysisMsg => {
    const id = exchangeId === undefined ? {} : { exchangeId }
    return Object.assign({ v: 1 as const, seq, at: 1_750_000_000_000 + seq, agent }, id, draft)
  })

const ordinary = ids.flatMap((id) =>
  [callStart({ id }), callEnd({ id }), plainExchange(id, '/path'), tunnel(id)].flat(),
)
const piece = fc.constantFrom(...ids).map((id) => textEvent({ id }, 0, 'some words'))

export const anyMessage: fc.Arbitrary<AnalysisMsg> = fc.oneof(
  fresh,
  piece,
  fc.constantFrom(...ordinary),
)
