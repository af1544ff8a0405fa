/** Requests and answers of Ollama's own API (`/api/…`), read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { AnswerReading, ModelWire } from './model-wire.ts'
import { mediaFromBase64, optional, toolCallsIn, toolOf } from './model-wire.ts'
import { ollama } from './ollama.ts'
import { toolCallPart } from './openai-chat-wire.ts'
import type { ReportedUsage } from './usage.ts'
import { fromDisjoint } from './usage.ts'
import { vectorParts } from './vectors.ts'

export const ollamaChatWire: ModelWire = {
  operation: 'chat',
  provider: 'ollama',
  stream: ollama,
  isCall: (body) => typeof body['model'] === 'string' && Array.isArray(body['messages']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: streams(body),
    messages: recordsOf(body['messages']).map(readMessage),
    tools: recordsOf(body['tools']).map(toolOf),
  }),
  readAnswer,
}

export const ollamaGenerateWire: ModelWire = {
  operation: 'generate',
  provider: 'ollama',
  stream: ollama,
  // Without a prompt it loads the model.
  isCall: (body) => typeof body['model'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: streams(body),
    messages: generateMessages(body),
    tools: [],
  }),
  readAnswer,
}

export const ollamaEmbedWire: ModelWire = {
  operation: 'embeddings',
  provider: 'ollama',
  isCall: (body) => typeof body['model'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: false,
    messages: inputMessages(body['input'] ?? body['prompt']),
    tools: [],
  }),
  readAnswer(body) {
    // The older of the two endpoints gives one vector and no counts.
    const single = listOf(body['embedding'])
    const vectors = single.length > 0 ? [single] : listOf(body['embeddings'])
    const input = countOf(body['prompt_eval_count'])
    return {
      ...optional('model', textOf(body['model'])),
      output: vectorParts(vectors),
      toolCalls: [],
      ...optional('usage', fromDisjoint({ input, output: 0, isSpecial: false })),
    }
  },
}

/** Ollama streams unless it is told not to. */
function streams(body: JsonRecord): boolean {
  return body['stream'] !== false
}

/** Both kinds of answers: that of a chat has a message, the other its text at the top. */
function readAnswer(body: JsonRecord): AnswerReading {
  const { response, thinking } = body
  const output = messageParts({ content: response, thinking, ...recordOf(body['message']) })
  return {
    ...optional('model', textOf(body['model'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', textOf(body['done_reason'])),
    ...optional('usage', readUsage(body)),
  }
}

/** Ollama leaves a count of zero out: no prompt was evaluated where all of it was in its cache. */
function readUsage(body: JsonRecord): ReportedUsage | undefined {
  const { prompt_eval_count: input, eval_count: output } = body
  if (input === undefined && output === undefined) return undefined
  return fromDisjoint({
    input: countOf(input ?? 0),
    output: countOf(output ?? 0),
    isSpecial: false,
  })
}

function readMessage(message: JsonRecord): ModelMessage {
  const role = textOf(message['role']) ?? 'unknown'
  if (role !== 'tool') return { role, parts: messageParts(message) }
  const id = textOf(message['tool_call_id']) ?? textOf(message['tool_name'])
  const text = textOf(message['content']) ?? ''
  return { role, parts: [{ type: 'tool-result', ...optional('id', id), text }] }
}

function messageParts(message: Readonly<Record<string, Json | undefined>>): Part[] {
  const thinking = textOf(message['thinking']) ?? ''
  const content = textOf(message['content']) ?? ''
  return [
    ...(thinking === '' ? [] : [{ type: 'reasoning', text: thinking } as const]),
    ...(content === '' ? [] : [{ type: 'text', text: content } as const]),
    ...listOf(message['images']).map((image) => mediaFromBase64(image, 'image/*')),
    ...recordsOf(message['tool_calls']).map(toolCallPart),
  ]
}

function generateMessages(body: JsonRecord): ModelMessage[] {
  const system = textOf(body['system']) ?? ''
  const asked = messageParts({ content: body['prompt'], images: body['images'] })
  const suffix = textOf(body['suffix']) ?? ''
  if (suffix !== '') asked.push({ type: 'other', name: 'suffix', text: suffix })
  return [
    ...(system === '' ? [] : [{ role: 'system', parts: messageParts({ content: system }) }]),
    ...(asked.length === 0 ? [] : [{ role: 'user', parts: asked }]),
  ]
}

function inputMessages(input: Json | undefined): ModelMessage[] {
  const texts = typeof input === 'string' ? [input] : listOf(input)
  const parts = texts.flatMap((text) => messageParts({ content: text }))
  return parts.length === 0 ? [] : [{ role: 'user', parts }]
}
