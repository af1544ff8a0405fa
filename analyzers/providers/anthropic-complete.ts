/**
 * Anthropic's legacy text completions (`POST /v1/complete`): the prompt is one text with `Human:` and
 * `Assistant:` turns, and no usage is reported. Bedrock's first Claude models speak it too.
 */
import type { JsonRecord } from '../wire/json.ts'
import { textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { optional } from './model-wire.ts'
import { createSnapshotMerger, takeFields } from './snapshot-merger.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, isFilled } from './stream-format.ts'

export const anthropicComplete: StreamFormat = {
  name: 'anthropic-complete',
  createMerger: createCompleteMerger,
  matches: (data) => typeof data['completion'] === 'string' || data['type'] === 'ping',
  carriesContent: (data) => isFilled(data['completion']),
}

export function createCompleteMerger(): StreamMerger {
  return createSnapshotMerger({
    take(answer, event) {
      if (event['type'] === 'ping') return
      const before = textOf(answer['completion']) ?? ''
      const text = textOf(event['completion']) ?? ''
      takeFields(answer, event, notFields)
      // Before version 2023-06-01 events had no type, and each held all of the text so far.
      if (event['type'] === undefined && text.startsWith(before)) answer['completion'] = text
      else appendText(answer, 'completion', text)
    },
    textOf: (answer) => textOf(answer['completion']) ?? '',
    isDone: (answer) => isFilled(answer['stop_reason']),
  })
}

/** What Bedrock adds to its last event is no part of the answer. */
const notFields = new Set(['completion', 'amazon-bedrock-invocationMetrics'])

export const anthropicCompleteWire: ModelWire = {
  operation: 'complete',
  stream: anthropicComplete,
  isCall: (body) => typeof body['prompt'] === 'string',
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true,
    messages: [{ role: 'user', parts: [{ type: 'text', text: textOf(body['prompt']) ?? '' }] }],
    tools: [],
  }),
  readAnswer: (body: JsonRecord) => ({
    ...optional('model', textOf(body['model'])),
    output: [{ type: 'text', text: textOf(body['completion']) ?? '' }],
    toolCalls: [],
    ...optional('finishReason', textOf(body['stop_reason'])),
  }),
}
