/**
 * OpenAI Chat Completions streams (`POST …/chat/completions`), of OpenAI, Azure and the many
 * services that speak alike. The rules are those of the official accumulator; where compatibles
 * differ from it, the note beside the rule says how.
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
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import { ChatGrowth, growingText, notDelta } from './openai-chat-growth.ts'
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

export const openaiChat: StreamFormat = {
  name: 'openai-chat',
  createMerger: createChatMerger,
  matches: (data) =>
    data['object'] === 'chat.completion.chunk' ||
    (Array.isArray(data['choices']) && data['object'] !== 'text_completion'),
  carriesContent: (data) =>
    recordsOf(data['choices']).some((choice) => {
      const delta = recordOf(choice['delta'])
      return contentKeys.some((key) => isFilled(delta[key]) || isRecord(delta[key]))
    }),
}

const contentKeys = [
  'content',
  'refusal',
  'reasoning_content',
  'reasoning',
  'thinking',
  'tool_calls',
  'function_call',
  'audio',
]

export function createChatMerger(): StreamMerger {
  let snapshot: JsonDraft | undefined
  let error: Json | undefined
  const choices = new Map<number, JsonDraft>()
  const growth = new ChatGrowth(choices)

  function push(data: string): void {
    if (growth.add(data, snapshot)) return
    if (data.trim() === '[DONE]') return
    const chunk = parseRecord(data)
    if (chunk === undefined) return
    error ??= errorIn(chunk) ?? errorIn(recordOf(chunk['x_groq']))
    if (snapshot === undefined) {
      snapshot = draftOf(chunk, notTopLevel)
    } else {
      // Azure opens with a chunk whose id is empty: later ones like it must not overwrite.
      const isNamed = typeof chunk['id'] === 'string' && chunk['id'] !== ''
      if (isNamed) assignOwn(snapshot, chunk, notOverwritten)
      // Most send usage once, some a running total on every chunk: the last one is the total.
      if (isRecord(chunk['usage'])) snapshot['usage'] = chunk['usage']
    }
    growth.learn(data, chunk)
    for (const choice of recordsOf(chunk['choices'])) mergeChoice(choices, choice)
  }

  return {
    push,
    result() {
      const finished = [...choices.entries()]
        .toSorted(([a], [b]) => a - b)
        .map(([, c]) => finish(c))
      const merged: JsonDraft = { ...snapshot, choices: finished, object: 'chat.completion' }
      if (!isFilled(merged['system_fingerprint'])) delete merged['system_fingerprint']
      if (error !== undefined) merged['error'] = error
      const isFinished =
        finished.length > 0 && finished.every((choice) => choice['finish_reason'] !== null)
      return {
        merged,
        text: finished
          .map((choice) => contentText(recordOf(choice['message'])['content']))
          .join(''),
        complete: isFinished && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

/** Padding against traffic analysis, and what is merged on its own. */
const notTopLevel = new Set(['choices', 'obfuscation'])
const notOverwritten = new Set([...notTopLevel, 'usage'])
/** `message` and `text`: some repeat the delta under the names that a merged answer has. */
const notChoice = new Set(['delta', 'finish_reason', 'index', 'logprobs', 'message', 'text'])

function mergeChoice(choices: Map<number, JsonDraft>, from: JsonRecord): void {
  const index = from['index'] === undefined ? 0 : indexOf(from['index'])
  if (index === undefined) return
  let choice = choices.get(index)
  if (choice === undefined) {
    choice = { index, finish_reason: null, message: {}, logprobs: null }
    choices.set(index, choice)
  }
  if (isRecord(from['logprobs'])) mergeLogprobs(choice, from['logprobs'])
  if (isFilled(from['finish_reason'])) choice['finish_reason'] = from['finish_reason'] ?? null
  assignOwn(choice, from, notChoice)
  if (isRecord(from['delta'])) mergeDelta(recordAt(choice, 'message'), from['delta'])
}

function mergeLogprobs(choice: JsonDraft, from: JsonRecord): void {
  const isFirst = !isRecord(choice['logprobs'])
  const logprobs = recordAt(choice, 'logprobs')
  if (isFirst) assignOwn(logprobs, from)
  else assignOwn(logprobs, from, new Set(['content', 'refusal']))
  for (const key of isFirst ? [] : ['content', 'refusal']) {
    if (Array.isArray(from[key])) appendAll(listAt(logprobs, key), listOf(from[key]))
  }
}

function mergeDelta(message: JsonDraft, delta: JsonRecord): void {
  for (const [key, value] of Object.entries(delta)) {
    if (!notDelta.has(key)) mergeUnknown(message, key, value)
  }
  appendText(message, 'refusal', isFilled(delta['refusal']) ? delta['refusal'] : undefined)
  if (isFilled(delta['role'])) message['role'] = delta['role'] ?? null
  if (isRecord(delta['audio'])) mergeAudio(recordAt(message, 'audio'), delta['audio'])
  if (isRecord(delta['function_call']))
    mergeFunction(message, 'function_call', delta['function_call'])
  mergeContent(message, delta['content'])
  const calls = recordsOf(delta['tool_calls'])
  for (const [position, call] of calls.entries()) mergeToolCall(message, call, position)
}

