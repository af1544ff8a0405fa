/**
 * Anthropic Messages streams (`POST …/v1/messages`), also as spoken by Vertex, Foundry and others.
 * The rules are those of the official SDK; usage counters are totals of the whole message, so a
 * later one replaces an earlier one and none is ever added.
 */
import type { Json } from '../../src/messages/schema.ts'
import { createAlikeEvents } from '../wire/alike-events.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  assignOwn,
  draftOf,
  isRecord,
  parseJson,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import {
  appendText,
  errorIn,
  errorText,
  indexOf,
  isFilled,
  listAt,
  recordAt,
  slotAt,
} from './stream-format.ts'

export const anthropicMessages: StreamFormat = {
  name: 'anthropic-messages',
  createMerger: createMessagesMerger,
  matches: ({ type }) =>
    type === 'ping' || (typeof type === 'string' && Object.hasOwn(handlers, type)),
  carriesContent(data) {
    // A block that opens with a name is a tool call: its arguments may be empty.
    if (data['type'] === 'content_block_start') {
      const block = recordOf(data['content_block'])
      return isFilled(block['text']) || isFilled(block['thinking']) || isFilled(block['name'])
    }
    const delta = recordOf(data['delta'])
    return ['text', 'thinking', 'partial_json', 'content'].some((key) => isFilled(delta[key]))
  },
}

export function createMessagesMerger(): StreamMerger {
  const state: MergeState = { message: {}, buffers: new Map(), isStopped: false, error: undefined }
  const alike = createAlikeEvents([])
  /** The one that others are like, and the field of its delta in which they differ. */
  let latest: { readonly event: JsonRecord; readonly delta: JsonDraft; readonly field: string }

  return {
    push(data) {
      const more = alike.textIn(data)
      if (more !== undefined) {
        latest.delta[latest.field] = more
        handlers['content_block_delta']?.(state, latest.event)
        return
      }
      const event = parseRecord(data)
      const type = textOf(event?.['type'])
      if (event === undefined || type === undefined) return
      const field = type === 'content_block_delta' ? grownField(event) : undefined
      if (field !== undefined) {
        alike.learn(data, event, field)
        const delta = draftOf(recordOf(event['delta']))
        latest = { event: { ...event, delta }, delta, field }
      }
      if (type === 'error') state.error ??= errorIn(event)
      else if (Object.hasOwn(handlers, type)) handlers[type]?.(state, event)
    },
    result() {
      const { message, error } = state
      // Blocks that the end cut off keep what came of their input.
      for (const index of state.buffers.keys()) closeBlock(state, index)
      if (error !== undefined) message['error'] = error
      return {
        merged: message,
        text: recordsOf(message['content'])
          .map((block) => (block['type'] === 'text' ? (textOf(block['text']) ?? '') : ''))
          .join(''),
        complete: state.isStopped && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

/** Where the text stands that a delta appends, if it does nothing else. */
function grownField(event: JsonRecord): string | undefined {
  const delta = recordOf(event['delta'])
  const type = textOf(delta['type']) ?? ''
  const field = Object.hasOwn(grownFields, type) ? grownFields[type] : undefined
  return field !== undefined && typeof delta[field] === 'string' ? field : undefined
}

const grownFields: Readonly<Record<string, string>> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  input_json_delta: 'partial_json',
}

interface MergeState {
  message: JsonDraft
  /** JSON of tool inputs, by block, until the block stops. */
  readonly buffers: Map<number, string>
  isStopped: boolean
  error: Json | undefined
}

const handlers: Readonly<Record<string, (state: MergeState, event: JsonRecord) => void>> = {
  message_start(state, event) {
    state.message = draftOf(recordOf(event['message']))
    listAt(state.message, 'content')
  },
  content_block_start(state, event) {
    const index = indexOf(event['index'])
    if (index === undefined) return
    const block = slotAt(listAt(state.message, 'content'), index)
    assignOwn(block, recordOf(event['content_block']))
    // A model may hand over to another one in the middle of an answer.
    const successor = textOf(recordOf(block['to'])['model'])
    if (block['type'] === 'fallback' && successor !== undefined) state.message['model'] = successor
  },
  content_block_delta(state, event) {
    const index = indexOf(event['index'])
    if (index === undefined) return
    const delta = recordOf(event['delta'])
    const block = slotAt(listAt(state.message, 'content'), index)
    const type = textOf(delta['type']) ?? ''
    if (type === 'input_json_delta') {
      const before = state.buffers.get(index) ?? ''
      state.buffers.set(index, before + (textOf(delta['partial_json']) ?? ''))
    } else if (Object.hasOwn(deltas, type)) {
      deltas[type]?.(block, delta)
    }
  },
  content_block_stop(state, event) {
    const index = indexOf(event['index'])
    if (index !== undefined) closeBlock(state, index)
  },
  message_delta(state, event) {
    assignOwn(state.message, recordOf(event['delta']), new Set(['container']))
    const container = recordOf(event['delta'])['container']
    if (container !== undefined && container !== null) state.message['container'] = container
    for (const key of ['context_management', 'input_transformations']) {
      const value = event[key]
      if (value !== undefined && value !== null) state.message[key] = value
    }
    const usage = recordAt(state.message, 'usage')
    for (const [key, value] of Object.entries(recordOf(event['usage']))) {
      if (value !== null) assignOwn(usage, { [key]: value })
    }
  },
  message_stop(state) {
    state.isStopped = true
  },
}

const deltas: Readonly<Record<string, (block: JsonDraft, delta: JsonRecord) => void>> = {
  text_delta: (block, delta) => appendText(block, 'text', delta['text']),
  thinking_delta: (block, delta) => appendText(block, 'thinking', delta['thinking']),
  signature_delta(block, delta) {
    block['signature'] = delta['signature'] ?? ''
  },
  citations_delta(block, delta) {
    if (isRecord(delta['citation'])) listAt(block, 'citations').push(delta['citation'])
  },
  compaction_delta: (block, delta) => assignOwn(block, delta, new Set(['type'])),
}

function closeBlock(state: MergeState, index: number): void {
  const buffer = state.buffers.get(index)
  state.buffers.delete(index)
  if (buffer === undefined || buffer === '') return
  const parsed = parseJson(buffer)
  // Cut off by `max_tokens` the input is no JSON: its text is what the model said.
  slotAt(listAt(state.message, 'content'), index)['input'] = parsed.ok ? parsed.value : buffer
}
