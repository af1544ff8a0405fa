/**
 * The Model Context Protocol (revisions 2024-11-05 to 2025-11-25) as messages of JSON-RPC 2.0: which
 * are its requests, what they ask for, and what the results hold. How they travel it does not know.
 */
import type { Json, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { Failure } from './failure.ts'
import { jsonText, mediaFromBase64, otherPart } from './model-wire.ts'

export interface McpRequest {
  readonly method: string
  /** Undefined for a notification. */
  readonly id: string | undefined
  /** Of the tool or prompt, or the address of the resource. */
  readonly name: string | undefined
  /** JSON. */
  readonly arguments: string | undefined
}

export interface McpResponse {
  readonly id: string
  readonly result: Json | undefined
  readonly error: Failure | undefined
}

/** Messages of one batch, which only the revision 2025-03-26 has. */
const maxBatch = 64
const maxId = 200
const methods =
  /^(?:initialize|ping|(?:tools|resources|prompts|completion|logging|sampling|roots|elicitation|tasks|notifications|server|subscriptions)\/[\w/]+)$/u

/** The JSON-RPC messages in a body: one, or a batch of them. */
export function messagesIn(json: Json | undefined): JsonRecord[] {
  const all: readonly JsonRecord[] = isRecord(json) ? [json] : recordsOf(json)
  return all.slice(0, maxBatch).filter((message) => message['jsonrpc'] === '2.0')
}

/** `isNamed`: headers say that it is this protocol, so that any method is one of it. */
export function readMcpRequest(message: JsonRecord, isNamed: boolean): McpRequest | undefined {
  const method = textOf(message['method'])
  if (method === undefined || (!isNamed && !methods.test(method))) return undefined
  const params = recordOf(message['params'])
  const isCall = method === 'tools/call' || method === 'prompts/get'
  const { _meta, ...rest } = params
  const given = isCall ? params['arguments'] : rest
  const isEmpty = given === undefined || (isRecord(given) && Object.keys(given).length === 0)
  return {
    method,
    id: idOf(message),
    name: textOf(isCall ? params['name'] : params['uri']),
    arguments: isEmpty ? undefined : JSON.stringify(given),
  }
}

/** Undefined for a message that answers nothing. */
export function readMcpResponse(message: JsonRecord): McpResponse | undefined {
  const id = idOf(message)
  if (id === undefined || message['method'] !== undefined) return undefined
  const { error } = message
  if (!isRecord(error)) return { id, result: message['result'], error: undefined }
  const code = typeof error['code'] === 'number' ? ` ${error['code']}` : ''
  const failure = { type: `json-rpc${code}`, message: textOf(error['message']) ?? jsonText(error) }
  return { id, result: undefined, error: failure }
}

/** Numbers and texts are different ids: 1 is not "1". */
function idOf(message: JsonRecord): string | undefined {
  const { id } = message
  if (typeof id !== 'string' && typeof id !== 'number') return undefined
  return JSON.stringify(id).slice(0, maxId)
}

/** What a tool that failed says of it. */
export function toolFailure(method: string, result: Json | undefined): Failure | undefined {
  if (method !== 'tools/call' || recordOf(result)['isError'] !== true) return undefined
  const text = resultParts(method, result)
    .flatMap((part) => (part.type === 'text' ? [part.text] : []))
    .join(' ')
  return { type: 'tool-error', message: text === '' ? 'the tool reported an error' : text }
}

export function resultParts(method: string, result: Json | undefined): Part[] {
  const record = recordOf(result)
  switch (method) {
    case 'tools/call': {
      const parts = recordsOf(record['content']).map(contentPart)
      const { structuredContent } = record
      // Most servers give the same twice, as text and as a value.
      if (parts.length > 0 || structuredContent === undefined) return parts
      return [{ type: 'other', name: 'structured content', text: jsonText(structuredContent) }]
    }
    case 'resources/read':
      return recordsOf(record['contents']).map(resourcePart)
    case 'prompts/get':
      return recordsOf(record['messages']).map((message) =>
        contentPart(recordOf(message['content'])),
      )
    default:
      return listed(record) ?? (Object.keys(record).length === 0 ? [] : [whole(method, record)])
  }
}

function contentPart(content: JsonRecord): Part {
  switch (content['type']) {
    case 'text':
      return { type: 'text', text: textOf(content['text']) ?? '' }
    case 'image':
    case 'audio':
      return mediaFromBase64(content['data'], textOf(content['mimeType']) ?? `${content['type']}/*`)
    case 'resource':
      return resourcePart(recordOf(content['resource']))
    default:
      return otherPart(content)
  }
}

function resourcePart(resource: JsonRecord): Part {
  const text = textOf(resource['text'])
  if (text !== undefined) return { type: 'text', text }
  const mediaType = textOf(resource['mimeType']) ?? 'application/octet-stream'
  return mediaFromBase64(resource['blob'], mediaType)
}

/** Lists by the names of what they hold: definitions are long, and stand in the body. */
function listed(record: JsonRecord): Part[] | undefined {
  const key = ['tools', 'resources', 'resourceTemplates', 'prompts'].find((candidate) =>
    Array.isArray(record[candidate]),
  )
  if (key === undefined) return undefined
  const items = recordsOf(record[key])
  const names = items.map((item) => textOf(item['name']) ?? textOf(item['uri']) ?? 'unnamed')
  return [{ type: 'other', name: key, text: `${items.length}: ${names.join(', ')}` }]
}

function whole(method: string, record: JsonRecord): Part {
  return { type: 'other', name: method, text: jsonText(record) }
}
