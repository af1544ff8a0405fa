/**
 * Responses of the Realtime API, from their events (`response.created` to `response.done`). The
 * closing event holds the whole response and counts; without it, the output is rebuilt from the
 * item events. Sound is not kept: each part of it says how many bytes came, as `audio_bytes`.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import {
  draftOf,
  isRecord,
  listOf,
  parseRecord,
  recordOf,
  recordsOf,
  textOf,
} from '../wire/json.ts'
import type { OutputItems } from './openai-responses-items.ts'
import { applyItemEvent } from './openai-responses-items.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import {
  appendText,
  errorIn,
  errorText,
  indexOf,
  isFilled,
  listAt,
  slotAt,
} from './stream-format.ts'

export const openaiRealtime: StreamFormat = {
  name: 'openai-realtime',
  createMerger: createRealtimeMerger,
  matches: (data) => (textOf(data['type']) ?? '').startsWith('response.'),
  carriesContent(data) {
    const type = textOf(data['type']) ?? ''
    if (type.endsWith('.delta')) return isFilled(data['delta'])
    return type === 'response.output_item.added' && isFilled(recordOf(data['item'])['name'])
  },
}

/** The names of the first and of the present version. */
const spoken = /^response\.(?:output_)?audio_transcript\.(delta|done)$/u
const written = /^response\.text\.(delta|done)$/u
const sound = /^response\.(?:output_)?audio\.delta$/u

export function createRealtimeMerger(): StreamMerger {
  let response: JsonDraft = {}
  const items: OutputItems = new Map()
  const soundBytes = new Map<string, number>()
  let isDone = false
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      const type = textOf(event['type']) ?? ''
      if (type === 'response.created' || type === 'response.done') {
        response = draftOf(recordOf(event['response']))
        isDone ||= type === 'response.done'
      } else if (type === 'error') error ??= errorIn(event)
      else if (sound.test(type)) addSound(soundBytes, event)
      else if (!growPart(items, type, event)) applyItemEvent(items, type, event)
    },
    result() {
      if (listOf(response['output']).length === 0 && items.size > 0) {
        response['output'] = [...items].toSorted(([a], [b]) => a - b).map(([, item]) => item)
      }
      response['output'] = withSound(listOf(response['output']), soundBytes)
      const told = recordOf(response['status_details'])['error']
      const failure = error ?? (isRecord(told) ? told : undefined)
      if (failure !== undefined) response['error'] = failure
      return {
        merged: response,
        text: textOfOutput(response),
        complete: isDone && failure === undefined,
        ...(failure === undefined ? {} : { problem: errorText(failure) }),
      }
    },
  }
}

/** Events of parts that the Responses API does not have. */
function growPart(items: OutputItems, type: string, event: JsonRecord): boolean {
  const isSpoken = spoken.test(type)
  const step = (spoken.exec(type) ?? written.exec(type))?.[1]
  if (step === undefined) return false
  const at = indexOf(event['output_index'])
  const index = indexOf(event['content_index'])
  if (at === undefined || index === undefined) return true
  const item = items.get(at) ?? { type: 'message' }
  items.set(at, item)
  const field = isSpoken ? 'transcript' : 'text'
  const part = slotAt(listAt(item, 'content'), index, () => ({ type: isSpoken ? 'audio' : 'text' }))
  if (step === 'delta') appendText(part, field, event['delta'])
  else if (typeof event[field] === 'string') part[field] = event[field]
  return true
}

function addSound(soundBytes: Map<string, number>, event: JsonRecord): void {
  const item = indexOf(event['output_index'])
  const part = indexOf(event['content_index'])
  if (item === undefined || part === undefined) return
  const key = `${item}/${part}`
  if (!soundBytes.has(key) && soundBytes.size >= maxSounds) return
  const bytes = Buffer.byteLength(textOf(event['delta']) ?? '', 'base64')
  soundBytes.set(key, (soundBytes.get(key) ?? 0) + bytes)
}

const maxSounds = 1_024

function withSound(output: readonly Json[], soundBytes: ReadonlyMap<string, number>): Json[] {
  return output.map((item, at) => {
    if (!isRecord(item) || !Array.isArray(item['content'])) return item
    const content = listOf(item['content']).map((part, index) => {
      const bytes = soundBytes.get(`${at}/${index}`)
      return bytes === undefined || !isRecord(part)
        ? part
        : Object.assign(draftOf(part), { audio_bytes: bytes })
    })
    return Object.assign(draftOf(item), { content })
  })
}

function textOfOutput(response: JsonRecord): string {
  return recordsOf(response['output'])
    .flatMap((item) => recordsOf(item['content']))
    .map((part) => textOf(part['text']) ?? textOf(part['transcript']) ?? '')
    .join('')
}
