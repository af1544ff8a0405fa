/**
 * Gemini requests and answers (`…/models/{model}:generateContent`), read into parts: of the Gemini
 * API, of Vertex AI, and of Code Assist, which wraps them. Field names come as `inlineData` and as
 * `inline_data`; both are allowed by the JSON mapping of protocol buffers.
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { geminiModelOf } from './gemini-model.ts'
import { readGeminiUsage } from './gemini-usage.ts'
import { answerIn, gemini } from './gemini.ts'
import type { AnswerReading, CallReading, ModelWire } from './model-wire.ts'
import {
  argumentsText,
  jsonText,
  mediaFromBase64,
  optional,
  toolCallsIn,
  toolOf,
} from './model-wire.ts'

export const geminiWire: ModelWire = {
  operation: 'generate-content',
  stream: gemini,
  isCall: (body) => fieldOf(requestIn(body), 'contents') !== undefined,
  readCall(body, target) {
    const request = requestIn(body)
    return {
      ...optional('model', geminiModelOf(body, target)),
      streaming: target.path.endsWith('streamGenerateContent'),
      messages: geminiMessages(request),
      tools: recordsOf(request['tools']).flatMap(toolsIn),
    }
  },
  readAnswer,
}

/** The request within a body: Code Assist wraps it. */
export function requestIn(body: JsonRecord): JsonRecord {
  return isRecord(body['request']) ? body['request'] : body
}

/** A field under its name or under its name with underscores. */
export function fieldOf(record: JsonRecord, name: string): Json | undefined {
  const found = record[name]
  if (found !== undefined) return found
  let other = underscored.get(name)
  if (other === undefined) {
    other = name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)
    underscored.set(name, other)
  }
  return record[other]
}

/** Of the names that stand in this code, and no others. */
const underscored = new Map<string, string>()

/** The system instruction and the contents of a request. */
export function geminiMessages(request: JsonRecord): ModelMessage[] {
  const system = contentParts(fieldOf(request, 'systemInstruction'))
  const { contents } = request
  const list = Array.isArray(contents) ? contents : [contents]
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', parts: system }]),
    ...list
      .filter((content) => isRecord(content) || typeof content === 'string')
      .map((content) => ({
        role: textOf(recordOf(content)['role']) ?? 'user',
        parts: contentParts(content),
      })),
  ]
}

/** The parts of one content; a lone text or part stands for a content in some requests. */
export function contentParts(content: Json | undefined): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!isRecord(content)) return []
  const { parts } = content
  if (isRecord(parts)) return partsOf(parts)
  return recordsOf(parts).flatMap(partsOf)
}

function partsOf(part: JsonRecord): Part[] {
  const text = textOf(part['text'])
  if (text !== undefined && part['thought'] === true) return [{ type: 'reasoning', text }]
  // An empty text carries a signature or the end of a stream.
  if (text !== undefined) return text === '' ? [] : [{ type: 'text', text }]
  for (const [name, read] of partReaders) {
    const value = fieldOf(part, name)
    if (isRecord(value)) return read(value)
  }
  const name = Object.keys(part).find((key) => !notKinds.has(key))
  return name === undefined ? [] : [{ type: 'other', name, text: jsonText(part[name]) }]
}

/** What is said about a part of whatever kind. */
const notKinds = new Set(['thought', 'thoughtSignature', 'thought_signature'])

const partReaders: ReadonlyArray<readonly [string, (value: JsonRecord) => Part[]]> = [
  ['functionCall', (call) => [callPart(call, textOf(call['name']))]],
  ['functionResponse', (result) => resultParts(result, textOf(result['name']))],
  // Tools that the provider itself runs.
  ['toolCall', (call) => [callPart(call, textOf(fieldOf(call, 'toolType')))]],
  ['toolResponse', (result) => resultParts(result, textOf(fieldOf(result, 'toolType')))],
  ['inlineData', (blob) => [blobPart(blob)]],
  ['fileData', (file) => [{ type: 'media', mediaType: mediaTypeOf(file) }]],
  ['executableCode', (code) => [other('executableCode', code['code'])]],
  [
    'codeExecutionResult',
    (result) => [other('codeExecutionResult', result['output'] ?? result['outcome'])],
  ],
]

function other(name: string, text: Json | undefined): Part {
  return { type: 'other', name, text: jsonText(text) }
}

/** Of sound that streams only the size is kept. */
function blobPart(blob: JsonRecord): Part {
  const bytes = blob['data'] === undefined ? countOf(blob['bytes']) : undefined
  if (bytes === undefined) return mediaFromBase64(blob['data'], mediaTypeOf(blob))
  return { type: 'media', mediaType: mediaTypeOf(blob), bytes }
}

function mediaTypeOf(value: JsonRecord): string {
  return textOf(fieldOf(value, 'mimeType')) ?? 'application/octet-stream'
}

function callPart(call: JsonRecord, name: string | undefined): Part {
  return {
    type: 'tool-call',
    ...optional('id', textOf(call['id'])),
    name: name ?? 'unknown',
    arguments: argumentsText(call['args'] ?? {}),
  }
}

/** The result of a call without an id is known by the name of its function. */
function resultParts(result: JsonRecord, name: string | undefined): Part[] {
  return [
    {
      type: 'tool-result',
      ...optional('id', textOf(result['id']) ?? name),
      text: jsonText(result['response']),
    },
    ...recordsOf(result['parts']).flatMap(partsOf),
  ]
}

/** Functions by their declaration, built-in tools by the name of their field. */
export function toolsIn(tool: JsonRecord): CallReading['tools'] {
  const functions = recordsOf(fieldOf(tool, 'functionDeclarations'))
  const builtIn = Object.keys(tool).filter((key) => !/^function_?declarations$/iu.test(key))
  return [...functions.map(toolOf), ...builtIn.map((name) => ({ name }))]
}

function readAnswer(body: JsonRecord): AnswerReading {
  const answer = answerIn(body)
  const candidates = recordsOf(answer['candidates'])
  const output = [...candidates.flatMap(candidateParts), ...feedbackParts(answer['promptFeedback'])]
  const reasons = candidates.map((candidate) => textOf(candidate['finishReason']))
  return {
    ...optional('model', textOf(answer['modelVersion'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional(
      'finishReason',
      [...reasons, textOf(recordOf(answer['promptFeedback'])['blockReason'])].find(
        (reason) => reason !== undefined,
      ),
    ),
    ...optional('usage', readGeminiUsage(answer)),
  }
}

/** A candidate's content, and which ratings held it back if any did. */
function candidateParts(candidate: JsonRecord): Part[] {
  const blocking = recordsOf(candidate['safetyRatings']).filter(
    (rating) => rating['blocked'] === true,
  )
  const message =
    candidate['finishReason'] === 'STOP' ? undefined : textOf(candidate['finishMessage'])
  return [
    ...contentParts(candidate['content']),
    ...(blocking.length === 0 ? [] : [other('safetyRatings', blocking)]),
    ...(message === undefined || message === '' ? [] : [other('finishMessage', message)]),
  ]
}

/** Why a prompt was blocked. */
function feedbackParts(feedback: Json | undefined): Part[] {
  if (!isRecord(feedback) || textOf(feedback['blockReason']) === undefined) return []
  return [other('promptFeedback', feedback)]
}
