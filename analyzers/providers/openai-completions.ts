/** Legacy completions (`POST …/completions`): the text of each choice grows, all else is replaced. */
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
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import {
  appendText,
  errorIn,
  errorText,
  indexOf,
  isFilled,
  listAt,
  recordAt,
} from './stream-format.ts'

export const openaiCompletions: StreamFormat = {
  name: 'openai-completions',
  createMerger: createCompletionsMerger,
  matches: (data) =>
    data['object'] === 'text_completion' ||
    (Array.isArray(data['choices']) && data['object'] !== 'chat.completion.chunk'),
  carriesContent: (data) => recordsOf(data['choices']).some((choice) => isFilled(choice['text'])),
}

export function createCompletionsMerger(): StreamMerger {
  let snapshot: JsonDraft | undefined
  let error: Json | undefined
  const choices = new Map<number, JsonDraft>()

  return {
    push(data) {
      if (data.trim() === '[DONE]') return
      const chunk = parseRecord(data)
      if (chunk === undefined) return
      error ??= errorIn(chunk)
      snapshot ??= draftOf(chunk, notTopLevel)
      assignOwn(snapshot, chunk, notOverwritten)
      if (isRecord(chunk['usage'])) snapshot['usage'] = chunk['usage']
      for (const choice of recordsOf(chunk['choices'])) mergeChoice(choices, choice)
    },
    result() {
      const merged: JsonDraft = {
        ...snapshot,
        choices: [...choices.entries()].toSorted(([a], [b]) => a - b).map(([, choice]) => choice),
      }
      if (error !== undefined) merged['error'] = error
      const finished = recordsOf(merged['choices'])
      return {
        merged,
        text: finished.map((choice) => textOf(choice['text']) ?? '').join(''),
        complete:
          error === undefined &&
          finished.length > 0 &&
          finished.every((choice) => isFilled(choice['finish_reason'])),
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

const notTopLevel = new Set(['choices', 'obfuscation'])
const notOverwritten = new Set([...notTopLevel, 'usage'])
const notChoice = new Set(['index', 'text', 'finish_reason', 'logprobs'])

function mergeChoice(choices: Map<number, JsonDraft>, from: JsonRecord): void {
  const index = from['index'] === undefined ? 0 : indexOf(from['index'])
  if (index === undefined) return
  const choice = choices.get(index) ?? { text: '', index, logprobs: null, finish_reason: null }
  choices.set(index, choice)
  appendText(choice, 'text', from['text'])
  if (isFilled(from['finish_reason'])) choice['finish_reason'] = from['finish_reason'] ?? null
  assignOwn(choice, from, notChoice)
  if (!isRecord(from['logprobs'])) return
  const logprobs = recordAt(choice, 'logprobs')
  for (const [key, value] of Object.entries(from['logprobs'])) {
    if (Array.isArray(value)) appendAll(listAt(logprobs, key), listOf(value))
    else assignOwn(logprobs, { [key]: value })
  }
}
