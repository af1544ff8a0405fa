/**
 * Anthropic's legacy Text Completions (`POST …/v1/complete`): one prompt, one growing completion.
 * They never report usage.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft } from '../wire/json.ts'
import { assignOwn, parseRecord, textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { optional } from './model-wire.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, errorIn, errorText, isFilled } from './stream-format.ts'

export const anthropicComplete: StreamFormat = {
  name: 'anthropic-complete',
  createMerger: createCompleteMerger,
  matches: ({ type, completion }) =>
    type === 'ping' || (type === 'completion' && typeof completion === 'string'),
  carriesContent: (data) => isFilled(data['completion']),
}

export function createCompleteMerger(): StreamMerger {
  const merged: JsonDraft = {}
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined || event['type'] === 'ping') return
      error ??= errorIn(event)
      if (event['type'] !== 'completion') return
      assignOwn(merged, event, new Set(['completion']))
      appendText(merged, 'completion', event['completion'])
    },
    result() {
      if (error !== undefined) merged['error'] = error
      return {
        merged,
        text: textOf(merged['completion']) ?? '',
        complete: isFilled(merged['stop_reason']) && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

export const anthropicCompleteWire: ModelWire = {
  operation: 'completions',
  stream: anthropicComplete,
  isCall: (body) => typeof body['prompt'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [{ role: 'user', parts: [{ type: 'text', text: textOf(body['prompt']) ?? '' }] }],
    tools: [],
  }),
  readAnswer(body) {
    const text = textOf(body['completion'])
    return {
      ...optional('model', textOf(body['model'])),
      output: text === undefined || text === '' ? [] : [{ type: 'text', text }],
      toolCalls: [],
      ...optional('finishReason', textOf(body['stop_reason'])),
    }
  },
}
