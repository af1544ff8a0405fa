/**
 * Streamed images (`POST …/images/{generations,edits}` with `stream`): partial ones, each replacing
 * the one before, then the finished one with its usage.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft } from '../wire/json.ts'
import { draftOf, parseRecord, textOf } from '../wire/json.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText } from './stream-format.ts'

export const openaiImages: StreamFormat = {
  name: 'openai-images',
  createMerger: createImagesMerger,
  matches: (data) => eventName.test(textOf(data['type']) ?? ''),
  carriesContent: (data) => typeof data['b64_json'] === 'string',
}

const eventName = /^image_(?:generation|edit)\.(?:partial_image|completed)$/u
const notInAnswer = new Set(['type', 'b64_json', 'partial_image_index'])

/** Of what is merged only the newest picture is kept: earlier ones are sketches of it. */
export function createImagesMerger(): StreamMerger {
  let answer: JsonDraft = {}
  let partial: Json | undefined
  const images: Json[] = []
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      const type = textOf(event['type']) ?? ''
      if (!eventName.test(type)) {
        error ??= errorIn(event)
        return
      }
      answer = draftOf(event, notInAnswer)
      const image = { b64_json: event['b64_json'] ?? null }
      if (type.endsWith('completed')) images.push(image)
      else partial = image
    },
    result() {
      const isComplete = images.length > 0 && error === undefined
      const { created_at: created, ...rest } = answer
      const merged: JsonDraft = {
        ...(created === undefined ? {} : { created }),
        ...rest,
        data: images.length === 0 && partial !== undefined ? [partial] : images,
        ...(error === undefined ? {} : { error }),
      }
      return {
        merged,
        text: '',
        complete: isComplete,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}
