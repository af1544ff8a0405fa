/**
 * Events of an AWS event stream, as Bedrock's runtime sends them. `event` is the `:event-type`,
 * `data` the payload's JSON text. Two kinds of frames are unwrapped, so that every wire format finds
 * what it knows: a `chunk` holds the model's own event as base64 in `bytes`, and `data` is then that
 * inner JSON; an exception has its type in a header, and `data` is then
 * `{"error": {"type", "message", …}}` with `event` naming the exception.
 */
import type { EventstreamFrame } from './eventstream.ts'
import { createFrameDecoder } from './eventstream.ts'
import type { JsonDraft, JsonRecord } from './json.ts'
import { draftOf, parseRecord, textOf } from './json.ts'
import type { EventReader, StreamEvent } from './stream-events.ts'

/** Never throws. */
export function createEventstreamReader(): EventReader {
  const decoder = createFrameDecoder()
  let unreadable: string | undefined

  return {
    push(bytes, onEvent) {
      decoder.push(bytes, (frame) => {
        const event = readEvent(frame)
        if (event === undefined) unreadable ??= 'the payload of a frame is not text'
        else onEvent(event)
      })
    },
    end() {
      decoder.end()
    },
    get problem() {
      return decoder.problem ?? unreadable
    },
  }
}

function readEvent({ headers, payload }: EventstreamFrame): StreamEvent | undefined {
  const text = readText(payload)
  if (text === undefined) return undefined
  const kind = headers.get(':message-type')
  if (kind === 'exception' || kind === 'error') return failureOf(headers, text)
  const type = headers.get(':event-type')
  const data = innerEvent(text)
  if (data === undefined) return undefined
  return { ...(type === undefined ? {} : { event: type }), data }
}

/** The model's own event, where the payload wraps one; else the payload. */
function innerEvent(text: string): string | undefined {
  const payload = parseRecord(text)
  const bytes = textOf(payload?.['bytes'])
  return bytes === undefined ? text : readText(Buffer.from(bytes, 'base64'))
}

/** Exceptions are modelled by the service; errors are of the transport, and have no payload. */
function failureOf(headers: ReadonlyMap<string, string>, text: string): StreamEvent {
  const type = headers.get(':exception-type') ?? headers.get(':error-code') ?? 'error'
  const payload: JsonRecord = parseRecord(text) ?? {}
  const error: JsonDraft = draftOf(payload)
  error['type'] = type
  error['message'] =
    textOf(payload['message']) ??
    textOf(payload['Message']) ??
    headers.get(':error-message') ??
    text
  return { event: type, data: JSON.stringify({ error }) }
}

function readText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // Not UTF-8: a replacement character would be content that nobody sent.
    return undefined
  }
}
