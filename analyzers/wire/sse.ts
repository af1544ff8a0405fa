/**
 * Server-sent events (WHATWG HTML §9.2) from bytes: eventsource-parser fed by an incremental UTF-8
 * decoder. One difference to the standard, shared with the providers' own SDKs: an event that the
 * stream's end cut off is not dropped but given out, flagged `unterminated`. Never throws.
 */
import type { EventSourceParser } from 'eventsource-parser'
import { createParser } from 'eventsource-parser'

import { sseEventLength } from './bounds.ts'
import type { EventReader, StreamEvent } from './stream-events.ts'

/** `eventLength`: UTF-16 units that one event may hold. */
export function createSseReader(eventLength: number = sseEventLength): EventReader {
  return new SseReader(eventLength)
}

type OnEvent = (event: StreamEvent) => void

class SseReader implements EventReader {
  // The byte-order mark is left to the parser, so that exactly one is removed.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #parser: EventSourceParser
  #hasOverflowed = false
  #isEnding = false
  /** The decoder may hold the beginning of a character. */
  #isWithin = false
  #receive: OnEvent = () => undefined

  constructor(maxBufferSize: number) {
    this.#parser = createParser({
      maxBufferSize,
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#hasOverflowed = true
      },
      onEvent: ({ event, id, data }) => {
        this.#receive(eventOf(event, id, data, this.#isEnding))
      },
    })
  }

  get problem(): string | undefined {
    return this.#hasOverflowed ? 'an event is longer than the limit' : undefined
  }

  push(bytes: Uint8Array, onEvent: OnEvent): void {
    this.#isWithin = true
    this.#feed(this.#decoder.decode(bytes, { stream: true }), onEvent)
  }

  pushText(text: string, onEvent: OnEvent): void {
    // Whole characters do not go on with one that was begun before them: that one stays damaged.
    this.#feed(this.#isWithin ? this.#decoder.decode() + text : text, onEvent)
    this.#isWithin = false
  }

  end(onEvent: OnEvent): void {
    this.#feed(this.#decoder.decode(), onEvent)
    this.#isEnding = true
    // The first newline may be swallowed as the second half of CRLF.
    this.#feed('\n\n\n', onEvent)
  }

  #feed(text: string, onEvent: OnEvent): void {
    if (this.#hasOverflowed || text === '') return
    this.#receive = onEvent
    this.#parser.feed(text)
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
