/**
 * Streams of Gemini's Interactions API: an interaction is created, grows by steps (a thought, a
 * call, the model's output) and is completed. The closing event tells state and counts, and holds
 * the steps only for some; else they are put together from their own events.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  assignOwn,
  draftOf,
  isRecord,
  listOf,
  parseJson,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, errorIn, errorText, indexOf, isFilled, listAt } from './stream-format.ts'

export const geminiInteractions: StreamFormat = {
  name: 'gemini-interactions',
  createMerger: createInteractionMerger,
  matches: ({ event_type: type }) =>
    typeof type === 'string' && /^(?:interaction|step)\.[a-z_]+$/u.test(type),
  carriesContent(data) {
    const delta = recordOf(data['delta'])
    if (data['event_type'] === 'step.start') return isFilled(recordOf(data['step'])['name'])
    return ['text', 'arguments', 'data', 'content'].some(
      (key) => isFilled(delta[key]) || isRecord(delta[key]),
    )
  },
}

interface State {
  interaction: JsonDraft
  readonly steps: Map<number, JsonDraft>
  /** JSON of function arguments, by step, until the step stops. */
  readonly buffers: Map<number, string>
  usage: Json | undefined
  isCompleted: boolean
}

export function createInteractionMerger(): StreamMerger {
  const state: State = {
    interaction: {},
    steps: new Map(),
    buffers: new Map(),
    usage: undefined,
    isCompleted: false,
  }
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      const type = textOf(event['event_type']) ?? ''
      if (type === 'error') error ??= event['error'] ?? 'the interaction failed'
      else error ??= errorIn(event)
      if (Object.hasOwn(handlers, type)) handlers[type]?.(state, event)
    },
    result() {
      for (const at of state.buffers.keys()) closeArguments(state, at)
      const { interaction, steps } = state
      if (listOf(interaction['steps']).length === 0) {
        interaction['steps'] = [...steps].toSorted(([a], [b]) => a - b).map(([, step]) => step)
      }
      if (!isRecord(interaction['usage']) && state.usage !== undefined) {
        interaction['usage'] = state.usage
      }
      if (error !== undefined) interaction['error'] = error
      return {
        merged: interaction,
        text: recordsOf(interaction['steps']).map(textOfStep).join(''),
        complete: state.isCompleted && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

const handlers: Readonly<Record<string, (state: State, event: JsonRecord) => void>> = {
  'interaction.created'(state, event) {
    state.interaction = draftOf(recordOf(event['interaction']))
  },
  'interaction.status_update'(state, event) {
    if (typeof event['status'] === 'string') state.interaction['status'] = event['status']
    if (isRecord(event['usage'])) state.usage = event['usage']
  },
  'interaction.completed'(state, event) {
    assignOwn(state.interaction, recordOf(event['interaction']))
    state.isCompleted = true
  },
  'step.start'(state, event) {
    const at = indexOf(event['index'])
    if (at !== undefined) state.steps.set(at, draftOf(recordOf(event['step'])))
  },
  'step.delta'(state, event) {
    // Totals so far; the last ones stand.
    const total = recordOf(event['metadata'])['total_usage']
    if (isRecord(total)) state.usage = total
    const at = indexOf(event['index'])
    if (at === undefined) return
    const step = state.steps.get(at) ?? {}
    state.steps.set(at, step)
    growStep(state, at, step, recordOf(event['delta']))
  },
  'step.stop'(state, event) {
    const at = indexOf(event['index'])
    if (at !== undefined) closeArguments(state, at)
  },
}

function growStep(state: State, at: number, step: JsonDraft, delta: JsonRecord): void {
  switch (textOf(delta['type']) ?? '') {
    case 'text':
      addText(listAt(step, 'content'), delta)
      break
    case 'thought_summary':
      if (isRecord(delta['content'])) addText(listAt(step, 'summary'), delta['content'])
      break
    case 'arguments_delta':
      state.buffers.set(at, (state.buffers.get(at) ?? '') + (textOf(delta['arguments']) ?? ''))
      break
    case 'audio':
    case 'image':
    case 'video':
    case 'document':
      listAt(step, 'content').push(delta)
      break
    default:
      // A signature, or the next state of a tool that the provider runs.
      assignOwn(step, delta, new Set(['type']))
  }
}

/** Text that follows text is one part. */
function addText(parts: Json[], part: JsonRecord): void {
  const last = parts.at(-1)
  if (isRecord(last) && last['type'] === 'text' && part['type'] === 'text') {
    const grown = draftOf(last)
    appendText(grown, 'text', part['text'])
    parts[parts.length - 1] = grown
  } else {
    parts.push(part)
  }
}

function closeArguments({ steps, buffers }: State, at: number): void {
  const text = buffers.get(at)
  const step = steps.get(at)
  buffers.delete(at)
  if (text === undefined || step === undefined || text === '') return
  const parsed = parseJson(text)
  // What the end cut off stays as it came.
  step['arguments'] = parsed.ok ? parsed.value : text
}

function textOfStep(step: JsonRecord): string {
  if (step['type'] !== 'model_output') return ''
  return recordsOf(step['content'])
    .map((part) => (part['type'] === 'text' ? (textOf(part['text']) ?? '') : ''))
    .join('')
}
