/**
 * Streams of Cohere's first API (`POST /v1/chat`, `/v1/generate`): JSON lines with an `event_type`,
 * the last of which holds the whole answer. Command on Bedrock streams the same events.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  appendAll,
  assignOwn,
  draftOf,
  isRecord,
  listOf,
  parseRecord,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import { failedReason } from './cohere-chat.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, errorIn, errorText, isFilled, listAt } from './stream-format.ts'

export const cohereV1Chat: StreamFormat = {
  name: 'cohere-v1-chat',
  createMerger: createV1ChatMerger,
  matches: (data) => typeof data['is_finished'] === 'boolean',
  carriesContent: (data) =>
    isFilled(data['text']) || isFilled(data['tool_calls']) || isRecord(data['tool_call_delta']),
}

export function createV1ChatMerger(): StreamMerger {
  const pieces: JsonDraft = {}
  let whole: JsonRecord | undefined
  let finish: string | undefined
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      error ??= errorIn(event)
      takePieces(pieces, event)
      if (event['is_finished'] !== true) return
      finish = textOf(event['finish_reason']) ?? ''
      if (isRecord(event['response'])) whole = event['response']
    },
    result() {
      // Cut off, the answer is what came of it.
      const merged: JsonDraft = whole === undefined ? pieces : draftOf(whole)
      if (whole === undefined && isFilled(finish)) merged['finish_reason'] = finish ?? null
      if (error !== undefined) merged['error'] = error
      const reason = failedReason(finish)
      const problem = error === undefined ? reason : errorText(error)
      return {
        merged,
        text: textOf(merged['text']) ?? generationsText(merged),
        complete: finish !== undefined && problem === undefined,
        ...(problem === undefined ? {} : { problem }),
      }
    },
  }
}

/** Lists that come in pieces; every other event is repeated by the last. */
const lists = ['citations', 'search_queries', 'search_results', 'documents', 'tool_calls']

function takePieces(pieces: JsonDraft, event: JsonRecord): void {
  if (typeof event['generation_id'] === 'string') {
    assignOwn(pieces, { generation_id: event['generation_id'] })
  }
  // The text of a plan is repeated by the event that holds its tool calls.
  if (event['event_type'] === 'text-generation' || event['event_type'] === undefined) {
    appendText(pieces, 'text', event['text'])
  }
  for (const key of lists) {
    const more = listOf(event[key])
    if (more.length > 0) appendAll(listAt(pieces, key), more)
  }
}

function generationsText(answer: JsonRecord): string {
  return recordsOf(answer['generations'])
    .map((generation) => textOf(generation['text']) ?? '')
    .join('')
}
