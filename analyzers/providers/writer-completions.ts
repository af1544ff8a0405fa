/**
 * Writer's completions (`POST /v1/completions`): plain answers are like OpenAI's, streamed ones are
 * bare pieces of text, `{"value": "…"}`, which end when the body does.
 */
import type { Json } from '../../src/messages/schema.ts'
import { parseRecord, textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { openaiCompletionsWire } from './openai-plain-wire.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText, isFilled } from './stream-format.ts'

export const writerCompletions: StreamFormat = {
  name: 'writer-completions',
  createMerger: createValuesMerger,
  matches: (data) => typeof data['value'] === 'string',
  carriesContent: (data) => isFilled(data['value']),
}

export function createValuesMerger(): StreamMerger {
  let text: string | undefined
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      error ??= errorIn(event)
      const value = textOf(event['value'])
      if (value !== undefined) text = (text ?? '') + value
    },
    result() {
      return {
        merged: {
          choices: text === undefined ? [] : [{ text }],
          ...(error === undefined ? {} : { error }),
        },
        text: text ?? '',
        complete: text !== undefined && error === undefined,
        endsWithBody: true,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

export const writerCompletionsWire: ModelWire = {
  ...openaiCompletionsWire,
  stream: writerCompletions,
}
