/**
 * A model that says one sentence, in the words of every provider that the clients speak to: one
 * HTTPS server on loopback with a certificate for whatever host its root permits. What it does not
 * know is answered 404, as telemetry and update checks may be.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import { createSecureContext } from 'node:tls'

import { WebSocketServer } from 'ws'

import type { Authority } from '../../ca/authority.ts'
import { listening } from '../support/upstream.ts'

export interface OriginRequest {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

export interface ModelOrigin {
  readonly port: number
  readonly requests: readonly OriginRequest[]
  close(): Promise<void>
}

/** More than any client sends in one question; a body past it ends the connection. */
const maxBodyBytes = 16 * 1024 * 1024

export async function startModelOrigin(root: Authority, sentence: string): Promise<ModelOrigin> {
  const requests: OriginRequest[] = []
  const server = https.createServer({
    ALPNProtocols: ['http/1.1'],
    SNICallback: (name, done) => {
      try {
        const { certificatePem, privateKeyPem } = root.issueLeaf(name, new Date())
        done(null, createSecureContext({ cert: certificatePem, key: privateKeyPem }))
      } catch (error) {
        done(error as Error)
      }
    },
  })
  server.on('request', (request, response) => {
    let body = ''
    response.on('error', () => {})
    request.on('error', () => {})
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      body += chunk
      if (body.length > maxBodyBytes) request.destroy()
    })
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      requests.push({ host: headers.host ?? '', method, path, headers })
      answer(response, `${method} ${path.split('?', 1)[0] ?? ''}`, {
        sentence,
        isStreamed: /"stream":\s*true/u.test(body) || path.includes('streamGenerateContent'),
      })
    })
  })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxBodyBytes })
  server.on('upgrade', (request, socket, head) => {
    const { url: path = '', headers } = request
    requests.push({ host: headers.host ?? '', method: 'UPGRADE', path, headers })
    if (path.split('?', 1)[0] !== '/v1/responses') {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (peer) => {
      peer.on('error', () => {})
      peer.on('message', () => {
        for (const event of responseEvents(sentence)) peer.send(JSON.stringify(event))
      })
    })
  })
  const listener = await listening(server)
  return { ...listener, requests }
}

interface Wanted {
  readonly sentence: string
  readonly isStreamed: boolean
}

function answer(response: ServerResponse, what: string, wanted: Wanted): void {
  const found = table.find(([pattern]) => pattern.test(what))
  const given = found?.[1](wanted)
  if (given === undefined) {
    const error = { type: 'not_found', message: 'this model only talks' }
    send(response, 404, 'application/json', JSON.stringify({ error }))
  } else if (typeof given === 'string') send(response, 200, 'text/event-stream', given)
  else send(response, 200, 'application/json', JSON.stringify(given))
}

function send(response: ServerResponse, status: number, mediaType: string, body: string): void {
  response.writeHead(status, { 'Content-Type': mediaType }).end(body)
}

/** By method and path; a string is a stream of events, an object a body of JSON. */
const table: ReadonlyArray<readonly [RegExp, (wanted: Wanted) => string | object]> = [
  [/^POST \S*\/messages\/count_tokens$/u, () => ({ input_tokens: 10 })],
  [/^POST \S*\/messages$/u, anthropicMessage],
  [/^POST \S*\/responses$/u, openaiResponse],
  [/^POST \S*\/chat\/completions$/u, openaiChat],
  [/^POST \S*:(?:stream)?[gG]enerateContent$/u, gemini],
  [/^POST \S*:countTokens$/u, () => ({ totalTokens: 10 })],
  [/^GET \S*\/models$/u, () => ({ object: 'list', data: [], models: [] })],
]

/** https://docs.anthropic.com/en/docs/build-with-claude/streaming */
function anthropicMessage({ sentence, isStreamed }: Wanted): string | object {
  const usage = { input_tokens: 11, output_tokens: 7 }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5' }
  const ends = { stop_reason: 'end_turn', stop_sequence: null }
  if (!isStreamed) {
    return { ...message, ...ends, content: [{ type: 'text', text: sentence }], usage }
  }
  return events([
    { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: sentence } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: ends, usage },
    { type: 'message_stop' },
  ])
}

function openaiResponse({ sentence, isStreamed }: Wanted): string | object {
  return isStreamed ? events(responseEvents(sentence)) : finishedResponse(sentence)
}

function responseItem(sentence: string): Record<'part' | 'item' | 'whole', object> {
  const part = { type: 'output_text', text: sentence, annotations: [] }
  const item = { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed' }
  return { part, item, whole: { ...item, content: [part] } }
}

const responseHead = { id: 'resp_1', object: 'response', created_at: 1, model: 'gpt-5' }

function finishedResponse(sentence: string): object {
  const usage = {
    input_tokens: 11,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 18,
  }
  const output = [responseItem(sentence).whole]
  return { ...responseHead, error: null, status: 'completed', output, usage }
}

/** The same over SSE and WebSocket: https://platform.openai.com/docs/api-reference/responses-streaming */
function responseEvents(sentence: string): StreamEvent[] {
  const { part, item, whole } = responseItem(sentence)
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  const begun = { ...responseHead, status: 'in_progress', output: [] }
  return [
    { type: 'response.created', response: begun },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...at, delta: sentence },
    { type: 'response.output_text.done', ...at, text: sentence },
    { type: 'response.content_part.done', ...at, part },
    { type: 'response.output_item.done', output_index: 0, item: whole },
    { type: 'response.completed', response: finishedResponse(sentence) },
  ]
}

/** https://platform.openai.com/docs/api-reference/chat-streaming */
function openaiChat({ sentence, isStreamed }: Wanted): string | object {
  const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }
  const head = { id: 'chatcmpl-1', created: 1, model: 'gpt-5' }
  const message = { role: 'assistant', content: sentence }
  if (!isStreamed) {
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    return { ...head, object: 'chat.completion', choices, usage }
  }
  const chunk = { ...head, object: 'chat.completion.chunk' }
  const last = [{ index: 0, delta: {}, finish_reason: 'stop' }]
  return `${events([
    { ...chunk, choices: [{ index: 0, delta: message, finish_reason: null }] },
    { ...chunk, choices: last, usage },
  ])}data: [DONE]\n\n`
}

/** https://ai.google.dev/api/generate-content */
function gemini({ sentence, isStreamed }: Wanted): string | object {
  const content = { role: 'model', parts: [{ text: sentence }] }
  const given = {
    candidates: [{ content, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
    modelVersion: 'gemini-2.5-pro',
  }
  return isStreamed ? events([given]) : given
}

/** As far as this needs to know one. */
interface StreamEvent {
  readonly type?: string
  readonly [field: string]: unknown
}

function events(list: readonly StreamEvent[]): string {
  return list
    .map((each) => {
      const name = each.type === undefined ? '' : `event: ${each.type}\n`
      return `${name}data: ${JSON.stringify(each)}\n\n`
    })
    .join('')
}
