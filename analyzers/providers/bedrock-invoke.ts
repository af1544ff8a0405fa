/**
 * Streams of Bedrock's InvokeModel (`POST /model/{id}/invoke-with-response-stream`): each event is
 * the model's own, in the shape of its family, and the result is what that family answers without
 * streaming. The family follows from the events, since an id may say nothing about it. Bedrock adds
 * guardrail fields, which stand in whole answers too, and in the last event its metrics, which are
 * kept where the family itself reports no usage.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { assignOwn, countOf, isRecord, parseRecord, recordOf, recordsOf } from '../wire/json.ts'
import { createCompleteMerger } from './anthropic-complete.ts'
import { anthropicMessages, createMessagesMerger } from './anthropic-messages.ts'
import { bedrockConverse, createConverseMerger } from './bedrock-converse.ts'
import {
  createLlamaMerger,
  createOutputsMerger,
  createTitanMerger,
} from './bedrock-text-streams.ts'
import { metricsKey } from './bedrock-usage.ts'
import { cohereV1Chat, createV1ChatMerger } from './cohere-v1-chat.ts'
import { createChatMerger, openaiChat } from './openai-chat.ts'
import { createCompletionsMerger } from './openai-completions.ts'
import type { StreamFormat, StreamMerger, StreamResult } from './stream-format.ts'
import { errorIn, errorText, isFilled } from './stream-format.ts'

interface Family {
  /** Whether an event is of it. */
  readonly matches: (event: JsonRecord) => boolean
  readonly carriesContent: (event: JsonRecord) => boolean
  readonly createMerger: () => StreamMerger
  /** The event as the merger knows it, and its type. */
  readonly adapt?: (event: JsonRecord) => { readonly data: JsonRecord; readonly event?: string }
}

const novaEvents = [
  'messageStart',
  'contentBlockStart',
  'contentBlockDelta',
  'contentBlockStop',
  'messageStop',
  'metadata',
]

const families: readonly Family[] = [
  {
    matches: (event) => anthropicMessages.matches(event),
    carriesContent: (event) => anthropicMessages.carriesContent(event),
    createMerger: createMessagesMerger,
  },
  {
    matches: (event) => typeof event['completion'] === 'string',
    carriesContent: (event) => isFilled(event['completion']),
    createMerger: createCompleteMerger,
    adapt: (event) => ({ data: { type: 'completion', ...event } }),
  },
  {
    matches: (event) => novaEvents.some((key) => isRecord(event[key])),
    carriesContent: (event) =>
      ['contentBlockStart', 'contentBlockDelta'].some((key) =>
        bedrockConverse.carriesContent(recordOf(event[key])),
      ),
    createMerger: () => createConverseMerger({ joinsText: true }),
    adapt(event) {
      const type = novaEvents.find((key) => isRecord(event[key])) ?? ''
      return { data: recordOf(event[type]), event: type }
    },
  },
  {
    matches: (event) => typeof event['outputText'] === 'string',
    carriesContent: (event) => isFilled(event['outputText']),
    createMerger: createTitanMerger,
  },
  {
    matches: (event) => typeof event['generation'] === 'string',
    carriesContent: (event) => isFilled(event['generation']),
    createMerger: createLlamaMerger,
  },
  {
    matches: (event) => Array.isArray(event['outputs']),
    carriesContent: (event) => recordsOf(event['outputs']).some(({ text }) => isFilled(text)),
    createMerger: createOutputsMerger,
  },
  {
    matches: isTextChoice,
    carriesContent: (event) => recordsOf(event['choices']).some(({ text }) => isFilled(text)),
    createMerger: createCompletionsMerger,
    adapt: (event) => ({ data: withOpenaiNames(event) }),
  },
  {
    matches: (event) => Array.isArray(event['choices']),
    carriesContent: (event) => openaiChat.carriesContent(withOpenaiNames(event)),
    createMerger: createChatMerger,
    adapt: (event) => ({ data: withOpenaiNames(event) }),
  },
  {
    // Command answers in one event unless it is asked to stream.
    matches: (event) => Array.isArray(event['generations']),
    carriesContent: (event) => recordsOf(event['generations']).some(({ text }) => isFilled(text)),
    createMerger: createV1ChatMerger,
    adapt: (event) => ({ data: { is_finished: true, response: event } }),
  },
  {
    matches: (event) => cohereV1Chat.matches(event),
    carriesContent: (event) => cohereV1Chat.carriesContent(event),
    createMerger: createV1ChatMerger,
  },
]

function isTextChoice(event: JsonRecord): boolean {
  return recordsOf(event['choices']).some((choice) => typeof choice['text'] === 'string')
}

/** Mistral on Bedrock streams `message` in place of `delta`, and gives a `stop_reason`. */
function withOpenaiNames(event: JsonRecord): JsonRecord {
  return { ...event, choices: recordsOf(event['choices']).map(asOpenaiChoice) }
}

function asOpenaiChoice({ message, stop_reason: reason, ...choice }: JsonRecord): JsonRecord {
  return {
    ...(message === undefined ? {} : { delta: message }),
    ...(reason === undefined ? {} : { finish_reason: reason }),
    ...choice,
  }
}

function familyOf(event: JsonRecord): Family | undefined {
  return families.find(({ matches }) => matches(event))
}

export const bedrockInvoke: StreamFormat = {
  name: 'bedrock-invoke',
  createMerger: createInvokeMerger,
  matches: (data) => familyOf(data) !== undefined,
  carriesContent: (data) => familyOf(data)?.carriesContent(data) === true,
}

export function createInvokeMerger(): StreamMerger {
  let family: Family | undefined
  let merger: StreamMerger | undefined
  let error: Json | undefined
  const added: JsonDraft = {}

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      for (const [key, value] of Object.entries(event)) {
        if (key.startsWith('amazon-bedrock-')) assignOwn(added, { [key]: value })
      }
      // Bedrock's own exceptions are errors of no family.
      error ??= errorIn(event)
      family ??= familyOf(event)
      if (family === undefined || errorIn(event) !== undefined) return
      merger ??= family.createMerger()
      const adapted = family.adapt?.(event)
      if (adapted === undefined) merger.push(data)
      else merger.push(JSON.stringify(adapted.data), adapted.event)
    },
    result() {
      const result = withAdded(merger?.result() ?? nothing, added)
      if (error === undefined) return result
      const merged = { ...result.merged, error }
      return { ...result, merged, complete: false, problem: errorText(error) }
    },
  }
}

const nothing: StreamResult = { merged: {}, text: '', complete: false }

function withAdded(result: StreamResult, added: JsonDraft): StreamResult {
  const { [metricsKey]: metrics, ...others } = added
  const merged: JsonDraft = { ...result.merged, ...others }
  if (metrics !== undefined && !reportsUsage(merged)) merged[metricsKey] = metrics
  // The metrics come with the last event, also where a guardrail left the model no last word.
  const isEnded = metrics !== undefined && result.problem === undefined
  return { ...result, merged, complete: result.complete || isEnded }
}

function reportsUsage(answer: JsonRecord): boolean {
  const usage = recordOf(answer['usage'])
  const counts = ['input_tokens', 'inputTokens', 'prompt_tokens'].map((key) => countOf(usage[key]))
  return counts.some((count) => count !== undefined)
}
