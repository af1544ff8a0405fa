/**
 * The client's side of an exchange: relays a response head as it came, or answers for the proxy
 * itself. Proxy answers are JSON in the error shape that provider SDKs read, carry
 * `x-porthole-error`, and hold no secret and no internals (RFC 9209 would name the proxy; clients
 * of model APIs read bodies).
 */
import type { ServerResponse } from 'node:http'

import type { HeaderPairs } from '../messages/schema.ts'
import type { Refusal } from '../pipeline/analyzer.ts'
import type { InterimResponse, UpstreamResponse } from './http-messages.ts'
import { forwardableResponseHeaders, toRaw } from './http-messages.ts'

export interface ProxyAnswer {
  readonly status: number
  /** Kebab-case; stands in `x-porthole-error` and as `error.code`. */
  readonly code: string
  readonly message: string
  readonly headers?: HeaderPairs
  /** Name of the rule that refused. */
  readonly rule?: string
  /** In place of the usual JSON. */
  readonly body?: Refusal['body']
}

/** What a client is told of a refusal. */
export function answerFor(refusal: Refusal): ProxyAnswer {
  const { status, reason, message, rule, retryAfterSeconds, headers = [], body } = refusal
  const retryAfter =
    retryAfterSeconds === undefined ? [] : [['Retry-After', String(retryAfterSeconds)] as const]
  return {
    status,
    code: reason,
    message,
    headers: [...retryAfter, ...headers],
    ...(rule === undefined ? {} : { rule }),
    ...(body === undefined ? {} : { body }),
  }
}

/** Writes the upstream's head to the client; the body is the caller's to pump into `response`. */
export function relayHead(response: ServerResponse, head: UpstreamResponse): void {
  response.sendDate = false
  // Marks the field as not ours to add; the client's own wish decides whether the connection stays.
  response.removeHeader('connection')
  let fields = forwardableResponseHeaders(head.headers)
  // RFC 9112 §6.1: such a client knows no chunks; its answer ends with the connection. It ends so
  // whatever the client asked for (§9.3): one that waits for the end where nobody said that the
  // connection stays would wait for long.
  const isOld = isOfOldClient(response)
  if (isOld) fields = fields.filter((pair) => !isPlainChunked(pair))
  // Node closes it then: the client may or may not send the body that it has announced.
  const isUnasked = /\b100-continue\b/iu.test(expected(response)) && !continued.has(response)
  const isLast = isOld || isUnasked
  if (isLast) fields = [...fields, ['Connection', 'close']]
  response.writeHead(head.status, head.statusText, toRaw(fields))
}

/** Responses before which the client heard that it may send its body. */
const continued = new WeakSet<ServerResponse>()

function isOfOldClient({ req }: ServerResponse): boolean {
  return req.httpVersionMajor === 1 && req.httpVersionMinor === 0
}

function expected({ req }: ServerResponse): string {
  return req.headers.expect ?? ''
}

/** Tells the client to send its body. */
export function tellToContinue(response: ServerResponse): void {
  continued.add(response)
  response.writeContinue()
}

function isPlainChunked([name, value]: readonly [string, string]): boolean {
  return name.toLowerCase() === 'transfer-encoding' && value.trim().toLowerCase() === 'chunked'
}

/**
 * Passes an interim response on, where this response is the one that the connection is at. A 100
 * goes through node, which closes a connection where it never saw one pass; the others are bytes.
 */
export function relayInterim(response: ServerResponse, interim: InterimResponse): void {
  const { socket } = response
  if (response.headersSent || response.destroyed || socket === null) return
  // RFC 9110 §15.2: it would take it for the answer.
  if (isOfOldClient(response)) return
  if (interim.status === 100) {
    tellToContinue(response)
    return
  }
  const lines = forwardableResponseHeaders(interim.headers).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  socket.write(
    Buffer.from(
      `HTTP/1.1 ${interim.status} ${interim.statusText}\r\n${lines.join('')}\r\n`,
      'latin1',
    ),
  )
}

/** Sends a proxy answer if the head is still unsent, else breaks the connection. */
export function answerClient(response: ServerResponse, answer: ProxyAnswer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const { headers, body } = renderAnswer(answer)
  response.writeHead(answer.status, headers.flat())
  response.end(body)
}

/**
 * Breaks off an answer that has begun, or was never to be. What others than the client have cut is
 * cut by a reset: an answer without a length would be completed by an end.
 */
export function cutClient(
  {
    response,
    resetClient,
  }: { readonly response: ServerResponse; readonly resetClient: () => void },
  by: 'client' | 'upstream' | 'proxy',
): void {
  if (by !== 'client' && response.headersSent && !response.destroyed) resetClient()
  response.destroy()
}

/** Resolves when the last byte is with the operating system, or the client has left. */
export async function flushed(
  response: ServerResponse,
  onClientClosed: Set<() => void>,
): Promise<void> {
  if (response.writableFinished || response.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  onClientClosed.add(resolve)
  response.on('finish', resolve).on('close', resolve)
  await promise
  onClientClosed.delete(resolve)
}

/** The same answer as bytes, for a socket that node:http no longer owns (CONNECT, upgrades). */
export function rawAnswer(answer: ProxyAnswer, reason: string, keepOpen: boolean): string {
  const { headers, body } = renderAnswer(answer)
  const lines = [...headers, ['Connection', keepOpen ? 'keep-alive' : 'close'] as const]
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${answer.status} ${reason}\r\n${head}\r\n${body}`
}

/** For what node's parser could not read, by the code of its error. */
export function malformedAnswer(code: string | undefined): {
  readonly answer: ProxyAnswer
  readonly phrase: string
} {
  const answers: Record<string, readonly [number, string, string]> = {
    HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the header block is too large'],
    ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request head did not arrive in time'],
  }
  const [status, phrase, message] = answers[code ?? ''] ?? [
    400,
    'Bad Request',
    'the request is not HTTP/1.1',
  ]
  return { answer: { status, code: phrase.toLowerCase().replaceAll(' ', '-'), message }, phrase }
}

function renderAnswer(answer: ProxyAnswer): {
  headers: Array<readonly [string, string]>
  body: string
} {
  const error = {
    type: 'porthole_error',
    code: answer.code,
    message: answer.message,
    ...(answer.rule === undefined ? {} : { rule: answer.rule }),
  }
  const { contentType, text } = answer.body ?? {
    contentType: 'application/json',
    text: `${JSON.stringify({ type: 'error', error })}\n`,
  }
  const more = answer.headers ?? []
  const says = (name: string): boolean => more.some(([key]) => key.toLowerCase() === name)
  return {
    headers: [
      ['Content-Type', contentType],
      ['Content-Length', String(Buffer.byteLength(text))],
      ['X-Porthole-Error', answer.code],
      // OpenAI's and Anthropic's SDKs read this before they decide to retry.
      ...(says('x-should-retry') ? [] : [['X-Should-Retry', 'false'] as const]),
      ...more,
    ],
    body: text,
  }
}
