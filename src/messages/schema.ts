/**
 * `AnalysisMsg`: every fact that Porthole tells, as one JSON-safe discriminated union on `kind`.
 * It is the same for intercepted HTTPS, plain HTTP and everything that replays them. Kinds and
 * optional fields may be added; none is ever changed. Secrets are redacted before a message exists.
 *
 * Order within one exchange: `request-started`, any `request-body`, `request-ended`,
 * `response-started`, any `response-body`, `response-ended`, then exactly one of
 * `exchange-completed` and `exchange-failed`. Request and response may overlap; a failed exchange
 * may stop at any point. A refused one is `request-started`, as much of its body as was read to
 * decide on it, `request-refused` and `exchange-completed` with the status that the client was given;
 * where its body was read, `model-called` and `model-answered` tell what it asked for, but it is no
 * call: sums over calls leave it out.
 */
import { z } from 'zod'

import { callLinkShape, rateLimits } from './call-link.ts'
import type { DeepReadonly } from './content.ts'
import { cost, count, dimensions, failure, formPart, milliseconds, part, usage } from './content.ts'
import { kind, messageVersion } from './message-kind.ts'

/** The analyzer that said it; absent on what the proxy itself reports. */
const by = z.string().optional()
const port = z.int().min(0).max(65_535)
/** Raw header pairs in wire order, names as sent, secrets replaced by `[REDACTED]`. */
const headers = z.array(z.tuple([z.string(), z.string()]))
/** Bytes as `text` if they are well-formed UTF-8, else as `base64`; exactly one of the two. */
const bytesOf = { text: z.string().optional(), base64: z.string().optional() }
/** A token for a secret, or what was taken for one; `count` where it stood there more than once. */
const tokenOf = {
  secretId: z.string(),
  mode: z.string(),
  location: z.string(),
  count: count.optional(),
}
const json = z.json()
/** Which model call of its exchange, from 0; absent where an exchange is one call. */
const call = count.optional()

const connections = [
  kind('connection-opened', { by, clientAddress: z.string(), clientPort: port }),
  kind('connection-closed', { by, bytesIn: count, bytesOut: count, durationMs: milliseconds }),
  /** No upstream was dialled. `status` is what the client was told. */
  kind('connection-refused', {
    by,
    host: z.string().optional(),
    port: port.optional(),
    status: count,
    reason: z.enum(['unauthenticated', 'bad-authority', 'address-denied', 'rule', 'limit']),
    message: z.string().optional(),
    rule: z.string().optional(),
    /** As the client was told it; finer than the reason. */
    code: z.string().optional(),
    /** Of a request; absent where it was the connection that was refused. */
    method: z.string().optional(),
    path: z.string().optional(),
  }),
  kind('tunnel-opened', {
    by,
    host: z.string(),
    port,
    reason: z.enum(['not-allowlisted', 'client-rejects-ca', 'ca-unavailable', 'rule']),
  }),
  /** Bytes are those of the tunnelled stream, without the CONNECT head. */
  kind('tunnel-closed', {
    by,
    host: z.string(),
    port,
    bytesUp: count,
    bytesDown: count,
    durationMs: milliseconds,
    error: z.string().optional(),
    /** Of a plain request that passed unread and failed: `address-denied`, `upstream-reset`, … */
    code: z.string().optional(),
  }),
  kind('tls-failed', {
    by,
    host: z.string(),
    side: z.enum(['client', 'upstream']),
    code: z.string(),
    hint: z.string(),
  }),
] as const

