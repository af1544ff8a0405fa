/**
 * Streams of Cohere's second API (`POST /v2/chat`): server-sent events in which every delta repeats
 * the path to what it changes (`delta.message.content.text`). The result is the shape of an answer
 * that is not streamed, in which what stayed empty does not appear.
 */
import type { Json } from '../../src/messages/schema.ts'
import { createAlikeEvents } from '../wire/alike-events.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  appendAll,
  assignOwn,
  draftOf,
  isRecord,
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

export const cohereChat: StreamFormat = {
  name: 'cohere-chat',
  createMerger: createCohereChatMerger,
  matches: ({ type }) => typeof type === 'string' && Object.hasOwn(handlers, type),
  carriesContent(data) {
    const { content, tool_plan: plan, tool_calls: call } = messageIn(data)
    const { text, thinking } = recordOf(content)
    return [text, thinking, plan, recordOf(recordOf(call)['function'])['name']].some(isFilled)
  },
}

/** Why the finish reason of an answer says that it failed, or undefined. */
export function failedReason(reason: Json | undefined): string | undefined {
  if (typeof reason !== 'string' || !/^ERROR|^TIMEOUT$/u.test(reason)) return undefined
  return `ended with ${reason}`
}

export function createCohereChatMerger(): StreamMerger {
  const answer: JsonDraft = {}
  let isEnded = false
  let error: Json | undefined
  const alike = createAlikeEvents([])
  /** The one that others are like. */
  let latest: GrownText | undefined

  return {
    push(data) {
      const more = latest === undefined ? undefined : alike.textIn(data)
      if (latest !== undefined && more !== undefined) {
        latest.holder[latest.field] = more
        latest.handler(answer, latest.event)
        return
      }
      const event = parseRecord(data)
      const type = textOf(event?.['type']) ?? ''
      if (event === undefined) return
      error ??= errorIn(event) ?? errorIn(recordOf(event['delta']))
      const grown = grownText(type, event)
      if (grown !== undefined) {
        alike.learn(data, event, grown.field)
        latest = grown
      }
      if (Object.hasOwn(handlers, type)) handlers[type]?.(answer, event)
      if (type === 'message-end') isEnded = true
    },
    result() {
      dropEmpty(recordAt(answer, 'message'))
      if (error !== undefined) answer['error'] = error
      const problem = error === undefined ? failedReason(answer['finish_reason']) : errorText(error)
      return {
        merged: answer,
        text: recordsOf(recordAt(answer, 'message')['content'])
          .map((block) => textOf(block['text']) ?? '')
          .join(''),
        complete: isEnded && problem === undefined,
        ...(problem === undefined ? {} : { problem }),
      }
    },
  }
}

type Handler = (answer: JsonDraft, event: JsonRecord) => void

const nothing: Handler = () => undefined

const handlers: Readonly<Record<string, Handler>> = {
  'message-start'(answer, event) {
    if (event['id'] !== undefined) assignOwn(answer, { id: event['id'] })
    const { content, tool_calls: calls, citations, ...message } = messageIn(event)
    // Lists grow, and so must be the answer's own.
    assignOwn(recordAt(answer, 'message'), message)
    for (const [key, list] of Object.entries({ content, tool_calls: calls, citations })) {
      if (Array.isArray(list)) appendAll(listAt(recordAt(answer, 'message'), key), list)
    }
  },
  'content-start'(answer, event) {
    const index = indexOf(event['index'])
    if (index === undefined) return
    const content = listAt(recordAt(answer, 'message'), 'content')
    assignOwn(slotAt(content, index), recordOf(messageIn(event)['content']))
  },
  'content-delta'(answer, event) {
    const index = indexOf(event['index'])
    if (index === undefined) return
    const block = slotAt(listAt(recordAt(answer, 'message'), 'content'), index)
    const delta = recordOf(messageIn(event)['content'])
    appendText(block, 'text', delta['text'])
    appendText(block, 'thinking', delta['thinking'])
    if (isRecord(event['logprobs'])) listAt(answer, 'logprobs').push(event['logprobs'])
  },
  'content-end': nothing,
  'tool-plan-delta'(answer, event) {
    appendText(recordAt(answer, 'message'), 'tool_plan', messageIn(event)['tool_plan'])
  },
  'tool-call-start'(answer, event) {
    const call = callAt(answer, event)
    const { function: named, ...rest } = recordOf(messageIn(event)['tool_calls'])
    if (call === undefined) return
    assignOwn(call, rest)
    call['function'] = draftOf(recordOf(named))
  },
  'tool-call-delta'(answer, event) {
    const call = callAt(answer, event)
    const delta = recordOf(recordOf(messageIn(event)['tool_calls'])['function'])
    if (call !== undefined) appendText(recordAt(call, 'function'), 'arguments', delta['arguments'])
  },
  'tool-call-end': nothing,
  'citation-start'(answer, event) {
    const { citations } = messageIn(event)
    if (isRecord(citations)) listAt(recordAt(answer, 'message'), 'citations').push(citations)
  },
  'citation-end': nothing,
  'message-end'(answer, event) {
    assignOwn(answer, recordOf(event['delta']), new Set(['error']))
  },
}

interface GrownText {
  readonly handler: Handler
  /** A copy of the event, for its text changes; it goes on in `holder`, under `field`. */
  readonly event: JsonRecord
  readonly holder: JsonDraft
  readonly field: string
}

/** The one text that a delta appends, if it does nothing else. */
function grownText(type: string, event: JsonRecord): GrownText | undefined {
  const handler = type.endsWith('-delta') ? handlers[type] : undefined
  if (handler === undefined || isRecord(event['logprobs'])) return undefined
  const message = messageIn(event)
  const { content, tool_calls: call } = message
  const copy = (changed: JsonRecord): JsonRecord => ({ ...event, delta: { message: changed } })
  if (type === 'tool-plan-delta') {
    const holder = draftOf(message)
    return withText({ handler, event: copy(holder), holder, field: 'tool_plan' })
  }
  if (type === 'tool-call-delta') {
    const holder = draftOf(recordOf(recordOf(call)['function']))
    const changed = copy({ tool_calls: { function: holder } })
    return withText({ handler, event: changed, holder, field: 'arguments' })
  }
  const holder = draftOf(recordOf(content))
  const field = ['text', 'thinking'].find((key) => isFilled(holder[key])) ?? 'text'
  return withText({ handler, event: copy({ content: holder }), holder, field })
}

function withText(grown: GrownText): GrownText | undefined {
  return typeof grown.holder[grown.field] === 'string' ? grown : undefined
}

function messageIn(event: JsonRecord): JsonRecord {
  return recordOf(recordOf(event['delta'])['message'])
}

function callAt(answer: JsonDraft, event: JsonRecord): JsonDraft | undefined {
  const index = indexOf(event['index'])
  const calls = listAt(recordAt(answer, 'message'), 'tool_calls')
  return index === undefined ? undefined : slotAt(calls, index)
}

function dropEmpty(message: JsonDraft): void {
  for (const key of ['content', 'tool_plan', 'tool_calls', 'citations']) {
    const value = message[key]
    if (value === '' || (Array.isArray(value) && value.length === 0)) delete message[key]
  }
}
