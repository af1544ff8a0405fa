/**
 * The Realtime API over a WebSocket (OpenAI and Azure, present and first version). A conversation
 * lives on the socket: what was added to it since the last response is the prompt of the next one.
 * The server may start a response by itself, when it hears that the speaker has stopped.
 */
import type { ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { countOf, draftOf, isRecord, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { AnswerReading, CallReading, CallTarget } from './model-wire.ts'
import { optional, toolCallsIn, toolOf } from './model-wire.ts'
import { contentParts } from './openai-chat-wire.ts'
import { openaiRealtime } from './openai-realtime.ts'
import { readItem } from './openai-responses-wire.ts'
import { readMediaUsage } from './openai-usage.ts'
import { PendingMessages } from './pending-messages.ts'
import type { Asked, SocketDialect } from './socket-dialect.ts'

export function createRealtimeDialect({ query }: CallTarget): SocketDialect {
  const session = createSession(query)

  return {
    stream: openaiRealtime,
    sent(message) {
      session.take(message)
      if (message['type'] !== 'response.create') return undefined
      const response = recordOf(message['response'])
      return { ...session.call(response), eventId: textOf(message['event_id']) }
    },
    heard(message) {
      session.take(message)
      const type = textOf(message['type']) ?? ''
      if (type === 'error') return failureOf(message)
      if (!openaiRealtime.matches(message)) return undefined
      const responseId = textOf(recordOf(message['response'])['id'] ?? message['response_id'])
      if (type === 'response.created') return { lane: '', responseId, phase: 'begins' }
      return { lane: '', responseId, phase: type === 'response.done' ? 'ends' : 'goes-on' }
    },
    unasked: () => session.call({}),
    readAnswer,
  }
}

/** Most errors concern other messages than those that ask for a response. */
function failureOf(message: JsonRecord): ReturnType<SocketDialect['heard']> {
  const error = recordOf(message['error'])
  const eventId = textOf(error['event_id'])
  const isRefusal = error['code'] === 'conversation_already_has_active_response'
  if (eventId === undefined && !isRefusal) return undefined
  return { lane: '', phase: 'fails', eventId, isOfWaiting: true }
}

interface Session {
  /** Takes a message of either side. */
  take(message: JsonRecord): void
  /** A call with all that waits; `response` overrides what the session says. */
  call(response: JsonRecord): Asked
}

function createSession(query: string): Session {
  let settings: JsonDraft = {}
  const pending = new PendingMessages()
  let soundBytes = 0
  const addressed = new URLSearchParams(query)
  const named = addressed.get('model') ?? addressed.get('deployment') ?? undefined

  const takers: Readonly<Record<string, (message: JsonRecord) => void>> = {
    'session.update'(message) {
      settings = { ...settings, ...draftOf(recordOf(message['session'])) }
    },
    'session.created'(message) {
      settings = draftOf(recordOf(message['session']))
    },
    'conversation.item.create': (message) =>
      pending.add(readItem(withAudio(recordOf(message['item'])))),
    'input_audio_buffer.append'(message) {
      soundBytes += Buffer.byteLength(textOf(message['audio']) ?? '', 'base64')
    },
    'input_audio_buffer.clear'() {
      soundBytes = 0
    },
    'input_audio_buffer.committed'() {
      pending.add({
        role: 'user',
        parts: [{ type: 'media', mediaType: 'audio/*', bytes: soundBytes }],
      })
      soundBytes = 0
    },
    'conversation.item.input_audio_transcription.completed': (message) =>
      pending.add({ role: 'user', parts: contentParts(message['transcript']) }),
  }

  return {
    take(message) {
      const type = textOf(message['type']) ?? ''
      const name = type === 'session.updated' ? 'session.created' : type
      if (Object.hasOwn(takers, name)) takers[name]?.(message)
    },
    call(response) {
      const from = { ...settings, ...response }
      // A response with an input of its own stands beside the conversation.
      const own = Array.isArray(response['input']) ? recordsOf(response['input']) : undefined
      const messages = own?.map((item) => readItem(withAudio(item))) ?? pending.take()
      const reading: CallReading = {
        ...optional('model', textOf(settings['model']) ?? named),
        streaming: true,
        messages: [...systemMessage(from), ...messages],
        tools: recordsOf(from['tools']).map(toolOf),
      }
      return { operation: 'realtime', reading, lane: '' }
    },
  }
}

function systemMessage(from: JsonRecord): ModelMessage[] {
  const parts = contentParts(from['instructions'])
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

/** Sound stands as `audio` here, in the Responses API within a record. */
function withAudio(item: JsonRecord): JsonRecord {
  if (!Array.isArray(item['content'])) return item
  const content = recordsOf(item['content']).map((part) =>
    part['type'] === 'input_audio' && typeof part['audio'] === 'string'
      ? { type: 'input_audio', input_audio: { data: part['audio'], format: '*' } }
      : part,
  )
  return { ...item, content }
}

function readAnswer(body: JsonRecord): AnswerReading {
  const output = recordsOf(body['output']).flatMap((item) =>
    item['type'] === 'message'
      ? recordsOf(item['content']).flatMap(answerParts)
      : readItem(item).parts,
  )
  const details = recordOf(body['status_details'])
  return {
    ...optional('model', textOf(body['model'])),
    output,
    toolCalls: toolCallsIn(output),
    ...optional('finishReason', textOf(details['reason']) ?? textOf(body['status'])),
    ...optional('responseId', textOf(body['id'])),
    ...optional('usage', isRecord(body['usage']) ? readMediaUsage(body) : undefined),
  }
}

function answerParts(part: JsonRecord): Part[] {
  const bytes = countOf(part['audio_bytes'])
  const isAudio = part['type'] === 'audio' || part['type'] === 'output_audio'
  if (!isAudio) return contentParts([part])
  return [
    { type: 'media', mediaType: 'audio/*', ...optional('bytes', bytes) },
    ...contentParts(part['transcript']),
  ]
}
