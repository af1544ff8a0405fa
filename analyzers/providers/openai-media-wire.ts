/**
 * Images, audio and moderations, read into parts. Pictures and sound are told by type, size and
 * dimensions, never by content; requests may be forms, answers may be bytes or plain text.
 */
import type { Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import type { CallReading, ModelWire } from './model-wire.ts'
import { mediaFromBase64, mediaFromUrl, optional } from './model-wire.ts'
import { openaiSpeech, openaiTranscript } from './openai-audio.ts'
import { contentParts } from './openai-chat-wire.ts'
import { openaiImages } from './openai-images.ts'
import { readMediaUsage } from './openai-usage.ts'

export const openaiImagesWire: ModelWire = {
  operation: 'images',
  stream: openaiImages,
  isCall: (body) => ['prompt', 'image', 'model'].some((key) => body[key] !== undefined),
  readCall: (body) =>
    callOf(body, [
      ...contentParts(body['prompt']),
      ...itemsOf(body['image'] ?? body['images']).map((image) => filePart(image, 'image/*')),
      ...itemsOf(body['mask']).map((image) => filePart(image, 'image/*')),
    ]),
  readAnswer(body) {
    const format = textOf(body['output_format'])
    const mediaType = format === undefined ? 'image/*' : `image/${format}`
    return {
      output: recordsOf(body['data']).flatMap((image) => imageParts(image, mediaType)),
      toolCalls: [],
      ...optional('usage', readMediaUsage(body)),
    }
  },
}

function imageParts(image: JsonRecord, mediaType: string): Part[] {
  const revised = textOf(image['revised_prompt'])
  const address = textOf(image['url'])
  return [
    mediaFromBase64(image['b64_json'], mediaType),
    ...(address === undefined ? [] : [other('url', address)]),
    ...(revised === undefined ? [] : [other('revised prompt', revised)]),
  ]
}

export const openaiSpeechWire: ModelWire = {
  operation: 'speech',
  stream: openaiSpeech,
  isCall: (body) => typeof body['input'] === 'string',
  readCall(body) {
    const call = callOf(body, contentParts(body['input']))
    const manner = contentParts(body['instructions'])
    return {
      ...call,
      streaming: body['stream_format'] === 'sse',
      messages: [
        ...(manner.length === 0 ? [] : [{ role: 'system', parts: manner }]),
        ...call.messages,
      ],
    }
  },
  readAnswer(body) {
    const audio = recordOf(body['audio'])
    return {
      output: isRecord(body['audio']) ? [mediaPart(audio, 'audio/*')] : [],
      toolCalls: [],
      ...optional('usage', readMediaUsage(body)),
    }
  },
  bodyOf({ media, base64, bytes, mediaType }) {
    if (media !== undefined) {
      return {
        audio: { media_type: media.mediaType, bytes, ...optional('durationMs', media.durationMs) },
      }
    }
    // Raw samples have no head to know them by.
    return base64 === undefined ? undefined : { audio: { media_type: mediaType ?? '', bytes } }
  },
}

/** Transcriptions and translations. */
function transcriptWire(operation: string): ModelWire {
  return {
    operation,
    stream: openaiTranscript,
    isCall: (body) => body['file'] !== undefined,
    readCall: (body) =>
      callOf(body, [
        ...itemsOf(body['file']).map((file) => filePart(file, 'audio/*')),
        ...contentParts(body['prompt']),
      ]),
    readAnswer(body) {
      const text = textOf(body['text'])
      return {
        output: text === undefined ? [] : [{ type: 'text', text }],
        toolCalls: [],
        ...optional('usage', readMediaUsage(body)),
      }
    },
    /** Subtitles and plain text. */
    bodyOf: ({ text }) => (text === undefined ? undefined : { text }),
  }
}

export const openaiTranscriptionWire: ModelWire = transcriptWire('transcription')
export const openaiTranslationWire: ModelWire = transcriptWire('translation')

export const openaiModerationsWire: ModelWire = {
  operation: 'moderations',
  isCall: (body) => body['input'] !== undefined,
  readCall: (body) => callOf(body, contentParts(body['input'])),
  readAnswer(body) {
    const results = recordsOf(body['results'])
    return {
      ...optional('model', textOf(body['model'])),
      output: results.map((result) => other('moderation', verdictOf(result))),
      toolCalls: [],
      ...optional(
        'finishReason',
        results.length === 0
          ? undefined
          : results.some(({ flagged }) => flagged === true)
            ? 'flagged'
            : 'passed',
      ),
      ...optional('responseId', textOf(body['id'])),
    }
  },
}

function verdictOf(result: JsonRecord): string {
  if (result['flagged'] !== true) return 'not flagged'
  const names = Object.entries(recordOf(result['categories']))
  return `flagged: ${names.flatMap(([name, is]) => (is === true ? [name] : [])).join(', ')}`
}

function callOf(body: JsonRecord, parts: readonly Part[]): CallReading {
  const messages: ModelMessage[] = parts.length === 0 ? [] : [{ role: 'user', parts }]
  return {
    ...optional('model', textOf(body['model'])),
    streaming: body['stream'] === true || body['stream'] === 'true',
    messages,
    tools: [],
  }
}

/** A file of a form, the address of one, or its content. */
function filePart(value: Json, fallback: string): Part {
  if (!isRecord(value)) return mediaFromUrl(value, fallback)
  const isSent = value['filename'] !== undefined || value['bytes'] !== undefined
  if (isSent) return mediaPart(value, fallback)
  return mediaFromUrl(value['image_url'] ?? value['url'], fallback)
}

function mediaPart(value: JsonRecord, fallback: string): Part {
  return {
    type: 'media',
    mediaType: textOf(value['mediaType'] ?? value['media_type']) ?? fallback,
    ...optional('bytes', countOf(value['bytes'])),
    ...optional('width', countOf(value['width'])),
    ...optional('height', countOf(value['height'])),
    ...optional('durationMs', countOf(value['durationMs'])),
  }
}

function itemsOf(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? listOf(value) : [value]
}

function other(name: string, text: string): Part {
  return { type: 'other', name, text }
}
