/** Legacy completions and embeddings, read into parts. Vectors are counted, never shown. */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import { isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { optional } from './model-wire.ts'
import { openaiCompletions } from './openai-completions.ts'
import { readOpenaiUsage } from './usage.ts'

export const openaiCompletionsWire: ModelWire = {
  operation: 'completions',
  stream: openaiCompletions,
  isCall: (body) => body['prompt'] !== undefined || typeof body['model'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: inputMessages(body['prompt']),
    tools: [],
  }),
  readAnswer(body) {
    const choices = recordsOf(body['choices'])
    const reasons = choices.map((choice) => textOf(choice['finish_reason']))
    return {
      ...optional('model', textOf(body['model'])),
      output: choices.map((choice) => ({ type: 'text', text: textOf(choice['text']) ?? '' })),
      toolCalls: [],
      ...optional(
        'finishReason',
        reasons.find((reason) => reason !== undefined),
      ),
      ...optional('usage', readOpenaiUsage(body)),
    }
  },
}

export const openaiEmbeddingsWire: ModelWire = {
  operation: 'embeddings',
  isCall: (body) => body['input'] !== undefined,
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: false,
    messages: inputMessages(body['input']),
    tools: [],
  }),
  readAnswer(body) {
    const vectors = recordsOf(body['data']).map((item) => dimensions(item['embedding']))
    const sizes = [...new Set(vectors)].join(', ')
    const output: Part[] =
      vectors.length === 0
        ? []
        : [{ type: 'other', name: 'embeddings', text: `${vectors.length} × ${sizes} dimensions` }]
    return {
      ...optional('model', textOf(body['model'])),
      output,
      toolCalls: [],
      ...optional('usage', readOpenaiUsage(body)),
    }
  },
}

/** A vector is a list of numbers, or base64 of 4-byte floats. */
function dimensions(vector: Json | undefined): number {
  if (typeof vector === 'string') return Math.floor(Buffer.byteLength(vector, 'base64') / 4)
  return listOf(vector).length
}

/** A text, a list of texts, a list of tokens or a list of such lists. */
function inputMessages(input: Json | undefined): ModelMessage[] {
  if (input === undefined || input === null) return []
  const items = Array.isArray(input) && !isTokens(input) ? listOf(input) : [input]
  return [{ role: 'user', parts: items.map(inputPart) }]
}

function isTokens(list: readonly Json[]): boolean {
  return typeof list[0] === 'number'
}

function inputPart(item: Json): Part {
  if (typeof item === 'string') return { type: 'text', text: item }
  if (isRecord(item)) return { type: 'text', text: textOf(recordOf(item)['text']) ?? '' }
  return { type: 'other', name: 'tokens', text: `${listOf(item).length} tokens` }
}
