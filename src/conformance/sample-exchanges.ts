/**
 * Small exchanges as the proxy reports them, for analyzers to be tried on: answers whole and
 * streamed, cut off and refused, of several interfaces. Made up, in the forms that providers use.
 */
import { encodeBytes } from '../messages/codec.ts'
import type { AnalysisMsgDraft, HeaderPairs } from '../messages/schema.ts'

export interface SampleExchange {
  readonly name: string
  readonly method: string
  readonly url: string
  readonly request: string
  readonly type: string
  readonly response: string
  /** The exchange fails after that many bytes of its response. */
  readonly failsAfter?: number
}

const json = 'application/json'
const events = 'text/event-stream'
const openai = 'https://api.openai.com/v1'
const messages = [{ role: 'user', content: 'Say "häh?"' }]
const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }

function eventsOf(...data: ReadonlyArray<object | string>): string {
  return data
    .map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    .join('')
}

const chatStream = eventsOf(
  ...['', 'Hä', 'h?'].map((content) => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    model: 'gpt-4o',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  })),
  {
    id: 'c1',
    object: 'chat.completion.chunk',
    model: 'gpt-4o',
    choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    usage,
  },
  '[DONE]',
)

const messagesStream = [
  { type: 'message_start', message: { id: 'm1', type: 'message', role: 'assistant', content: [] } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Häh?' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } },
  { type: 'message_stop' },
]
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('')

const chat = {
  method: 'POST',
  url: `${openai}/chat/completions`,
  request: JSON.stringify({ model: 'gpt-4o', messages }),
}
const streamedChat = {
  ...chat,
  request: JSON.stringify({ model: 'gpt-4o', stream: true, messages }),
  type: events,
  response: chatStream,
}

export const sampleExchanges: readonly SampleExchange[] = [
  {
    ...chat,
    name: 'a chat call',
    type: json,
    response: JSON.stringify({
      id: 'c1',
      object: 'chat.completion',
      model: 'gpt-4o',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Häh?' }, finish_reason: 'stop' },
      ],
      usage,
    }),
  },
  { ...streamedChat, name: 'a streamed chat call' },
  { ...streamedChat, name: 'a streamed chat call that is cut off', failsAfter: 300 },
  {
    name: 'a streamed call of the Messages API',
    method: 'POST',
    url: 'https://api.anthropic.com/v1/messages',
    request: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 9, stream: true, messages }),
    type: events,
    response: messagesStream,
  },
  {
    ...chat,
    name: 'a call that is turned away',
    type: json,
    response: JSON.stringify({ error: { type: 'rate_limit_error', message: 'slow down' } }),
  },
  {
    name: 'a list of files',
    method: 'GET',
    url: `${openai}/files`,
    request: '',
    type: json,
    response: JSON.stringify({ object: 'list', data: [] }),
  },
  {
    name: 'a tool call',
    method: 'POST',
    url: 'https://tools.example/mcp',
    request: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    type: json,
    response: JSON.stringify({ jsonrpc: '2.0', id: 1, result: { tools: [] } }),
  },
  {
    name: 'a page of text',
    method: 'GET',
    url: 'https://example.com/',
    request: '',
    type: 'text/plain',
    response: 'Häh?\n'.repeat(20),
  },
]

/** A draft as the proxy makes it, with its time. */
export type Reported = AnalysisMsgDraft & { readonly at: number }

const startedAt = 1_700_000_000_000

/** What the proxy reports of an exchange. Bodies come in pieces of `sizes` bytes, in turn. */
export function reportOf(exchange: SampleExchange, sizes: readonly number[]): Reported[] {
  const { method, url, type, failsAfter } = exchange
  const request = Buffer.from(exchange.request)
  const response = Buffer.from(exchange.response)
  const { host } = new URL(url)
  const begun: AnalysisMsgDraft[] = [
    { kind: 'request-started', method, url, httpVersion: '1.1', headers: typed(json), host },
    ...pieces('request-body', request, sizes),
    { kind: 'request-ended', bytes: request.length },
    { kind: 'response-started', status: 200, headers: typed(type), ttfbMs: 10 },
    ...pieces('response-body', response.subarray(0, failsAfter), sizes),
  ]
  const times = { durationMs: 20 }
  const bytes = { requestBytes: request.length, responseBytes: response.length }
  const rest: AnalysisMsgDraft[] =
    failsAfter === undefined
      ? [
          { kind: 'response-ended', bytes: response.length, ...times },
          { kind: 'exchange-completed', status: 200, ...bytes, ...times },
        ]
      : [
          {
            kind: 'exchange-failed',
            by: 'upstream',
            phase: 'response',
            code: 'ECONNRESET',
            ...times,
          },
        ]
  const ids = { connectionId: 'c1', exchangeId: 'x1' }
  // No time passes, so that pieces of any size come at the same time.
  return [...begun, ...rest].map((draft) => Object.assign({ ...ids }, draft, { at: startedAt }))
}

function typed(type: string): HeaderPairs {
  return [['Content-Type', type]]
}

function pieces(
  kind: 'request-body' | 'response-body',
  body: Buffer,
  sizes: readonly number[],
): AnalysisMsgDraft[] {
  const drafts: AnalysisMsgDraft[] = []
  for (let offset = 0; offset < body.length;) {
    const size = Math.max(1, sizes[drafts.length % sizes.length] ?? body.length)
    drafts.push({ kind, offset, ...encodeBytes(body.subarray(offset, offset + size)) })
    offset += size
  }
  return drafts
}
