/**
 * Streams of runs (Assistants v2: `thread.*` events). The merged answer is the run as the provider
 * last told it, with what a plain answer leaves to other requests: `messages` and `run_steps`.
 * Deltas grow a message or a step until an event brings it whole, as in the official SDK.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  draftOf,
  isRecord,
  parseRecord,
  recordOf,
  recordsOf,
  setOwn,
  textOf,
} from '../wire/json.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText, indexOf, isFilled, setAt } from './stream-format.ts'

export const openaiAssistants: StreamFormat = {
  name: 'openai-assistants',
  createMerger: createRunMerger,
  matches: ({ object }) => typeof object === 'string' && /^thread(?:\.|$)/u.test(object),
  carriesContent(data) {
    const delta = recordOf(data['delta'])
    if (data['object'] === 'thread.message.delta') return isFilled(delta['content'])
    return isFilled(recordOf(delta['step_details'])['tool_calls'])
  },
}

/** Nothing more comes behind these, but it may go on by another request. */
const settled = new Set([
  'requires_action',
  'completed',
  'incomplete',
  'failed',
  'cancelled',
  'expired',
])
/** Objects of one stream; a run has few. */
const maxObjects = 1_024

export function createRunMerger(): StreamMerger {
  let run: JsonDraft = {}
  let error: Json | undefined
  const messages = new Map<string, JsonDraft>()
  const steps = new Map<string, JsonDraft>()

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      switch (event['object']) {
        case 'thread.run':
          run = draftOf(event)
          break
        case 'thread.message':
        case 'thread.message.delta':
          enter(messages, event)
          break
        case 'thread.run.step':
        case 'thread.run.step.delta':
          enter(steps, event)
          break
        default:
          // The event `error` holds the error itself.
          if (typeof event['object'] !== 'string') error ??= errorIn(event) ?? errorAlone(event)
      }
    },
    result() {
      const list = [...messages.values()]
      run['messages'] = list
      run['run_steps'] = [...steps.values()]
      const failure = error ?? (isRecord(run['last_error']) ? run['last_error'] : undefined)
      if (failure !== undefined) run['error'] = failure
      return {
        merged: run,
        text: list.map(textOfMessage).join(''),
        complete: settled.has(textOf(run['status']) ?? '') && failure === undefined,
        ...(failure === undefined ? {} : { problem: errorText(failure) }),
      }
    },
  }
}

function errorAlone(event: JsonRecord): Json | undefined {
  return typeof event['message'] === 'string' ? event : undefined
}

function enter(objects: Map<string, JsonDraft>, event: JsonRecord): void {
  const id = textOf(event['id'])
  if (id === undefined) return
  const known = objects.get(id)
  if (known === undefined && objects.size >= maxObjects) return
  if (!isRecord(event['delta'])) {
    objects.set(id, draftOf(event))
    return
  }
  const grown = known ?? { id, object: (textOf(event['object']) ?? '').replace(/\.delta$/u, '') }
  objects.set(id, grow(grown, event['delta'], 0))
}

/** Nesting of deltas; theirs is five deep. */
const maxDepth = 16

/** A copy of `base` with `delta` on it: texts append, lists go by `index`, all else replaces. */
function grow(base: JsonRecord, delta: JsonRecord, depth: number): JsonDraft {
  const grown = draftOf(base)
  for (const [key, value] of Object.entries(delta)) {
    const before = Object.hasOwn(grown, key) ? grown[key] : undefined
    setOwn(grown, key, grownValue(key, before, value, depth))
  }
  return grown
}

function grownValue(key: string, before: Json | undefined, value: Json, depth: number): Json {
  if (depth >= maxDepth || before === undefined || before === null) return cleaned(value)
  if (key === 'index' || key === 'type') return value
  if (typeof before === 'string' && typeof value === 'string') return before + value
  if (Array.isArray(before) && Array.isArray(value)) return grownList(before, value, depth)
  return isRecord(before) && isRecord(value) ? grow(before, value, depth + 1) : value
}

/** A list that comes as a delta is a list of entries with an index each. */
function cleaned(value: Json): Json {
  return Array.isArray(value) ? grownList([], value, maxDepth - 1) : value
}

function grownList(before: readonly Json[], delta: readonly Json[], depth: number): Json[] {
  const list = [...before]
  for (const entry of delta) {
    const index = isRecord(entry) ? indexOf(entry['index']) : undefined
    if (!isRecord(entry) || index === undefined) list.push(entry)
    else setAt(list, index, grow(recordOf(list[index]), entry, depth + 1))
  }
  return list
}

/** The text of a message's content. */
export function textOfMessage(message: JsonRecord): string {
  return recordsOf(message['content'])
    .map((part) => textOf(recordOf(part['text'])['value']) ?? '')
    .join('')
}
