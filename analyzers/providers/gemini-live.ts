/**
 * Turns of the Live API (`BidiGenerateContent`), put together from the messages of the server into
 * the shape of a `generateContent` answer. Sound is not kept: its part says how many bytes came, as
 * `bytes`. Counts are those of the turn, not of the session, and the last ones stand. What the model
 * says aloud may be transcribed beside it, as `outputTranscription`.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  appendAll,
  assignOwn,
  countOf,
  draftOf,
  isRecord,
  listOf,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import { fieldOf, geminiWire } from './gemini-wire.ts'
import { gemini, mergePart } from './gemini.ts'
import type { AnswerReading, CallTarget } from './model-wire.ts'
import { toolCallsIn } from './model-wire.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { appendText, errorIn, errorText, isFilled, listAt, recordAt } from './stream-format.ts'

export const geminiLive: StreamFormat = {
  name: 'gemini-live',
  createMerger: createLiveMerger,
  matches: (data) => serverContentIn(data) !== undefined || toolCallIn(data) !== undefined,
  carriesContent(data) {
    const content = serverContentIn(data) ?? {}
    const modelTurn = fieldOf(content, 'modelTurn')
    return (
      toolCallIn(data) !== undefined ||
      isFilled(recordOf(fieldOf(content, 'outputTranscription'))['text']) ||
      (isRecord(modelTurn) && gemini.carriesContent({ candidates: [{ content: modelTurn }] }))
    )
  },
}

/** What the model says in a message of the server. */
export function serverContentIn(message: JsonRecord): JsonRecord | undefined {
  const content = fieldOf(message, 'serverContent')
  return isRecord(content) ? content : undefined
}

/** The functions that a message of the server asks for. */
export function toolCallIn(message: JsonRecord): JsonRecord | undefined {
  const call = fieldOf(message, 'toolCall')
  return isRecord(call) ? call : undefined
}

interface Turn {
  readonly content: JsonDraft
  readonly candidate: JsonDraft
  usage: JsonDraft | undefined
  isComplete: boolean
  /** The turn waits for the results of functions, or has been generated but not played. */
  isAllSaid: boolean
  error: Json | undefined
}

export function createLiveMerger(): StreamMerger {
  const turn: Turn = {
    content: { role: 'model', parts: [] },
    candidate: {},
    usage: undefined,
    isComplete: false,
    isAllSaid: false,
    error: undefined,
  }

  return {
    push(data) {
      const message = parseRecord(data)
      if (message === undefined) return
      turn.error ??= errorIn(message)
      const content = serverContentIn(message)
      if (content !== undefined) takeContent(turn, content)
      takeToolCalls(turn, message)
      const usage = fieldOf(message, 'usageMetadata')
      if (isRecord(usage)) turn.usage = draftOf(usage)
    },
    result() {
      const { candidate, content, usage, error } = turn
      const merged: JsonDraft = {
        candidates: [{ content, ...candidate }],
        ...(usage === undefined ? {} : { usageMetadata: usage }),
        ...(error === undefined ? {} : { error }),
      }
      return {
        merged,
        text: textOfTurn(turn),
        complete: (turn.isComplete || turn.isAllSaid) && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}

function takeContent(turn: Turn, content: JsonRecord): void {
  const { candidate } = turn
  const modelTurn = recordOf(fieldOf(content, 'modelTurn'))
  const parts = recordsOf(modelTurn['parts'])
  if (parts.length > 0) turn.isAllSaid = false
  for (const part of parts) addPart(listAt(turn.content, 'parts'), part)
  const spoken = fieldOf(content, 'outputTranscription')
  if (isRecord(spoken)) {
    appendText(recordAt(candidate, 'outputTranscription'), 'text', spoken['text'])
  }
  for (const name of ['groundingMetadata', 'urlContextMetadata']) {
    const found = fieldOf(content, name)
    if (isRecord(found)) candidate[name] = found
  }
  if (fieldOf(content, 'generationComplete') === true) turn.isAllSaid = true
  if (content['interrupted'] === true) candidate['finishReason'] = 'interrupted'
  if (fieldOf(content, 'turnComplete') !== true) return
  turn.isComplete = true
  const reason = textOf(fieldOf(content, 'turnCompleteReason'))
  if (reason !== undefined && !reason.endsWith('_UNSPECIFIED')) candidate['finishReason'] = reason
  candidate['finishReason'] ??= 'turnComplete'
}

function takeToolCalls(turn: Turn, message: JsonRecord): void {
  const calls = recordsOf(fieldOf(toolCallIn(message) ?? {}, 'functionCalls'))
  for (const functionCall of calls) listAt(turn.content, 'parts').push({ functionCall })
  if (calls.length > 0) {
    turn.isAllSaid = true
    turn.candidate['finishReason'] = 'toolCall'
  }
  const cancelled = recordOf(fieldOf(message, 'toolCallCancellation'))
  const ids = listOf(cancelled['ids'])
  if (ids.length > 0) {
    appendAll(listAt(recordAt(turn.candidate, 'toolCallCancellation'), 'ids'), ids)
  }
}

/** Sound comes in many pieces: those that follow each other are one part. */
function addPart(parts: Json[], part: JsonRecord): void {
  const blob = fieldOf(part, 'inlineData')
  if (!isRecord(blob)) {
    mergePart(parts, part)
    return
  }
  const mimeType = textOf(fieldOf(blob, 'mimeType')) ?? 'application/octet-stream'
  const bytes = Buffer.byteLength(textOf(blob['data']) ?? '', 'base64')
  const before = recordOf(recordOf(parts.at(-1))['inlineData'])
  const soFar = before['mimeType'] === mimeType ? countOf(before['bytes']) : undefined
  const made: JsonDraft = {}
  assignOwn(made, part, new Set(['inlineData', 'inline_data']))
  made['inlineData'] = { mimeType, bytes: (soFar ?? 0) + bytes }
  if (soFar === undefined) parts.push(made)
  else parts[parts.length - 1] = made
}

function textOfTurn({ content, candidate }: Turn): string {
  const written = recordsOf(content['parts']).map((part) =>
    part['thought'] === true ? '' : (textOf(part['text']) ?? ''),
  )
  return [...written, textOf(recordOf(candidate['outputTranscription'])['text']) ?? ''].join('')
}

/** Reads a merged turn. */
export function readLiveAnswer(body: JsonRecord, target: CallTarget): AnswerReading {
  const answer = geminiWire.readAnswer(body, target)
  const [candidate = {}] = recordsOf(body['candidates'])
  const spoken = textOf(recordOf(candidate['outputTranscription'])['text']) ?? ''
  if (spoken === '') return answer
  // What was said aloud stands before what it led to.
  const isCall = ({ type }: { readonly type: string }): boolean => type === 'tool-call'
  const output = [
    ...answer.output.filter((part) => !isCall(part)),
    { type: 'text' as const, text: spoken },
    ...answer.output.filter(isCall),
  ]
  return { ...answer, output, toolCalls: toolCallsIn(output) }
}
