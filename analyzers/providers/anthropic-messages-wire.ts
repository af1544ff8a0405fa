/** Anthropic Messages requests and answers, read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import { readAnthropicUsage } from './anthropic-usage.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import {
  argumentsText,
  jsonText,
  mediaFromBase64,
  optional,
  otherPart,
  toolCallsIn,
  toolOf,
} from './model-wire.ts'
import type { ReportedUsage } from './usage.ts'

export const anthropicMessagesWire: ModelWire = {
  operation: 'messages',
  stream: anthropicMessages,
  isCall: (body) => Array.isArray(body['messages']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [...systemMessage(body['system']), ...recordsOf(body['messages']).map(readMessage)],
    tools: recordsOf(body['tools']).map(toolOf),
  }),
  readAnswer(body, target) {
    const output = blockParts(body['content'])
    return {
      ...optional('model', textOf(body['model'])),
      output,
      toolCalls: toolCallsIn(output),
      ...optional('finishReason', textOf(body['stop_reason'])),
      ...optional('responseId', textOf(body['id'])),
      ...optional('usage', pricedAt(readAnthropicUsage(body), target)),
    }
  },
}

/** Vertex AI takes more in a region than in `global`, for some models; the tables do not say. */
function pricedAt(
  usage: ReportedUsage | undefined,
  { path }: CallTarget,
): ReportedUsage | undefined {
  const isRegional = /\/locations\/(?!global\/)[^/]+\/publishers\//u.test(path)
  if (usage === undefined || !isRegional) return usage
  return { ...usage, billing: { ...usage.billing, isSpecial: true } }
}

function systemMessage(system: Json | undefined): ModelMessage[] {
  const parts = blockParts(system)
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

function readMessage(message: JsonRecord): ModelMessage {
  return { role: textOf(message['role']) ?? 'unknown', parts: blockParts(message['content']) }
}

function blockParts(content: Json | undefined): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return recordsOf(content).flatMap(readBlock)
}

function readBlock(block: JsonRecord): Part[] {
  const type = textOf(block['type']) ?? ''
  switch (type) {
    case 'text':
      return [{ type: 'text', text: textOf(block['text']) ?? '' }]
    case 'thinking':
      return [{ type: 'reasoning', text: textOf(block['thinking']) ?? '' }]
    case 'redacted_thinking':
      return [{ type: 'other', name: type, text: '' }]
    case 'image':
    case 'document':
      return [sourcePart(type, recordOf(block['source']))]
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
      return [
        {
          type: 'tool-call',
          ...optional('id', textOf(block['id'])),
          name: textOf(block['name']) ?? 'unknown',
          arguments: argumentsText(block['input']),
        },
      ]
    default:
      return type.endsWith('tool_result') ? resultParts(block) : [otherPart(block)]
  }
}

/** Images and documents: inline as base64 or text, else by address or id. */
function sourcePart(type: string, source: JsonRecord): Part {
  const fallback = type === 'image' ? 'image/*' : 'application/octet-stream'
  const mediaType = textOf(source['media_type']) ?? fallback
  const text = textOf(source['data'])
  if (source['type'] === 'text' && text !== undefined) {
    return { type: 'media', mediaType, bytes: Buffer.byteLength(text) }
  }
  return mediaFromBase64(text, mediaType)
}

/** Results of tools of the client hold text and images, those of the server their own records. */
function resultParts(block: JsonRecord): Part[] {
  const { content } = block
  const parts =
    typeof content === 'string' ? blockParts(content) : listOf(content).flatMap(resultPart)
  const own = parts.length === 0 && content !== undefined && typeof content !== 'string'
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return [
    {
      type: 'tool-result',
      ...optional('id', textOf(block['tool_use_id'])),
      text: own && !Array.isArray(content) ? jsonText(content) : text,
    },
    ...parts.filter((part) => part.type !== 'text'),
  ]
}

function resultPart(item: Json): Part[] {
  return readBlock(recordOf(item))
}
