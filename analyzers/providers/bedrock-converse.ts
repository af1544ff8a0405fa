/**
 * Converse streams (`POST /model/{id}/converse-stream`). Events have their type beside the data, so
 * the merger reads both; Nova's own stream has the same events with the type inside, and shares it.
 * The result is the shape of Converse answers: output.message, stopReason, usage, metrics, trace.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  appendAll,
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

export const bedrockConverse: StreamFormat = {
  name: 'bedrock-converse',
  createMerger: () => createConverseMerger(),
  matches: (data) =>
    ['contentBlockIndex', 'stopReason', 'usage', 'metrics'].some((key) => key in data) ||
    typeof data['role'] === 'string',
  carriesContent(data) {
    const { toolUse, reasoningContent, text } = recordOf(data['delta'])
    return (
      isFilled(text) ||
      isFilled(recordOf(toolUse)['input']) ||
      isFilled(recordOf(reasoningContent)['text']) ||
      isFilled(recordOf(recordOf(data['start'])['toolUse'])['name'])
    )
  },
}

/** `joinsText`: Nova sends each piece of one text as a block of its own. */
export function createConverseMerger({ joinsText = false } = {}): StreamMerger {
  const state: MergeState = {
    answer: { output: { message: { role: 'assistant', content: [] } } },
    inputs: new Map(),
    isStopped: false,
    error: undefined,
  }

  return {
    push(data, event = '') {
      const body = parseRecord(data)
      if (body === undefined) return
      state.error ??= errorIn(body)
      if (Object.hasOwn(handlers, event)) handlers[event]?.(state, body)
    },
    result() {
      const { answer, error } = state
      // Blocks that the end cut off keep what came of their input.
      for (const index of state.inputs.keys()) closeBlock(state, index)
      if (joinsText) joinTexts(messageOf(state))
      if (error !== undefined) answer['error'] = error
      return {
        merged: answer,
        text: recordsOf(messageOf(state)['content']).map(textIn).join(''),
        complete: state.isStopped && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

interface MergeState {
  readonly answer: JsonDraft
  /** JSON of tool inputs, by block, until the block stops. */
  readonly inputs: Map<number, string>
  isStopped: boolean
  error: Json | undefined
}

/** Padding against the guessing of lengths. */
const padding = new Set(['p'])

const handlers: Readonly<Record<string, (state: MergeState, event: JsonRecord) => void>> = {
  messageStart(state, event) {
    assignOwn(messageOf(state), { role: event['role'] ?? 'assistant' })
  },
  contentBlockStart(state, event) {
    const index = indexOf(event['contentBlockIndex'])
    if (index === undefined) return
    const block = blockAt(state, index)
    for (const [key, value] of Object.entries(recordOf(event['start']))) {
      assignOwn(block, { [key]: isRecord(value) ? draftOf(value) : value })
      if (key === 'toolUse') state.inputs.set(index, '')
    }
  },
  contentBlockDelta(state, event) {
    const index = indexOf(event['contentBlockIndex'])
    if (index === undefined) return
    const delta = recordOf(event['delta'])
    const block = blockAt(state, index)
    if (isRecord(delta['toolUse'])) {
      const before = state.inputs.get(index) ?? ''
      state.inputs.set(index, before + (textOf(delta['toolUse']['input']) ?? ''))
    }
    for (const [key, merge] of Object.entries(deltas)) {
      const value = delta[key]
      if (value !== undefined && value !== null) merge(block, value)
    }
  },
  contentBlockStop(state, event) {
    const index = indexOf(event['contentBlockIndex'])
    if (index !== undefined) closeBlock(state, index)
  },
  messageStop(state, event) {
    assignOwn(state.answer, event, padding)
    state.isStopped = true
  },
  metadata(state, event) {
    assignOwn(state.answer, event, padding)
  },
}

const deltas: Readonly<Record<string, (block: JsonDraft, value: Json) => void>> = {
  text: (block, value) => appendText(block, 'text', value),
  reasoningContent(block, value) {
    const delta = recordOf(value)
    const reasoning = recordAt(block, 'reasoningContent')
    if (delta['redactedContent'] !== undefined) {
      assignOwn(reasoning, { redactedContent: delta['redactedContent'] })
      return
    }
    const inner = recordAt(reasoning, 'reasoningText')
    appendText(inner, 'text', delta['text'])
    appendText(inner, 'signature', delta['signature'])
  },
  citation(block, value) {
    listAt(recordAt(block, 'citationsContent'), 'citations').push(value)
  },
  image: (block, value) => assignOwn(recordAt(block, 'image'), recordOf(value)),
  toolResult(block, value) {
    if (Array.isArray(value)) appendAll(listAt(recordAt(block, 'toolResult'), 'content'), value)
  },
}

function messageOf(state: MergeState): JsonDraft {
  return recordAt(recordAt(state.answer, 'output'), 'message')
}

function blockAt(state: MergeState, index: number): JsonDraft {
  return slotAt(listAt(messageOf(state), 'content'), index)
}

function closeBlock(state: MergeState, index: number): void {
  const input = state.inputs.get(index)
  const block = blockAt(state, index)
  if (input !== undefined) {
    state.inputs.delete(index)
    const parsed = parseJson(input === '' ? '{}' : input)
    // Cut off by the token limit the input is no JSON: its text is what the model said.
    recordAt(block, 'toolUse')['input'] = parsed.ok ? parsed.value : input
  }
  const cited = block['citationsContent']
  if (isRecord(cited) && typeof block['text'] === 'string') {
    // Cited text stands with its citations in an answer that is not streamed.
    const { text, ...rest } = block
    replaceWith(block, { ...rest, citationsContent: { content: [{ text }], ...cited } })
  }
}

function joinTexts(message: JsonDraft): void {
  const joined: JsonDraft[] = []
  for (const block of recordsOf(message['content'])) {
    const last = joined.at(-1)
    if (last !== undefined && isOnlyText(last) && isOnlyText(block)) {
      appendText(last, 'text', block['text'])
    } else {
      joined.push(draftOf(block))
    }
  }
  message['content'] = joined
}

function isOnlyText(block: JsonRecord): boolean {
  return Object.keys(block).every((key) => key === 'text')
}

function replaceWith(block: JsonDraft, by: JsonRecord): void {
  for (const key of Object.keys(block)) delete block[key]
  assignOwn(block, by)
}

function textIn(block: JsonRecord): string {
  const cited = recordsOf(recordOf(block['citationsContent'])['content'])
  return [block, ...cited].map((item) => textOf(item['text']) ?? '').join('')
}
