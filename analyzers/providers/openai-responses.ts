/**
 * OpenAI Responses streams (`POST …/responses`). The terminal event holds the whole response and
 * is authoritative; where its `output` is missing or empty, as the ChatGPT backend sends it, the
 * output is rebuilt from the item events. A `…done` event replaces what its deltas built.
 */
import type { Json } from '../../src/messages/schema.ts'
import { createAlikeEvents } from '../wire/alike-events.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  draftOf,
  isRecord,
  listOf,
  parseRecord,
  readRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import type { OutputItems } from './openai-responses-items.ts'
import { applyItemEvent } from './openai-responses-items.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText, isFilled } from './stream-format.ts'

export const openaiResponses: StreamFormat = {
  name: 'openai-responses',
  createMerger: createResponsesMerger,
  matches: (data) => /^(?:response\.|keepalive$)/u.test(textOf(data['type']) ?? ''),
  carriesContent(data) {
    const type = textOf(data['type']) ?? ''
    if (type.endsWith('.delta')) return isFilled(data['delta']) || isRecord(data['delta'])
    // Calls and finished answers can come whole, without deltas before them.
    if (type === 'response.output_item.added') return isFilled(recordOf(data['item'])['name'])
    return type === 'response.output_item.done' || type.endsWith('partial_image')
  },
}

const lifecycle = /^response\.(?:created|queued|in_progress|completed|failed|incomplete)$/u
const terminal = /^response\.(?:completed|failed|incomplete)$/u

/** How those begin that come before any content, and hold the whole request. */
const opening = /^\{"type":"response\.(?:created|queued|in_progress)"/u

/** Others read these too; nothing is added to what they hold. */
function readOpening(data: string): JsonRecord | undefined {
  const event = readRecord(data)
  // Of two fields of one name the last counts.
  return event === undefined || lifecycle.test(textOf(event['type']) ?? '')
    ? event
    : parseRecord(data)
}

export function createResponsesMerger(): StreamMerger {
  let response: JsonDraft = {}
  let items: OutputItems = new Map()
  let isTerminated = false
  let error: Json | undefined
  const alike = createAlikeEvents(['sequence_number', 'obfuscation'])
  /** The one that others are like. */
  let delta: JsonDraft = {}

  function enter(type: string, from: JsonRecord): void {
    // After an interruption a successor follows in the same stream; the last response counts.
    if (isTerminated && type === 'response.created') {
      items = new Map()
      isTerminated = false
    }
    response = draftOf(from)
    isTerminated ||= terminal.test(type)
  }

  return {
    push(data) {
      const more = alike.textIn(data)
      if (more !== undefined) {
        delta['delta'] = more
        applyItemEvent(items, textOf(delta['type']) ?? '', delta)
        return
      }
      const event = opening.test(data) ? readOpening(data) : parseRecord(data)
      if (event === undefined) return
      const type = textOf(event['type']) ?? ''
      if (type.endsWith('.delta') && typeof event['delta'] === 'string') {
        alike.learn(data, event, 'delta')
        delta = draftOf(event)
      }
      if (lifecycle.test(type)) enter(type, recordOf(event['response']))
      else if (type === 'error' || type === '') error ??= errorIn(event)
      else applyItemEvent(items, type, event)
    },
    result() {
      if (listOf(response['output']).length === 0 && items.size > 0) {
        response['output'] = [...items.entries()]
          .toSorted(([a], [b]) => a - b)
          .map(([, item]) => item)
      }
      const failure = error ?? (isRecord(response['error']) ? response['error'] : undefined)
      if (error !== undefined) response['error'] = error
      return {
        merged: response,
        text: outputText(response),
        complete: isTerminated && failure === undefined,
        ...(failure === undefined ? {} : { problem: errorText(failure) }),
      }
    },
  }
}

/** The text of every message in a response's output. */
export function outputText(response: JsonRecord): string {
  return recordsOf(response['output'])
    .filter((item) => item['type'] === 'message')
    .flatMap((item) => recordsOf(item['content']))
    .map((part) => (part['type'] === 'output_text' ? (textOf(part['text']) ?? '') : ''))
    .join('')
}
