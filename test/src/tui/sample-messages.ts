/** Messages for the viewer's tests: whole calls in the order that a proxy reports them. */
import type { AnalysisMsg, AnalysisMsgDraft, Cost, Usage } from '../../../src/messages/schema.ts'

export const sampleStart = new Date(2025, 5, 1, 12, 34, 56).getTime()

export interface SampleCall {
  readonly id: string
  readonly at?: number
  readonly model?: string
  readonly provider?: string
  readonly prompt?: string
  readonly system?: string
  readonly answer?: string
  readonly usage?: Usage
  readonly cost?: Cost
  readonly durationMs?: number
}

let seq = 0

/** A draft with the fields that a pipeline adds. */
export function stamp(draft: AnalysisMsgDraft, at = sampleStart): AnalysisMsg {
  seq += 1
  return { v: 1, seq, at, ...draft }
}

export const sampleUsage: Usage = {
  inputTokens: 1234,
  cacheReadTokens: 10_000,
  cacheWriteTokens: 0,
  outputTokens: 321,
  reasoningTokens: 21,
  totalTokens: 11_555,
  source: 'reported',
}

export const sampleCost: Cost = {
  usd: 0.0123,
  confidence: 'exact',
  lines: [
    { bucket: 'input', tokens: 1234, usdPerMillion: 3, usd: 0.003_702 },
    { bucket: 'output', tokens: 321, usdPerMillion: 15, usd: 0.004_815 },
  ],
  priceSource: 'sample prices',
  priceDate: '2025-05-01',
}

/** Everything up to the model's first byte. */
export function callStart(call: SampleCall): AnalysisMsg[] {
  const { id, at = sampleStart, provider = 'anthropic' } = call
  const exchangeId = id
  const system =
    call.system === undefined
      ? []
      : [{ role: 'system', parts: [{ type: 'text' as const, text: call.system }] }]
  const drafts: AnalysisMsgDraft[] = [
    {
      kind: 'request-started',
      exchangeId,
      method: 'POST',
      url: 'https://api.anthropic.com/v1/messages',
      httpVersion: '1.1',
      headers: [
        ['Host', 'api.anthropic.com'],
        ['X-Api-Key', '[REDACTED]'],
      ],
      host: 'api.anthropic.com',
    },
    { kind: 'request-body', exchangeId, text: '{"stream":true}', offset: 0 },
    { kind: 'request-ended', exchangeId, bytes: 15 },
    {
      kind: 'http-parsed',
      by: 'http-parser',
      exchangeId,
      direction: 'request',
      mediaType: 'application/json',
      json: { stream: true },
      bytes: 15,
      truncated: false,
    },
    {
      kind: 'model-called',
      by: 'model-calls',
      exchangeId,
      provider,
      operation: 'messages',
      model: call.model ?? 'claude-sonnet-4-5-20250929',
      streaming: true,
      messages: [
        ...system,
        { role: 'user', parts: [{ type: 'text', text: call.prompt ?? 'What is the weather?' }] },
      ],
      tools: [{ name: 'get_weather', description: 'Reads the weather of a city.' }],
    },
  ]
  return drafts.map((draft) => stamp(draft, at))
}

export function responseStart(call: SampleCall, status = 200): AnalysisMsg {
  return stamp(
    {
      kind: 'response-started',
      exchangeId: call.id,
      status,
      statusText: status === 200 ? 'OK' : 'Error',
      headers: [['Content-Type', 'text/event-stream']],
      ttfbMs: 120,
    },
    call.at,
  )
}

/** One piece of a streamed answer, as Anthropic sends it. */
export function textEvent(call: SampleCall, index: number, text: string): AnalysisMsg {
  const data = JSON.stringify({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text },
  })
  return stamp(
    {
      kind: 'sse-event',
      by: 'sse-merger',
      exchangeId: call.id,
      index,
      event: 'content_block_delta',
      data,
      sinceRequestMs: 345 + index * 10,
    },
    (call.at ?? sampleStart) + 345 + index * 10,
  )
}

/** The end of an exchange and what the analyzers made of it. */
export function callEnd(call: SampleCall): AnalysisMsg[] {
  const { id: exchangeId, durationMs = 2345, answer = 'It is sunny in Paris.' } = call
  const drafts: AnalysisMsgDraft[] = [
    { kind: 'response-ended', exchangeId, bytes: 900, durationMs },
    {
      kind: 'exchange-completed',
      exchangeId,
      status: 200,
      requestBytes: 15,
      responseBytes: 900,
      durationMs,
    },
    {
      kind: 'stream-merged',
      by: 'sse-merger',
      exchangeId,
      format: 'anthropic-messages',
      merged: { type: 'message', content: [{ type: 'text', text: answer }] },
      text: answer,
      eventCount: 3,
      complete: true,
    },
    {
      kind: 'model-answered',
      by: 'model-calls',
      exchangeId,
      provider: call.provider ?? 'anthropic',
      operation: 'messages',
      model: call.model ?? 'claude-sonnet-4-5-20250929',
      status: 200,
      output: [{ type: 'text', text: answer }],
      toolCalls: [],
      finishReason: 'end_turn',
      usage: call.usage ?? sampleUsage,
      cost: call.cost ?? sampleCost,
      ttftMs: 345,
      durationMs,
      tokensPerSecond: 160,
      complete: true,
    },
  ]
  return drafts.map((draft) => stamp(draft, (call.at ?? sampleStart) + durationMs))
}

export function wholeCall(call: SampleCall): AnalysisMsg[] {
  return [...callStart(call), responseStart(call), textEvent(call, 0, 'It is'), ...callEnd(call)]
}

/** An exchange that is no model call. */
export function plainExchange(id: string, path: string, status = 200): AnalysisMsg[] {
  const host = 'registry.example.com'
  const drafts: AnalysisMsgDraft[] = [
    {
      kind: 'request-started',
      exchangeId: id,
      method: 'GET',
      url: `https://${host}${path}`,
      httpVersion: '1.1',
      headers: [['Host', host]],
      host,
    },
    { kind: 'request-ended', exchangeId: id, bytes: 0 },
    { kind: 'response-started', exchangeId: id, status, headers: [], ttfbMs: 5 },
    { kind: 'response-body', exchangeId: id, text: 'hello', offset: 0 },
    { kind: 'response-ended', exchangeId: id, bytes: 5, durationMs: 12 },
    {
      kind: 'exchange-completed',
      exchangeId: id,
      status,
      requestBytes: 0,
      responseBytes: 5,
      durationMs: 12,
    },
  ]
  return drafts.map((draft) => stamp(draft))
}

export function tunnel(id: string, host = 'statsig.example.com'): AnalysisMsg[] {
  const where = { exchangeId: id, host, port: 443 }
  return [
    stamp({ kind: 'tunnel-opened', ...where, reason: 'not-allowlisted' }),
    stamp({ kind: 'tunnel-closed', ...where, bytesUp: 1200, bytesDown: 34_000, durationMs: 900 }),
  ]
}
