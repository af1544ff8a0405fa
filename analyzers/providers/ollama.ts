/**
 * Streams of Ollama's own API (`POST /api/chat`, `/api/generate`): lines of JSON, each a piece of the
 * answer in the shape of the whole one; the last has `done` and the counts.
 */
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { appendAll, isRecord, listOf, recordOf, textOf } from '../wire/json.ts'
import { createSnapshotMerger, takeFields } from './snapshot-merger.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, isFilled, listAt, recordAt } from './stream-format.ts'

export const ollama: StreamFormat = {
  name: 'ollama',
  createMerger: createOllamaMerger,
  matches: (data) =>
    typeof data['done'] === 'boolean' &&
    (isRecord(data['message']) || typeof data['response'] === 'string'),
  carriesContent({ message, response, thinking }) {
    const { content, thinking: thought, tool_calls: calls } = recordOf(message)
    return [response, thinking, content, thought, calls].some(isFilled)
  },
}

export function createOllamaMerger(): StreamMerger {
  return createSnapshotMerger({
    take(answer, line) {
      const { message, logprobs } = line
      takeFields(answer, line, notFields)
      appendText(answer, 'response', line['response'])
      appendText(answer, 'thinking', line['thinking'])
      if (isRecord(message)) takeMessage(recordAt(answer, 'message'), message)
      if (Array.isArray(logprobs)) appendAll(listAt(answer, 'logprobs'), listOf(logprobs))
    },
    textOf: (answer) =>
      textOf(answer['response']) ?? textOf(recordOf(answer['message'])['content']) ?? '',
    isDone: (answer) => answer['done'] === true,
  })
}

const notFields = new Set(['message', 'response', 'thinking', 'logprobs'])
const notMessage = new Set(['content', 'thinking', 'tool_calls', 'images'])

function takeMessage(message: JsonDraft, from: JsonRecord): void {
  takeFields(message, from, notMessage)
  appendText(message, 'content', from['content'])
  appendText(message, 'thinking', from['thinking'])
  for (const key of ['tool_calls', 'images']) {
    const more = listOf(from[key])
    if (more.length > 0) appendAll(listAt(message, key), more)
  }
}