const exchanges = [
  kind('request-started', {
    by,
    method: z.string(),
    url: z.string(),
    httpVersion: z.string(),
    headers,
    host: z.string(),
  }),
  /** `offset` counts bytes of the body as sent on the wire, decoded from any chunked framing. */
  kind('request-body', { by, ...bytesOf, offset: count }),
  kind('request-ended', { by, bytes: count, trailers: headers.optional() }),
  kind('request-refused', {
    by,
    status: count,
    reason: z.string(),
    message: z.string().optional(),
    rule: z.string().optional(),
  }),
  kind('credential-injected', {
    by,
    secretId: z.string(),
    mode: z.enum(['header', 'query', 'url-path', 'basic']),
    location: z.string(),
  }),
  kind('token-replaced', { by, ...tokenOf }),
  kind('token-stripped', {
    by,
    ...tokenOf,
    /** `host`, `path`, `agent`, `expired`, `revoked`, `plain-http`, `unknown`. */
    reason: z.string().optional(),
  }),
  /**
   * A value that was put into the request has come back: masked here, not in what the client got.
   * Once for each secret and place. `name` is the field's; `coded` means within a content coding.
   */
  kind('credential-echoed', {
    by,
    secretId: z.string().optional(),
    where: z.enum(['status', 'header', 'body', 'trailer', 'websocket']),
    name: z.string().optional(),
    form: z.enum(['raw', 'base64', 'percent', 'json', 'hex', 'coded']),
  }),
  kind('response-started', {
    by,
    status: count,
    statusText: z.string().optional(),
    httpVersion: z.string().optional(),
    headers,
    ttfbMs: milliseconds,
    /** Of the connection to the upstream, where it was made for this request: DNS and TCP. */
    connectMs: milliseconds.optional(),
    tlsMs: milliseconds.optional(),
    /** The connection was kept from an earlier request. */
    reusedConnection: z.boolean().optional(),
  }),
  kind('response-body', { by, ...bytesOf, offset: count }),
  kind('response-ended', {
    by,
    bytes: count,
    durationMs: milliseconds,
    trailers: headers.optional(),
  }),
  kind('exchange-completed', {
    by,
    status: count,
    requestBytes: count,
    responseBytes: count,
    durationMs: milliseconds,
  }),
  /** `by` is the side that ended it, not an analyzer. */
  kind('exchange-failed', {
    by: z.enum(['client', 'upstream', 'proxy']),
    phase: z.enum(['request', 'connect', 'waiting', 'response']),
    code: z.string(),
    message: z.string().optional(),
    status: count.optional(),
    durationMs: milliseconds,
  }),
] as const

const contents = [
  kind('http-parsed', {
    by,
    direction: z.enum(['request', 'response']),
    mediaType: z.string().optional(),
    contentEncoding: z.string().optional(),
    json: json.optional(),
    ...bytesOf,
    /** In place of the bytes of a form. */
    form: z.array(formPart).optional(),
    /** In place of the bytes of an image or of audio. */
    media: z.object({ mediaType: z.string(), ...dimensions }).optional(),
    /** Decoded bytes seen; of the whole body even where `truncated`. */
    bytes: count,
    truncated: z.boolean(),
    problem: z.string().optional(),
  }),
  /** One event of a streamed answer, whatever frames it: server-sent events or a vendor's own. */
  kind('sse-event', {
    by,
    index: count,
    event: z.string().optional(),
    id: z.string().optional(),
    data: z.string(),
    sinceRequestMs: milliseconds,
    /** The stream ended before the blank line that should end the event. */
    unterminated: z.boolean().optional(),
  }),
  kind('stream-merged', {
    by,
    call,
    /** Wire format: `openai-chat`, `openai-responses`, `anthropic-messages`, … */
    format: z.string(),
    /** The object that the provider's own non-streamed answer would have been. */
    merged: json,
    text: z.string(),
    eventCount: count,
    firstEventMs: milliseconds.optional(),
    lastEventMs: milliseconds.optional(),
    complete: z.boolean(),
    problem: z.string().optional(),
  }),
  /**
   * One message of RFC 6455 §5: fragments joined, unmasked and inflated (RFC 7692). The payload of
   * a binary message (opcode 2) and of a close (8) is always `base64`; of text (1), ping (9) and
   * pong (10) it is `text` if it is well-formed UTF-8.
   */
  kind('websocket-message', {
    by,
    direction: z.enum(['request', 'response']),
    opcode: count,
    ...bytesOf,
    /** Of the payload as sent, before any inflating. */
    bytes: count.optional(),
    /** The payload is left out: it was larger than the bound, or broke off. */
    truncated: z.boolean().optional(),
    /** Of a close that says why. */
    closeCode: count.optional(),
    closeReason: z.string().optional(),
  }),
] as const

const models = [
  kind('model-called', {
    by,
    call,
    /** `openai`, `anthropic`, or the host of a compatible service. */
    provider: z.string(),
    /** `chat`, `responses`, `messages`, `completions`, `embeddings`, … */
    operation: z.string(),
    model: z.string().optional(),
    streaming: z.boolean(),
    /** System prompt first, as role `system`. */
    messages: z.array(z.object({ role: z.string(), parts: z.array(part) })),
    tools: z.array(z.object({ name: z.string(), description: z.string().optional() })),
    /** What the prompt continues, where the provider keeps the rest of it. */
    previousResponseId: z.string().optional(),
    conversationId: z.string().optional(),
    /** The answer comes later, by another request. */
    background: z.boolean().optional(),
  }),
  kind('model-answered', {
    by,
    call,
    provider: z.string(),
    operation: z.string(),
    /** As the answer names it, else as the request did. */
    model: z.string().optional(),
    status: count.optional(),
    output: z.array(part),
    toolCalls: z.array(
      z.object({ id: z.string().optional(), name: z.string(), arguments: z.string() }),
    ),
    finishReason: z.string().optional(),
    /** Under which the provider keeps the answer. */
    responseId: z.string().optional(),
    usage: usage.optional(),
    cost: cost.optional(),
    /** From the request's start to the first generated content; streams only. */
    ttftMs: milliseconds.optional(),
    durationMs: milliseconds,
    /** Output tokens over the time from first content to the end; streams only. */
    tokensPerSecond: z.number().nonnegative().optional(),
    complete: z.boolean(),
    error: failure.optional(),
    rateLimits: rateLimits.optional(),
  }),
  /**
   * Where a call stands in its conversation; told right after its `model-answered`. Embeddings have
   * none.
   */
  kind('call-linked', { by, call, ...callLinkShape }),
] as const

