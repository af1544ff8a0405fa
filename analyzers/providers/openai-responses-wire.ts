/** Responses requests and answers, read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { AnswerReading, ModelWire } from './model-wire.ts'
import {
  argumentsText,
  jsonText,
  mediaFromBase64,
  optional,
  otherPart,
  toolCallsIn,
  toolOf,
} from './model-wire.ts'
import { contentParts, toolResultParts } from './openai-chat-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import { readResponsesUsage } from './usage.ts'

export const openaiResponsesWire: ModelWire = {
  operation: 'responses',
  stream: openaiResponses,
  isCall: (body) =>
    ['input', 'prompt', 'previous_response_id', 'conversation'].some(
      (key) => body[key] !== undefined,
    ),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [...instructions(body), ...inputMessages(body)],
    tools: recordsOf(body['tools']).map(toolOf),
    ...optional('previousResponseId', textOf(body['previous_response_id'])),
    ...optional('conversationId', conversationOf(body['conversation'])),
    ...(body['background'] === true ? { background: true } : {}),
  }),
  readAnswer,
}

/** A model shortens a conversation: its answer is the items that stand for what was said. */
export const openaiCompactWire: ModelWire = { ...openaiResponsesWire, operation: 'compact' }

/** Named by its id, or as a record that holds it. */
function conversationOf(value: Json | undefined): string | undefined {
  return textOf(value) ?? textOf(recordOf(value)['id'])
}

function instructions(body: JsonRecord): ModelMessage[] {
  const parts = contentParts(body['instructions'])
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

function inputMessages(body: JsonRecord): ModelMessage[] {
  const { input } = body
  if (typeof input === 'string') return [{ role: 'user', parts: contentParts(input) }]
  return recordsOf(input).map(readItem)
}

/** One input or output item, as a message. */
export function readItem(item: JsonRecord): ModelMessage {
  return { role: roleOf(item), parts: itemParts(item) }
}

function roleOf(item: JsonRecord): string {
  const role = textOf(item['role'])
  if (role !== undefined) return role
  const type = textOf(item['type']) ?? ''
  if (type.endsWith('_output')) return 'tool'
  return type === 'item_reference' || type === 'mcp_approval_response' ? 'user' : 'assistant'
}

/** The parts of one input or output item. */
function itemParts(item: JsonRecord): Part[] {
  const type = textOf(item['type']) ?? 'message'
  switch (type) {
    case 'message':
      return contentParts(item['content'])
    case 'reasoning': {
      const parts = [...contentParts(item['summary']), ...contentParts(item['content'])]
      const text = parts.map((part) => ('text' in part ? part.text : '')).join('\n\n')
      return text === '' ? [] : [{ type: 'reasoning', text }]
    }
    case 'function_call':
    case 'custom_tool_call':
    case 'mcp_call':
      return [callPart(item)]
    case 'function_call_output':
    case 'custom_tool_call_output':
      return toolResultParts(textOf(item['call_id']), outputParts(item))
    case 'image_generation_call':
      return [mediaFromBase64(item['result'], 'image/*')]
    default:
      return [otherPart(item)]
  }
}

function outputParts(item: JsonRecord): Part[] {
  const { output } = item
  if (typeof output === 'string' || Array.isArray(output)) return contentParts(output)
  return isRecord(output) ? [{ type: 'text', text: jsonText(output) }] : []
}

function callPart(item: JsonRecord): Part {
  return {
    type: 'tool-call',
    ...optional('id', textOf(item['call_id']) ?? textOf(item['id'])),
    name: textOf(item['name']) ?? 'unknown',
    arguments: argumentsText(item['arguments'] ?? item['input']),
  }
}

function readAnswer(body: JsonRecord): AnswerReading {
  const output = recordsOf(body['output']).flatMap(itemParts)
  const incomplete = textOf(recordOf(body['incomplete_details'])['reason'])
  return {
    ...optional('model', textOf(body['model'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', incomplete ?? textOf(body['status'])),
    ...optional('responseId', textOf(body['id'])),
    ...optional('usage', readResponsesUsage(body)),
  }
}
