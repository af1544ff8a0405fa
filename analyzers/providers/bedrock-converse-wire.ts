/** Converse requests and answers (`POST /model/{id}/converse`), read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { bedrockConverse } from './bedrock-converse.ts'
import { bedrockModel } from './bedrock-model.ts'
import { readConverseUsage } from './bedrock-usage.ts'
import type { AnswerReading, CallReading, ModelWire } from './model-wire.ts'
import {
  argumentsText,
  jsonText,
  mediaFromBase64,
  optional,
  otherPart,
  toolCallsIn,
} from './model-wire.ts'

export const bedrockConverseWire: ModelWire = {
  operation: 'converse',
  stream: bedrockConverse,
  // All that it needs may stand in the path: a stored prompt has its own messages.
  isCall: () => true,
  readCall: (body, target) => ({
    ...readConverseCall(body),
    ...optional('model', bedrockModel(target)),
    streaming: target.path.endsWith('-stream'),
  }),
  readAnswer: readConverseAnswer,
}

/** The request without its model, which the path names; Nova's own requests have the same shape. */
export function readConverseCall(body: JsonRecord): Omit<CallReading, 'streaming'> {
  const system = recordsOf(body['system']).flatMap(readBlock)
  const tools = recordsOf(recordOf(body['toolConfig'])['tools'])
  return {
    messages: [
      ...(system.length === 0 ? [] : [{ role: 'system', parts: system }]),
      ...recordsOf(body['messages']).map(readMessage),
    ],
    tools: tools.filter((tool) => !('cachePoint' in tool)).map(readTool),
  }
}

/** The model is the one that was called: its id says more than the name in an answer. */
export function readConverseAnswer(body: JsonRecord): AnswerReading {
  const message = recordOf(recordOf(body['output'])['message'])
  const output = recordsOf(message['content']).flatMap(readBlock)
  return {
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', textOf(body['stopReason'])),
    ...optional('usage', readConverseUsage(body)),
  }
}

function readMessage(message: JsonRecord): ModelMessage {
  return {
    role: textOf(message['role']) ?? 'unknown',
    parts: recordsOf(message['content']).flatMap(readBlock),
  }
}

function readTool(tool: JsonRecord): CallReading['tools'][number] {
  const inner = recordOf(tool['toolSpec'] ?? tool['systemTool'])
  return {
    name: textOf(inner['name']) ?? 'unknown',
    ...optional('description', textOf(inner['description'])),
  }
}

/** A block is a union by key. Cache points are marks without content. */
function readBlock(block: JsonRecord): Part[] {
  if (typeof block['text'] === 'string') return [{ type: 'text', text: block['text'] }]
  for (const [key, read] of Object.entries(blockReaders)) {
    const value = block[key]
    if (isRecord(value)) return read(value, key)
  }
  const name = Object.keys(block)[0] ?? 'unknown'
  return [{ type: 'other', name, text: jsonText(block) }]
}

type BlockReader = (value: JsonRecord, key: string) => Part[]

const blockReaders: Readonly<Record<string, BlockReader>> = {
  toolUse: (value) => [
    {
      type: 'tool-call',
      ...optional('id', textOf(value['toolUseId'])),
      name: textOf(value['name']) ?? 'unknown',
      arguments: argumentsText(value['input']),
    },
  ],
  toolResult(value) {
    const parts = recordsOf(value['content']).flatMap((item) =>
      item['json'] === undefined ? readBlock(item) : [textPart(jsonText(item['json']))],
    )
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
    return [
      { type: 'tool-result', ...optional('id', textOf(value['toolUseId'])), text },
      ...parts.filter((part) => part.type !== 'text'),
    ]
  },
  reasoningContent(value) {
    const text = textOf(recordOf(value['reasoningText'])['text'])
    return text === undefined
      ? [{ type: 'other', name: 'redacted-reasoning', text: '' }]
      : [{ type: 'reasoning', text }]
  },
  guardContent: (value) =>
    isRecord(value['text']) ? [textPart(textOf(value['text']['text']))] : readBlock(value),
  citationsContent: (value) => recordsOf(value['content']).flatMap(readBlock),
  image: (value) => [sourcePart(value, 'image')],
  video: (value) => [sourcePart(value, 'video')],
  audio: (value) => [sourcePart(value, 'audio')],
  document: (value) => [sourcePart(value, 'application')],
  searchResult: (value) => [otherPart({ type: 'search-result', ...value })],
  cachePoint: () => [],
}

/** `format` is the subtype or the file's ending; the bytes are base64, or lie in S3. */
function sourcePart(value: JsonRecord, type: string): Part {
  const mediaType = `${type}/${textOf(value['format']) ?? '*'}`
  return mediaFromBase64(recordOf(value['source'])['bytes'], mediaType)
}

function textPart(text: Json | undefined): Part {
  return { type: 'text', text: textOf(text) ?? '' }
}
