/** Cohere's generate, embed and rerank (`/v1/…`, `/v2/…`), read into parts. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, listOf, recordsOf, textOf } from '../wire/json.ts'
import { readCohereUsage } from './cohere-usage.ts'
import { cohereV1Chat } from './cohere-v1-chat.ts'
import type { AnswerReading, ModelWire } from './model-wire.ts'
import { jsonText, mediaFromUrl, optional } from './model-wire.ts'
import { contentParts } from './openai-chat-wire.ts'
import { vectorParts, vectorsOfTypes } from './vectors.ts'

export const cohereGenerateWire: ModelWire = {
  operation: 'generate',
  stream: cohereV1Chat,
  isCall: (body) => typeof body['prompt'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [{ role: 'user', parts: [textPart(body['prompt'])] }],
    tools: [],
  }),
  readAnswer: readGenerations,
}

/** Answers of `generate`; of a stream that broke off there is only its text. */
export function readGenerations(body: JsonRecord): AnswerReading {
  const generations = recordsOf(body['generations'])
  const reasons = [body, ...generations].map((item) => textOf(item['finish_reason']))
  const texts = generations.length === 0 ? [body['text']] : generations.map(({ text }) => text)
  return {
    output: texts.filter((text) => text !== undefined).map(textPart),
    toolCalls: [],
    ...optional(
      'finishReason',
      reasons.find((reason) => reason !== undefined),
    ),
    ...optional('usage', readCohereUsage(body)),
  }
}

export const cohereEmbedWire: ModelWire = {
  operation: 'embeddings',
  isCall: (body) => ['texts', 'images', 'inputs'].some((key) => Array.isArray(body[key])),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: false,
    messages: embedMessages(body),
    tools: [],
  }),
  readAnswer: (body) => ({
    output: vectorParts(vectorsOfTypes(body['embeddings'])),
    toolCalls: [],
    ...optional('usage', readCohereUsage(body)),
  }),
}

/** Texts, images, or inputs that mix the two. */
export function embedMessages(body: JsonRecord): ModelMessage[] {
  const parts: Part[] = [
    ...listOf(body['texts']).map(textPart),
    ...listOf(body['images']).map((image) => mediaFromUrl(image, 'image/*')),
    ...recordsOf(body['inputs']).flatMap((input) => contentParts(input['content'])),
  ]
  return parts.length === 0 ? [] : [{ role: 'user', parts }]
}

export const cohereRerankWire: ModelWire = {
  operation: 'rerank',
  isCall: (body) => body['query'] !== undefined && Array.isArray(body['documents']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: false,
    messages: [
      { role: 'user', parts: [textPart(body['query'])] },
      { role: 'document', parts: listOf(body['documents']).map(textPart) },
    ],
    tools: [],
  }),
  readAnswer: (body) => ({
    output: rankParts(body),
    toolCalls: [],
    ...optional('usage', readCohereUsage(body)),
  }),
}

/** The documents by relevance, as their places in the request. */
export function rankParts(body: JsonRecord): Part[] {
  return recordsOf(body['results']).map((result) => ({
    type: 'other',
    name: 'rank',
    text: `document ${countOf(result['index']) ?? '?'}: ${jsonText(scoreOf(result))}`,
  }))
}

function scoreOf(result: JsonRecord): string {
  return String(typeof result['relevance_score'] === 'number' ? result['relevance_score'] : '?')
}

/** Documents are texts, or records with a text among their fields. */
function textPart(value: Json | undefined): Part {
  const text = isRecord(value) ? (textOf(value['text']) ?? jsonText(value)) : jsonText(value)
  return { type: 'text', text }
}
