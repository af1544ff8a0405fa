/**
 * Server-sent events (WHATWG HTML §9.2) from bytes: eventsource-parser fed by an incremental UTF-8
 * decoder. One difference to the standard, shared with the providers' own SDKs: an event that the
 * stream's end cut off is not dropped but given out, flagged `unterminated`. Never throws.
 */
import { createParser } from 'eventsource-parser'

import { sseEventLength } from './bounds.ts'
import type { EventReader, StreamEvent } from './stream-events.ts'

/** `eventLength`: UTF-16 units that one event may hold. */
export function createSseReader(eventLength: number = sseEventLength): EventReader {
  // The byte-order mark is left to the parser, so that exactly one is removed.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let hasOverflowed = false
  let isEnding = false
  /** The decoder may hold the beginning of a character. */
  let isWithin = false
  let receive: (event: StreamEvent) => void = () => undefined
  const parser = createParser({
    maxBufferSize: eventLength,
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') hasOverflowed = true
    },
    onEvent({ event, id, data }) {
      receive(eventOf(event, id, data, isEnding))
    },
  })

  function feed(text: string, onEvent: (event: StreamEvent) => void): void {
    if (hasOverflowed || text === '') return
    receive = onEvent
    parser.feed(text)
  }

  return {
    push(bytes, onEvent) {
      isWithin = true
      feed(decoder.decode(bytes, { stream: true }), onEvent)
    },
    pushText(text, onEvent) {
      // Whole characters do not go on with one that was begun before them: that one stays damaged.
      feed(isWithin ? decoder.decode() + text : text, onEvent)
      isWithin = false
    },
    end(onEvent) {
      feed(decoder.decode(), onEvent)
      isEnding = true
      // The first newline may be swallowed as the second half of CRLF.
      feed('\n\n\n', onEvent)
    },
    get problem() {
      return hasOverflowed ? 'an event is longer than the limit' : undefined
    },
  }
}

/** Spelled out: there are hundreds in one answer, and most have nothing but data. */
function eventOf(
  event: string | undefined,
  id: string | undefined,
  data: string,
  unterminated: boolean,
): StreamEvent {
  if (id !== undefined || unterminated) {
    return {
      ...(event === undefined ? {} : { event }),
      ...(id === undefined ? {} : { id }),
      data,
      ...(unterminated ? { unterminated } : {}),
    }
  }
  return event === undefined ? { data } : { event, data }
}
