/** Chat Completions requests and answers, read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { appendAll, isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { contentFilterParts } from './content-filter.ts'
import type { AnswerReading, ModelWire } from './model-wire.ts'
import {
  argumentsText,
  jsonText,
  mediaFromBase64,
  mediaFromUrl,
  optional,
  otherPart,
  toolCallsIn,
  toolOf,
} from './model-wire.ts'
import { openaiChat } from './openai-chat.ts'
import { isFilled } from './stream-format.ts'
import { readOpenaiUsage } from './usage.ts'

export const openaiChatWire: ModelWire = {
  operation: 'chat',
  stream: openaiChat,
  isCall: (body) => Array.isArray(body['messages']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: recordsOf(body['messages']).map(readMessage),
    tools: [...recordsOf(body['tools']), ...recordsOf(body['functions'])].map(toolOf),
  }),
  readAnswer,
}

function readAnswer(body: JsonRecord): AnswerReading {
  const choices = recordsOf(body['choices'])
  const output = [
    ...choices.flatMap((choice) => messageParts(recordOf(choice['message']))),
    ...contentFilterParts(body),
  ]
  const finish = choices.map((choice) => textOf(choice['finish_reason']))
  return {
    ...optional('model', textOf(body['model'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional(
      'finishReason',
      finish.find((reason) => reason !== undefined),
    ),
    ...optional('responseId', textOf(body['id'])),
    ...optional('usage', readOpenaiUsage(body)),
  }
}

function readMessage(message: JsonRecord): ModelMessage {
  const role = textOf(message['role']) ?? 'unknown'
  if (role !== 'tool' && role !== 'function') return { role, parts: messageParts(message) }
  const content = contentParts(message['content'])
  const id = textOf(message['tool_call_id']) ?? textOf(message['name'])
  return { role, parts: toolResultParts(id, content) }
}

/** A tool's result: its text, then whatever of it is not text. */
export function toolResultParts(id: string | undefined, content: readonly Part[]): Part[] {
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return [
    { type: 'tool-result', ...optional('id', id), text },
    ...content.filter((part) => part.type !== 'text'),
  ]
}

function messageParts(message: JsonRecord): Part[] {
  const parts: Part[] = []
  const reasoning = ['reasoning_content', 'reasoning', 'thinking'].find((key) =>
    isFilled(message[key]),
  )
  if (reasoning !== undefined) parts.push({ type: 'reasoning', text: jsonText(message[reasoning]) })
  else parts.push(...reasoningDetails(message['reasoning_details']))
  appendAll(parts, contentParts(message['content']))
  const refusal = textOf(message['refusal'])
  if (refusal !== undefined && refusal !== '') {
    parts.push({ type: 'other', name: 'refusal', text: refusal })
  }
  if (isRecord(message['audio'])) parts.push(...audioParts(message['audio']))
  appendAll(parts, recordsOf(message['tool_calls']).map(toolCallPart))
  if (isRecord(message['function_call']))
    parts.push(functionPart(message['function_call'], undefined))
  return parts
}

/** OpenRouter's reasoning where it stands in its pieces alone; what is encrypted has no text. */
function reasoningDetails(details: Json | undefined): Part[] {
  const texts = recordsOf(details).map(
    (item) => textOf(item['text']) ?? textOf(item['summary']) ?? '',
  )
  const text = texts.join('')
  return text === '' ? [] : [{ type: 'reasoning', text }]
}

function audioParts(audio: JsonRecord): Part[] {
  const transcript = textOf(audio['transcript'])
  return [
    mediaFromBase64(audio['data'], 'audio/*'),
    ...(transcript === undefined ? [] : [{ type: 'text', text: transcript } as const]),
  ]
}

/** A tool call as Chat Completions has it; Cohere and Ollama do too. */
export function toolCallPart(call: JsonRecord): Part {
  const inner = recordOf(call['function'] ?? call['custom'])
  return functionPart(inner, textOf(call['id']))
}

function functionPart(inner: JsonRecord, id: string | undefined): Part {
  return {
    type: 'tool-call',
    ...optional('id', id),
    name: textOf(inner['name']) ?? 'unknown',
    arguments: argumentsText(inner['arguments'] ?? inner['input']),
  }
}

/** Content of Chat Completions and Responses messages: text, or a list of typed parts. */
export function contentParts(content: Json | undefined): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).flatMap((item) => {
    if (typeof item === 'string') return [{ type: 'text', text: item } as const]
    return isRecord(item) ? [contentPart(item)] : []
  })
}

function contentPart(part: JsonRecord): Part {
  const type = textOf(part['type']) ?? ''
  return Object.hasOwn(partReaders, type)
    ? (partReaders[type]?.(part) ?? otherPart(part))
    : otherPart(part)
}

const textPart = (part: JsonRecord): Part => ({ type: 'text', text: textOf(part['text']) ?? '' })
const reasoningPart = (part: JsonRecord): Part => ({
  type: 'reasoning',
  // Mistral's `thinking` holds a list of text parts.
  text:
    listOf(part['thinking']).length > 0
      ? recordsOf(part['thinking'])
          .map((inner) => textOf(inner['text']) ?? '')
          .join('')
      : (textOf(part['thinking']) ?? textOf(part['text']) ?? ''),
})

const partReaders: Readonly<Record<string, (part: JsonRecord) => Part>> = {
  text: textPart,
  input_text: textPart,
  output_text: textPart,
  summary_text: textPart,
  thinking: reasoningPart,
  reasoning_text: reasoningPart,
  refusal: (part) => ({ type: 'other', name: 'refusal', text: textOf(part['refusal']) ?? '' }),
  // Chat nests the address in a record, Responses does not.
  image_url: (part) =>
    mediaFromUrl(
      isRecord(part['image_url']) ? part['image_url']['url'] : part['image_url'],
      'image/*',
    ),
  input_image: (part) => mediaFromUrl(part['image_url'], 'image/*'),
  input_audio(part) {
    const audio = recordOf(part['input_audio'])
    return mediaFromBase64(audio['data'], `audio/${textOf(audio['format']) ?? '*'}`)
  },
  file: (part) => filePart(recordOf(part['file'])),
  input_file: (part) => filePart(part),
}

function filePart(file: JsonRecord): Part {
  return mediaFromUrl(file['file_data'] ?? file['file_url'], 'application/octet-stream')
}