const operations = [
  /** A request of a provider's interface that runs no model: files, batches, stored objects. */
  kind('operation-performed', {
    by,
    provider: z.string(),
    /** `files.create`, `threads.runs.retrieve`, … */
    operation: z.string(),
    /** Ids that the path names, the outermost first. */
    subjects: z.array(z.string()),
    status: count.optional(),
    /** What the answer says of its object, in short. */
    facts: z.array(z.object({ name: z.string(), value: z.string() })),
    durationMs: milliseconds,
    complete: z.boolean(),
    error: failure.optional(),
  }),
  /** A request or a notification of the Model Context Protocol. */
  kind('mcp-called', {
    by,
    call,
    /** Host of the server. */
    server: z.string(),
    /** `tools/call`, `initialize`, … */
    method: z.string(),
    /** Absent on notifications, which get no answer. */
    requestId: z.string().optional(),
    /** Of the tool or prompt, or the address of the resource. */
    name: z.string().optional(),
    /** JSON. */
    arguments: z.string().optional(),
    sessionId: z.string().optional(),
  }),
  kind('mcp-answered', {
    by,
    call,
    server: z.string(),
    method: z.string(),
    requestId: z.string(),
    name: z.string().optional(),
    result: z.array(part),
    status: count.optional(),
    durationMs: milliseconds,
    /** The server gave a result, even if that tells of a failed tool. */
    complete: z.boolean(),
    error: failure.optional(),
  }),
] as const

const decision = {
  by,
  rule: z.string(),
  decision: z.string(),
  mode: z.enum(['enforce', 'observe']),
}
const health = [
  kind('rule-matched', decision),
  kind('budget-exceeded', decision),
  kind('analyzer-failed', { by, analyzer: z.string(), error: z.string() }),
  kind('messages-dropped', { by, where: z.string(), count, bytes: count }),
  /** The value of a stored secret stood in a message: in one of kind `where`, `count` times. */
  kind('secret-withheld', { by, where: z.string(), secretId: z.string(), count }),
] as const

export const analysisMsgSchema = z.discriminatedUnion('kind', [
  ...connections,
  ...exchanges,
  ...contents,
  ...models,
  ...operations,
  ...health,
])

export type AnalysisMsg = DeepReadonly<z.infer<typeof analysisMsgSchema>>
export type MsgKind = AnalysisMsg['kind']
export type MsgOf<K extends MsgKind> = Extract<AnalysisMsg, { readonly kind: K }>

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
/** What a reporter hands over: the pipeline adds `v` and `seq`, and `at` where it is missing. */
export type AnalysisMsgDraft = DistributiveOmit<AnalysisMsg, 'v' | 'seq' | 'at'> & {
  readonly at?: number
}

export type HeaderPairs = ReadonlyArray<readonly [string, string]>
export type FormPart = DeepReadonly<z.infer<typeof formPart>>
export type Part = DeepReadonly<z.infer<typeof part>>
export type Usage = DeepReadonly<z.infer<typeof usage>>
export type Cost = DeepReadonly<z.infer<typeof cost>>
export type ModelMessage = MsgOf<'model-called'>['messages'][number]
export type RateLimits = DeepReadonly<z.infer<typeof rateLimits>>
export type CallLink = MsgOf<'call-linked'>
export type ToolCall = MsgOf<'model-answered'>['toolCalls'][number]
/** Any value that JSON can hold. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json }

/** First line of every capture. */
export const captureOpenedSchema = z.object({
  kind: z.literal('capture-opened'),
  v: z.literal(messageVersion),
  porthole: z.string(),
  startedAt: count,
  /** Set in every file of a rotated capture but the first: the number of files before it. */
  continues: count.optional(),
})
export type CaptureOpened = DeepReadonly<z.infer<typeof captureOpenedSchema>>
