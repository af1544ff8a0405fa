/**
 * Replicate's predictions (`POST …/predictions`): any model, whose input and output are its own.
 * An answer mostly says that the model is starting; its output is then asked for, or streamed from
 * another address, in requests of their own, or waited for (`Prefer: wait`).
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, recordOf, textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { jsonText, mediaFromUrl, optional } from './model-wire.ts'
import { fromInclusive } from './usage.ts'

export const replicateWire: ModelWire = {
  operation: 'predictions',
  isCall: (body) => isRecord(body['input']),
  readCall: (body) => ({
    ...optional('model', modelIn(body['version'])),
    streaming: body['stream'] === true,
    messages: inputMessages(recordOf(body['input'])),
    tools: [],
  }),
  readAnswer(body) {
    const metrics = recordOf(body['metrics'])
    return {
      ...optional('model', textOf(body['model'])),
      output: outputParts(body['output']),
      toolCalls: [],
      ...optional('finishReason', textOf(body['status'])),
      ...optional(
        'usage',
        fromInclusive({
          input: countOf(metrics['input_token_count']),
          output: countOf(metrics['output_token_count']),
        }),
      ),
    }
  },
}

/** `owner/name:version`; a bare version says nothing. */
function modelIn(version: Json | undefined): string | undefined {
  const name = textOf(version)
  return name?.includes('/') === true ? name.replace(/:[^:]*$/u, '') : undefined
}

function inputMessages(input: JsonRecord): ModelMessage[] {
  const system = textOf(input['system_prompt'])
  const media = Object.values(input).flatMap(mediaParts)
  const prompt = textOf(input['prompt']) ?? textOf(input['text'])
  const words: Part =
    prompt === undefined
      ? { type: 'other', name: 'input', text: jsonText(input) }
      : { type: 'text', text: prompt }
  return [
    ...(system === undefined || system === ''
      ? []
      : [{ role: 'system', parts: [{ type: 'text' as const, text: system }] }]),
    { role: 'user', parts: [words, ...media] },
  ]
}

function mediaParts(value: Json): Part[] {
  return isAddress(value) ? [mediaFromUrl(value, 'application/octet-stream')] : []
}

function isAddress(value: Json): boolean {
  return typeof value === 'string' && /^(?:data:|https?:\/\/\S+$)/u.test(value)
}

/** Text, pieces of text, addresses of files, or whatever record the model makes. */
function outputParts(output: Json | undefined): Part[] {
  if (output === undefined || output === null) return []
  const items = Array.isArray(output) ? (output as readonly Json[]) : [output]
  if (items.length > 0 && items.every((item) => isAddress(item))) return items.flatMap(mediaParts)
  if (items.every((item) => typeof item === 'string'))
    return [{ type: 'text', text: items.join('') }]
  return [{ type: 'other', name: 'output', text: jsonText(output) }]
}
