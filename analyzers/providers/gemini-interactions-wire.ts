/**
 * Gemini's Interactions API (`POST …/interactions`), read into parts. The service keeps the
 * conversation: an interaction names the one that it continues.
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { geminiInteractions } from './gemini-interactions.ts'
import { readGeminiUsage } from './gemini-usage.ts'
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
import type { ReportedUsage } from './usage.ts'

export const geminiInteractionsWire: ModelWire = {
  operation: 'interactions',
  stream: geminiInteractions,
  isCall: (body) => body['input'] !== undefined,
  readCall: (body) => ({
    ...optional('model', modelOf(body)),
    streaming: body['stream'] === true,
    messages: [...systemMessage(body['system_instruction']), ...inputMessages(body['input'])],
    tools: recordsOf(body['tools']).map(toolOf),
    ...optional('previousResponseId', textOf(body['previous_interaction_id'])),
    ...(body['background'] === true ? { background: true } : {}),
  }),
  readAnswer,
}

/** An agent runs a model of its own choice. */
function modelOf(body: JsonRecord): string | undefined {
  return textOf(body['model'])?.replace(/^models\//u, '') ?? textOf(body['agent'])
}

function systemMessage(text: Json | undefined): ModelMessage[] {
  const parts = contentParts(text)
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

/** A text, contents of the user, or the steps so far. */
function inputMessages(input: Json | undefined): ModelMessage[] {
  const list = Array.isArray(input) ? listOf(input) : [input ?? null]
  const isOfSteps = list.some((item) => isRecord(item) && stepRoles.has(textOf(item['type']) ?? ''))
  if (isOfSteps) {
    return recordsOf(list).map((step) => ({
      role: stepRoles.get(textOf(step['type']) ?? '') ?? 'model',
      parts: stepParts(step),
    }))
  }
  const parts = list.flatMap(contentParts)
  return parts.length === 0 ? [] : [{ role: 'user', parts }]
}

const stepRoles: ReadonlyMap<string, string> = new Map([
  ['user_input', 'user'],
  ['function_result', 'user'],
  ['model_output', 'model'],
  ['thought', 'model'],
  ['function_call', 'model'],
])

function stepParts(step: JsonRecord): Part[] {
  switch (textOf(step['type']) ?? '') {
    case 'user_input':
    case 'model_output':
      return listOf(step['content']).flatMap(contentParts)
    case 'thought': {
      const text = recordsOf(step['summary'])
        .map((part) => textOf(part['text']) ?? '')
        .join('')
      return text === '' ? [] : [{ type: 'reasoning', text }]
    }
    case 'function_call':
      return [
        {
          type: 'tool-call',
          ...optional('id', textOf(step['id'])),
          name: textOf(step['name']) ?? 'unknown',
          arguments: argumentsText(step['arguments'] ?? {}),
        },
      ]
    case 'function_result': {
      const id = textOf(step['call_id']) ?? textOf(step['name'])
      return [{ type: 'tool-result', ...optional('id', id), text: jsonText(step['result']) }]
    }
    default:
      return [otherPart(step)]
  }
}

function contentParts(content: Json | undefined): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  if (!isRecord(content)) return []
  const type = textOf(content['type']) ?? ''
  if (type === 'text') return contentParts(content['text'])
  if (!media.has(type)) return [otherPart(content)]
  const mediaType = textOf(content['mime_type'] ?? content['mimeType']) ?? `${type}/*`
  return [mediaFromBase64(content['data'], mediaType)]
}

const media = new Set(['image', 'audio', 'video', 'document'])

function readAnswer(body: JsonRecord): AnswerReading {
  const steps = recordsOf(body['steps']).filter(({ type }) => type !== 'user_input')
  const output = steps.flatMap(stepParts)
  return {
    ...optional('model', modelOf(body)),
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', textOf(body['status'])),
    ...optional('responseId', textOf(body['id'])),
    ...optional('usage', readUsage(body)),
  }
}

/** The counts have the meaning of those of `generateContent`, under names of their own. */
function readUsage(body: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(body['usage'])
  const details = (name: string): Json[] =>
    recordsOf(usage[`${name}_by_modality`]).map((item) => ({
      modality: (textOf(item['modality']) ?? '').toUpperCase(),
      tokenCount: item['tokens'] ?? null,
    }))
  const count = (name: string): Json => usage[`total_${name}`] ?? null
  const isGrounded = listOf(usage['grounding_tool_count']).length > 0
  return readGeminiUsage({
    usageMetadata: {
      promptTokenCount: count('input_tokens'),
      toolUsePromptTokenCount: count('tool_use_tokens'),
      candidatesTokenCount: count('output_tokens'),
      thoughtsTokenCount: count('thought_tokens'),
      cachedContentTokenCount: count('cached_tokens'),
      totalTokenCount: count('tokens'),
      promptTokensDetails: details('input_tokens'),
      toolUsePromptTokensDetails: details('tool_use_tokens'),
      candidatesTokensDetails: details('output_tokens'),
      ...(Array.isArray(usage['cached_tokens_by_modality'])
        ? { cacheTokensDetails: details('cached_tokens') }
        : {}),
      serviceTier: body['service_tier'] ?? null,
    },
    candidates: isGrounded ? [{ groundingMetadata: {} }] : [],
  })
}
