/**
 * Google's calls that never stream: counting tokens, embeddings, and Vertex AI's `predict`, by which
 * its older embedding and image models are called. Vectors and images are counted, never shown.
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { geminiModelOf } from './gemini-model.ts'
import { readGeminiUsage } from './gemini-usage.ts'
import { contentParts, fieldOf, geminiMessages, requestIn } from './gemini-wire.ts'
import type { AnswerReading, CallTarget, ModelWire } from './model-wire.ts'
import { jsonText, mediaFromBase64, optional } from './model-wire.ts'
import type { ReportedUsage } from './usage.ts'
import { fromInclusive } from './usage.ts'

export const geminiCountTokensWire: ModelWire = {
  operation: 'count-tokens',
  isCall: (body) => countedIn(body) !== undefined,
  readCall: (body, target) => plainCall(body, target, geminiMessages(countedIn(body) ?? {})),
  readAnswer(body) {
    const count = countOf(body['totalTokens'])
    return plainAnswer(
      count === undefined ? [] : [{ type: 'other', name: 'tokens', text: `${count} tokens` }],
    )
  },
}

/** The request whose tokens are counted: it may stand whole within the body. */
function countedIn(body: JsonRecord): JsonRecord | undefined {
  const whole = fieldOf(body, 'generateContentRequest')
  const request = isRecord(whole) ? whole : requestIn(body)
  return request['contents'] === undefined && request['instances'] === undefined
    ? undefined
    : request
}

export const geminiEmbedWire: ModelWire = {
  operation: 'embeddings',
  isCall: (body) => isRecord(body['content']) || Array.isArray(body['requests']),
  readCall(body, target) {
    const requests = Array.isArray(body['requests']) ? recordsOf(body['requests']) : [body]
    const parts = requests.flatMap((request) => contentParts(request['content']))
    return plainCall(body, target, parts.length === 0 ? [] : [{ role: 'user', parts }])
  },
  readAnswer(body) {
    const one = isRecord(body['embedding']) ? [body['embedding']] : []
    const all = [...one, ...recordsOf(body['embeddings'])]
    return plainAnswer(
      vectorParts(all.map((embedding) => embedding['values'])),
      readGeminiUsage(body),
    )
  },
}

export const vertexPredictWire: ModelWire = {
  operation: 'predict',
  isCall: (body) => Array.isArray(body['instances']),
  readCall: (body, target) =>
    plainCall(body, target, [
      { role: 'user', parts: recordsOf(body['instances']).map(instancePart) },
    ]),
  readAnswer(body) {
    const predictions = recordsOf(body['predictions'])
    const embeddings = predictions.map((item) => recordOf(item['embeddings']))
    const vectors = embeddings
      .map((item) => item['values'])
      .filter((values) => Array.isArray(values))
    const rest = predictions.filter((item) => !isRecord(item['embeddings']))
    return plainAnswer(
      [...vectorParts(vectors), ...rest.map(predictionPart)],
      countedUsage(embeddings),
    )
  },
}

function instancePart(instance: JsonRecord): Part {
  const text = textOf(instance['content']) ?? textOf(instance['prompt']) ?? textOf(instance['text'])
  if (text !== undefined) return { type: 'text', text }
  return { type: 'other', name: 'instance', text: jsonText(instance) }
}

function predictionPart(prediction: JsonRecord): Part {
  const image = prediction['bytesBase64Encoded']
  if (typeof image === 'string') {
    return mediaFromBase64(image, textOf(prediction['mimeType']) ?? 'application/octet-stream')
  }
  const text = textOf(prediction['content'])
  if (text !== undefined) return { type: 'text', text }
  return { type: 'other', name: 'prediction', text: jsonText(prediction) }
}

/** Each embedding tells the tokens of its own input. */
function countedUsage(embeddings: readonly JsonRecord[]): ReportedUsage | undefined {
  const counts = embeddings.map((item) => countOf(recordOf(item['statistics'])['token_count']))
  if (counts.length === 0 || counts.includes(undefined)) return undefined
  const input = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  return fromInclusive({ input })
}

function plainCall(
  body: JsonRecord,
  target: CallTarget,
  messages: readonly ModelMessage[],
): ReturnType<ModelWire['readCall']> {
  const [first] = recordsOf(body['requests'])
  return {
    ...optional('model', geminiModelOf(first ?? requestIn(body), target)),
    streaming: false,
    messages,
    tools: [],
  }
}

function plainAnswer(output: readonly Part[], usage?: ReportedUsage): AnswerReading {
  return { output, toolCalls: [], ...optional('usage', usage) }
}

function vectorParts(vectors: ReadonlyArray<Json | undefined>): Part[] {
  if (vectors.length === 0) return []
  const sizes = [...new Set(vectors.map((vector) => listOf(vector).length))].join(', ')
  return [{ type: 'other', name: 'embeddings', text: `${vectors.length} × ${sizes} dimensions` }]
}