/** Fields of compatibles: text such as `reasoning_content` and lists such as `annotations` grow. */
function mergeUnknown(message: JsonDraft, key: string, value: Json): void {
  const before = Object.hasOwn(message, key) ? message[key] : undefined
  if (growingText.has(key) && typeof before === 'string')
    appendText(message, key, value ?? undefined)
  else if (key === 'reasoning_details' && Array.isArray(value))
    mergeDetails(listAt(message, key), recordsOf(value))
  else if (Array.isArray(before) && Array.isArray(value))
    appendAll(listAt(message, key), listOf(value))
  else if (value !== null || before === undefined) assignOwn(message, { [key]: value })
}

/** OpenRouter's pieces of reasoning: those of one index and type are one. */
function mergeDetails(details: Json[], pieces: readonly JsonRecord[]): void {
  for (const piece of pieces) {
    const last = details.at(-1)
    const isSame =
      isRecord(last) && last['type'] === piece['type'] && last['index'] === piece['index']
    if (!isSame || typeof piece['index'] !== 'number') {
      details.push(piece)
      continue
    }
    const joined = draftOf(last)
    for (const [key, value] of Object.entries(piece)) {
      if (typeof value === 'string' && growingDetails.has(key)) appendText(joined, key, value)
      else if (value !== null) assignOwn(joined, { [key]: value })
    }
    details[details.length - 1] = joined
  }
}

const growingDetails = new Set(['text', 'summary', 'data'])

/** Text grows; Mistral sends lists of parts in place of text for models that think. */
function mergeContent(message: JsonDraft, more: Json | undefined): void {
  const before = message['content']
  if (typeof more === 'string' && !Array.isArray(before)) appendText(message, 'content', more)
  else if (typeof more === 'string') appendPart(listAt(message, 'content'), textPart(more))
  else if (Array.isArray(more)) {
    if (typeof before === 'string') message['content'] = before === '' ? [] : [textPart(before)]
    for (const part of listOf(more)) appendPart(listAt(message, 'content'), part)
  }
}

/** Adjacent text is one part, as is adjacent thinking, which is itself a list of parts. */
function appendPart(parts: Json[], part: Json): void {
  const last = recordOf(parts.at(-1))
  const next = recordOf(part)
  if (isBare(last, 'text') && isBare(next, 'text')) {
    parts[parts.length - 1] = textPart(`${textOf(last['text']) ?? ''}${textOf(next['text']) ?? ''}`)
  } else if (isBare(last, 'thinking') && isBare(next, 'thinking')) {
    const joined = draftOf(last)
    assignOwn(joined, next, new Set(['thinking']))
    for (const piece of listOf(next['thinking'])) appendPart(listAt(joined, 'thinking'), piece)
    parts[parts.length - 1] = joined
  } else {
    parts.push(part)
  }
}

/** A part of this type that says nothing beside its content. */
function isBare(part: JsonRecord, type: 'text' | 'thinking'): boolean {
  const isContent =
    type === 'text' ? typeof part['text'] === 'string' : Array.isArray(part['thinking'])
  const keys = Object.keys(part).filter((key) => key !== 'type' && key !== 'closed')
  return part['type'] === type && isContent && keys.length === 1
}

function textPart(text: string): JsonDraft {
  return { type: 'text', text }
}

function mergeAudio(audio: JsonDraft, from: JsonRecord): void {
  for (const key of ['id', 'expires_at']) {
    const value = from[key]
    if (value !== undefined && value !== null) audio[key] = value
  }
  appendText(audio, 'data', from['data'])
  appendText(audio, 'transcript', from['transcript'])
}

function mergeFunction(holder: JsonDraft, key: string, from: JsonRecord): void {
  const isFirst = !isRecord(holder[key])
  const target = recordAt(holder, key)
  if (isFirst) {
    assignOwn(target, { name: '', arguments: '' })
    assignOwn(target, from, new Set(['name', 'arguments']))
  }
  if (isFilled(from['name'])) target['name'] = from['name'] ?? ''
  appendText(target, 'arguments', from['arguments'])
}

function mergeToolCall(message: JsonDraft, from: JsonRecord, position: number): void {
  const calls = listAt(message, 'tool_calls')
  const index = toolCallIndex(calls, from, position)
  if (index === undefined) return
  const call = slotAt(calls, index)
  assignOwn(call, from, new Set(['index', 'id', 'type', 'function', 'custom']))
  for (const key of ['id', 'type']) {
    const value = from[key]
    if (value !== undefined && isFilled(value)) call[key] = value
  }
  if (isRecord(from['function'])) mergeFunction(call, 'function', from['function'])
  if (isRecord(from['custom'])) {
    const custom = recordAt(call, 'custom')
    custom['name'] = textOf(from['custom']['name']) || (textOf(custom['name']) ?? '')
    appendText(custom, 'input', from['custom']['input'] ?? '')
  }
}

/** Some compatibles leave `index` out: then the id decides, then the place in the delta's list. */
function toolCallIndex(calls: Json[], from: JsonRecord, position: number): number | undefined {
  if (typeof from['index'] === 'number') return indexOf(from['index'])
  const id = textOf(from['id'])
  if (id === undefined || id === '') return indexOf(position)
  const found = calls.findIndex((call) => recordOf(call)['id'] === id)
  return indexOf(found === -1 ? calls.length : found)
}

function finish(choice: JsonDraft): JsonDraft {
  const message = recordAt(choice, 'message')
  message['content'] ??= null
  message['refusal'] ??= null
  return choice
}

/** The text of a message's content, which is text or a list of parts. */
export function contentText(content: Json | undefined): string {
  if (typeof content === 'string') return content
  return recordsOf(content)
    .map((part) => (part['type'] === 'text' ? (textOf(part['text']) ?? '') : ''))
    .join('')
}
