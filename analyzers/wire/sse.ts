/**
 * Server-sent events (WHATWG HTML §9.2) from bytes: eventsource-parser fed by an incremental UTF-8
 * decoder. One difference to the standard, shared with the providers' own SDKs: an event that the
 * stream's end cut off is not dropped but given out, flagged `unterminated`. Never throws.
 */
import { createParser } from 'eventsource-parser'

import { sseEventLength } from './bounds.ts'

export interface SseEvent {
  readonly event?: string
  readonly id?: string
  readonly data: string
  readonly unterminated?: boolean
}

export interface SseReader {
  push(bytes: Uint8Array, onEvent: (event: SseEvent) => void): void
  /** Gives out an event that the end cut off, if there is one. */
  end(onEvent: (event: SseEvent) => void): void
  /** An event passed the bound: reading stopped there. */
  readonly hasOverflowed: boolean
}

/** `eventLength`: UTF-16 units that one event may hold. */
export function createSseReader(eventLength: number = sseEventLength): SseReader {
  // The byte-order mark is left to the parser, so that exactly one is removed.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let hasOverflowed = false
  let isEnding = false
  let receive: (event: SseEvent) => void = () => undefined
  const parser = createParser({
    maxBufferSize: eventLength,
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') hasOverflowed = true
    },
    onEvent({ event, id, data }) {
      receive({
        ...(event === undefined ? {} : { event }),
        ...(id === undefined ? {} : { id }),
        data,
        ...(isEnding ? { unterminated: true } : {}),
      })
    },
  })

  function feed(text: string, onEvent: (event: SseEvent) => void): void {
    if (hasOverflowed || text === '') return
    receive = onEvent
    parser.feed(text)
  }

  return {
    push(bytes, onEvent) {
      feed(decoder.decode(bytes, { stream: true }), onEvent)
    },
    end(onEvent) {
      feed(decoder.decode(), onEvent)
      isEnding = true
      // The first newline may be swallowed as the second half of CRLF.
      feed('\n\n\n', onEvent)
    },
    get hasOverflowed() {
      return hasOverflowed
    },
  }
}

/** Whether a body is an event stream, from its type and, where that says nothing, its first bytes. */
export interface StreamSniffer {
  /** `undefined` until enough bytes have come. */
  push(bytes: Uint8Array): boolean | undefined
  /** The verdict on a body that ended. */
  end(): boolean
}

const vagueTypes = new Set([undefined, 'text/plain', 'application/octet-stream'])

export function createStreamSniffer(mediaType: string | undefined): StreamSniffer {
  let verdict: boolean | undefined
  let head = ''
  if (mediaType === 'text/event-stream') verdict = true
  else if (!vagueTypes.has(mediaType)) verdict = false

  function sniff(): boolean | undefined {
    const text = head.startsWith(byteOrderMark) ? head.slice(byteOrderMark.length) : head
    if (/^(?:data:|event:|:[ \r\n])/u.test(text)) return true
    return head.length < sniffedBytes ? undefined : false
  }

  return {
    push(bytes) {
      if (verdict !== undefined) return verdict
      head += Buffer.from(bytes.subarray(0, sniffedBytes)).toString('latin1')
      verdict = sniff()
      return verdict
    },
    end: () => verdict ?? false,
  }
}

/** U+FEFF in UTF-8, each byte as one character. */
const byteOrderMark = '\u00ef\u00bb\u00bf'
/** The longest opening, `event:`, after a byte-order mark. */
const sniffedBytes = 9
