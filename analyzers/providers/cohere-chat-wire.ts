/** Cohere's chat requests and answers, of both APIs (`/v1/chat`, `/v2/chat`), read into parts. */
import type { ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { recordOf, recordsOf, textOf } from '../wire/json.ts'
import { cohereChat } from './cohere-chat.ts'
import { readCohereUsage } from './cohere-usage.ts'
import { cohereV1Chat } from './cohere-v1-chat.ts'
import type { ModelWire } from './model-wire.ts'
import { argumentsText, jsonText, optional, toolCallsIn, toolOf } from './model-wire.ts'
import { contentParts, toolCallPart, toolResultParts } from './openai-chat-wire.ts'

export const cohereChatWire: ModelWire = {
  operation: 'chat',
  stream: cohereChat,
  isCall: (body) => Array.isArray(body['messages']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [...documentsMessage(body), ...recordsOf(body['messages']).map(readMessage)],
    tools: recordsOf(body['tools']).map(toolOf),
  }),
  readAnswer(body) {
    const output = messageParts(recordOf(body['message']))
    return {
      output,
      toolCalls: toolCallsIn(output),
      ...optional('finishReason', textOf(body['finish_reason'])),
      ...optional('usage', readCohereUsage(body)),
    }
  },
}

export const cohereV1ChatWire: ModelWire = {
  operation: 'chat',
  stream: cohereV1Chat,
  isCall: (body) => typeof body['message'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: v1Messages(body),
    tools: recordsOf(body['tools']).map(toolOf),
  }),
  readAnswer(body) {
    const output = v1Parts(body['text'], body)
    return {
      output,
      toolCalls: toolCallsIn(output),
      ...optional('finishReason', textOf(body['finish_reason'])),
      ...optional('usage', readCohereUsage(body)),
    }
  },
}

function readMessage(message: JsonRecord): ModelMessage {
  const role = textOf(message['role']) ?? 'unknown'
  if (role !== 'tool') return { role, parts: messageParts(message) }
  const content = contentParts(message['content'])
  return { role, parts: toolResultParts(textOf(message['tool_call_id']), content) }
}

/** What the model plans to do with its tools is its reasoning. */
function messageParts(message: JsonRecord): Part[] {
  const plan = textOf(message['tool_plan']) ?? ''
  return [
    ...(plan === '' ? [] : [{ type: 'reasoning', text: plan } as const]),
    ...contentParts(message['content']),
    ...recordsOf(message['tool_calls']).map(toolCallPart),
  ]
}

/** Documents to answer from are a message of their own, before the others. */
function documentsMessage(body: JsonRecord): ModelMessage[] {
  const documents = Array.isArray(body['documents']) ? body['documents'] : []
  const parts = documents.map((document): Part => ({
    type: 'other',
    name: 'document',
    text: jsonText(document),
  }))
  return parts.length === 0 ? [] : [{ role: 'document', parts }]
}

/** The first API has the newest message apart, and the results of tools beside it. */
export function v1Messages(body: JsonRecord): ModelMessage[] {
  const preamble = textOf(body['preamble']) ?? ''
  const results = toolResults(body)
  const newest = v1Parts(body['message'], {})
  return [
    ...(preamble === ''
      ? []
      : [{ role: 'system', parts: [{ type: 'text' as const, text: preamble }] }]),
    ...documentsMessage(body),
    ...recordsOf(body['chat_history']).map((message) => ({
      role: roles[(textOf(message['role']) ?? '').toUpperCase()] ?? 'unknown',
      parts: [...v1Parts(message['message'], message), ...toolResults(message)],
    })),
    // With results of tools there may be no newest message.
    ...(newest.length === 0 ? [] : [{ role: 'user', parts: newest }]),
    ...(results.length === 0 ? [] : [{ role: 'tool', parts: results }]),
  ]
}

const roles: Readonly<Record<string, string>> = {
  USER: 'user',
  CHATBOT: 'assistant',
  SYSTEM: 'system',
  TOOL: 'tool',
}

function v1Parts(text: JsonRecord[string] | undefined, message: JsonRecord): Part[] {
  const own = textOf(text) ?? ''
  return [
    ...(own === '' ? [] : [{ type: 'text', text: own } as const]),
    ...recordsOf(message['tool_calls']).map((call): Part => ({
      type: 'tool-call',
      name: textOf(call['name']) ?? 'unknown',
      arguments: argumentsText(call['parameters']),
    })),
  ]
}

/** Their calls have no ids: the name of the tool stands for it. */
function toolResults(body: JsonRecord): Part[] {
  return recordsOf(body['tool_results']).map(toolResult)
}

function toolResult(result: JsonRecord): Part {
  const id = textOf(recordOf(result['call'])['name'])
  return { type: 'tool-result', ...optional('id', id), text: jsonText(result['outputs']) }
}
