/**
 * The Live API over a WebSocket (`BidiGenerateContent`, of the Gemini API and Vertex AI). The
 * session keeps the conversation: what was said since the last turn is the prompt of the next one.
 * A turn is asked for by `clientContent` that is complete or by the results of functions; one that
 * answers what was heard (`realtimeInput`) the server begins by itself.
 */
import type { Json, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { geminiLive, readLiveAnswer, serverContentIn, toolCallIn } from './gemini-live.ts'
import { contentParts, fieldOf, geminiMessages, toolsIn } from './gemini-wire.ts'
import type { CallReading, CallTarget } from './model-wire.ts'
import { optional } from './model-wire.ts'
import { PendingMessages } from './pending-messages.ts'
import type { Asked, Heard, SocketDialect } from './socket-dialect.ts'

/** Functions whose results are waited for. */
const maxOutstanding = 128
/** UTF-16 units of what was heard that are kept for one prompt. */
const maxHeardLength = 1_048_576
/** Kinds of media that one speaker sends at a time. */
const maxMediaKinds = 8

export function createLiveDialect(target: CallTarget): SocketDialect {
  const prompt = createPrompt()
  let isUnderWay = false
  /** Turns that were asked for and have not begun. */
  let waiting = 0
  /** Functions that the turn asked for, by id, until their results have been sent. */
  const outstanding = new Set<string>()

  const ask = (endsOpen: boolean): Asked => {
    waiting += 1
    if (endsOpen) isUnderWay = false
    return { ...prompt.call(), endsOpen }
  }
  const hear = (message: JsonRecord): Heard['phase'] | undefined => {
    const content = serverContentIn(message) ?? {}
    const isEnd = fieldOf(content, 'turnComplete') === true
    if (isUnderWay) {
      isUnderWay = !isEnd
      return isEnd ? 'ends' : 'goes-on'
    }
    const isCounted = isRecord(fieldOf(message, 'usageMetadata'))
    const begins = saysSomething(message, content) || (isEnd && (waiting > 0 || isCounted))
    if (!begins) return undefined
    waiting = Math.max(0, waiting - 1)
    isUnderWay = !isEnd
    return isEnd ? 'is-whole' : 'begins'
  }

  return {
    stream: geminiLive,
    readsBinary: true,
    sent(message) {
      prompt.take(message)
      const content = fieldOf(message, 'clientContent')
      if (isRecord(content)) {
        return fieldOf(content, 'turnComplete') === true ? ask(false) : undefined
      }
      const results = functionResponsesIn(message)
      if (results.length === 0) return undefined
      for (const { id } of results) outstanding.delete(textOf(id) ?? '')
      // The others may still be running; where the model goes on without them, it says so.
      return outstanding.size === 0 ? ask(true) : undefined
    },
    heard(message) {
      prompt.hear(message)
      for (const { id } of recordsOf(fieldOf(toolCallIn(message) ?? {}, 'functionCalls'))) {
        if (typeof id === 'string' && outstanding.size < maxOutstanding) outstanding.add(id)
      }
      const cancelled = recordOf(fieldOf(message, 'toolCallCancellation'))
      for (const id of listOf(cancelled['ids'])) outstanding.delete(textOf(id) ?? '')
      const phase = hear(message)
      return phase === undefined ? undefined : { lane: '', phase }
    },
    unasked: () => prompt.call(),
    unanswered: () => (prompt.isSetUp() ? undefined : prompt.call()),
    readAnswer: (body) => readLiveAnswer(body, target),
  }
}

/** Whether a message of the server holds more than what was heard, or the state of the session. */
function saysSomething(message: JsonRecord, content: JsonRecord): boolean {
  return (
    toolCallIn(message) !== undefined ||
    ['modelTurn', 'outputTranscription'].some((name) => isRecord(fieldOf(content, name))) ||
    fieldOf(content, 'generationComplete') === true
  )
}

function functionResponsesIn(message: JsonRecord): JsonRecord[] {
  return recordsOf(fieldOf(recordOf(fieldOf(message, 'toolResponse')), 'functionResponses'))
}

interface Prompt {
  /** Takes a message of the client. */
  take(message: JsonRecord): void
  /** Takes a message of the server: what it has heard is part of the prompt. */
  hear(message: JsonRecord): void
  /** Whether the server has accepted the session. */
  isSetUp(): boolean
  /** A turn with all that waits. */
  call(): Asked
}

function createPrompt(): Prompt {
  let setup: JsonRecord = {}
  let isAccepted = false
  const pending = new PendingMessages()
  const live = createLiveInput()

  return {
    take(message) {
      if (isRecord(message['setup'])) ({ setup } = message as { setup: JsonRecord })
      const content = fieldOf(message, 'clientContent')
      if (isRecord(content)) {
        for (const said of geminiMessages({ contents: content['turns'] ?? [] })) pending.add(said)
      }
      const parts = functionResponsesIn(message).flatMap((functionResponse) =>
        contentParts({ parts: [{ functionResponse }] }),
      )
      pending.add({ role: 'user', parts })
      const input = fieldOf(message, 'realtimeInput')
      if (isRecord(input)) live.take(input)
    },
    hear(message) {
      isAccepted ||= fieldOf(message, 'setupComplete') !== undefined
      const heard = fieldOf(serverContentIn(message) ?? {}, 'inputTranscription')
      if (isRecord(heard)) live.hear(heard['text'])
    },
    isSetUp: () => isAccepted || Object.keys(setup).length === 0,
    call() {
      pending.add({ role: 'user', parts: live.parts() })
      const system = contentParts(fieldOf(setup, 'systemInstruction'))
      const reading: CallReading = {
        ...optional('model', modelOf(setup)),
        streaming: true,
        messages: [
          ...(system.length === 0 ? [] : [{ role: 'system', parts: system }]),
          ...pending.take(),
        ],
        tools: recordsOf(setup['tools']).flatMap(toolsIn),
      }
      return { operation: 'live', reading, lane: '' }
    },
  }
}

/** `models/{model}`, or a whole resource name of Vertex AI. */
function modelOf(setup: JsonRecord): string | undefined {
  return textOf(setup['model'])?.replace(/^(?:.*\/)?(?:models|endpoints|tunedModels)\//u, '')
}

interface LiveInput {
  take(input: JsonRecord): void
  hear(text: Json | undefined): void
  /** What has come since the last time: sound and pictures by their size, then words. */
  parts(): Part[]
}

function createLiveInput(): LiveInput {
  const mediaBytes = new Map<string, number>()
  let words = ''

  const addMedia = (blob: Json | undefined): void => {
    if (!isRecord(blob)) return
    const kind = (textOf(fieldOf(blob, 'mimeType')) ?? 'application/octet-stream').slice(0, 100)
    if (!mediaBytes.has(kind) && mediaBytes.size >= maxMediaKinds) return
    const bytes = Buffer.byteLength(textOf(blob['data']) ?? '', 'base64')
    mediaBytes.set(kind, (mediaBytes.get(kind) ?? 0) + bytes)
  }
  const addWords = (text: Json | undefined): void => {
    if (typeof text === 'string' && words.length + text.length <= maxHeardLength) words += text
  }

  return {
    take(input) {
      for (const name of ['audio', 'video']) addMedia(input[name])
      for (const blob of recordsOf(fieldOf(input, 'mediaChunks'))) addMedia(blob)
      addWords(input['text'])
    },
    hear: addWords,
    parts() {
      const parts: Part[] = [...mediaBytes].map(([mediaType, bytes]) => ({
        type: 'media',
        mediaType,
        bytes,
      }))
      if (words !== '') parts.push({ type: 'text', text: words })
      mediaBytes.clear()
      words = ''
      return parts
    },
  }
}
