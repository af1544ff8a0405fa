/**
 * Streamed audio: speech (`speech.audio.*`), whose sound is counted and measured but not kept, and
 * transcripts (`transcript.text.*`), whose final event holds the whole text.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft } from '../wire/json.ts'
import { appendAll, isRecord, listOf, parseRecord, recordsOf, textOf } from '../wire/json.ts'
import { mediaHeadBytes } from '../wire/media.ts'
import { mediaFromBase64 } from './model-wire.ts'
import type { StreamFormat, StreamMerger } from './stream-format.ts'
import { errorIn, errorText, isFilled, listAt } from './stream-format.ts'

export const openaiSpeech: StreamFormat = {
  name: 'openai-speech',
  createMerger: createSpeechMerger,
  matches: (data) => /^speech\.audio\.(?:delta|done)$/u.test(textOf(data['type']) ?? ''),
  carriesContent: (data) => isFilled(data['audio']),
}

export const openaiTranscript: StreamFormat = {
  name: 'openai-transcript',
  createMerger: createTranscriptMerger,
  matches: (data) => /^transcript\.text\.\w+$/u.test(textOf(data['type']) ?? ''),
  carriesContent: (data) => isFilled(data['delta']) || isFilled(data['text']),
}

/** The merged answer is `{ audio: { media_type, bytes }, usage }`: the plain one would be bytes. */
export function createSpeechMerger(): StreamMerger {
  let mediaType = 'audio/*'
  let bytes = 0
  let usage: Json | undefined
  let isDone = false
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      const audio = textOf(event['audio'])
      if (audio !== undefined) {
        const part = mediaFromBase64(audio, mediaType)
        if (part.type === 'media') {
          if (bytes === 0 && audio.length < mediaHeadBytes * 2) mediaType = part.mediaType
          bytes += part.bytes ?? 0
        }
      }
      if (event['type'] === 'speech.audio.done') {
        isDone = true
        if (isRecord(event['usage'])) usage = event['usage']
      }
      error ??= errorIn(event)
    },
    result: () => ({
      merged: {
        audio: { media_type: mediaType, bytes },
        ...(usage === undefined ? {} : { usage }),
        ...(error === undefined ? {} : { error }),
      },
      text: '',
      complete: isDone && error === undefined,
      ...(error === undefined ? {} : { problem: errorText(error) }),
    }),
  }
}

export function createTranscriptMerger(): StreamMerger {
  const answer: JsonDraft = { text: '' }
  let isDone = false
  let error: Json | undefined

  return {
    push(data) {
      const event = parseRecord(data)
      if (event === undefined) return
      switch (event['type']) {
        case 'transcript.text.delta':
          answer['text'] = `${textOf(answer['text']) ?? ''}${textOf(event['delta']) ?? ''}`
          if (Array.isArray(event['logprobs'])) {
            appendAll(listAt(answer, 'logprobs'), listOf(event['logprobs']))
          }
          break
        case 'transcript.text.segment': {
          const { type: _type, ...segment } = event
          listAt(answer, 'segments').push(segment)
          break
        }
        case 'transcript.text.done':
          isDone = true
          for (const key of ['text', 'usage', 'logprobs']) {
            if (event[key] !== undefined) answer[key] = event[key]
          }
          break
        default:
          error ??= errorIn(event)
      }
    },
    result() {
      const spoken = recordsOf(answer['segments']).map((segment) => textOf(segment['text']) ?? '')
      if (answer['text'] === '' && spoken.length > 0) answer['text'] = spoken.join(' ')
      if (error !== undefined) answer['error'] = error
      return {
        merged: answer,
        text: textOf(answer['text']) ?? '',
        complete: isDone && error === undefined,
        ...(error === undefined ? {} : { problem: errorText(error) }),
      }
    },
  }
}
