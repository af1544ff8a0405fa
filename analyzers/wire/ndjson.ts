/**
 * Newline-delimited JSON (`application/x-ndjson`, Cohere's `application/stream+json`): one event a
 * line, blank lines left out. The lines are not parsed here. A last line without its newline is
 * given out, flagged `unterminated`: writers may leave it out, and a cut looks the same. Never
 * throws.
 */
import { sseEventLength } from './bounds.ts'
import type { EventReader, StreamEvent } from './stream-events.ts'

/** `lineLength`: UTF-16 units that one line may hold. */
export function createNdjsonReader(lineLength: number = sseEventLength): EventReader {
  const decoder = new TextDecoder()
  let line = ''
  let hasOverflowed = false

  function feed(text: string, onEvent: (event: StreamEvent) => void): void {
    let at = 0
    while (!hasOverflowed && at < text.length) {
      const found = text.indexOf('\n', at)
      const end = found === -1 ? text.length : found
      hasOverflowed = line.length + end - at > lineLength
      line = hasOverflowed ? '' : line + text.slice(at, end)
      at = end + 1
      if (hasOverflowed || found === -1) return
      giveOut(onEvent, {})
    }
  }

  function giveOut(onEvent: (event: StreamEvent) => void, flags: Partial<StreamEvent>): void {
    const data = line.trim()
    line = ''
    if (data !== '') onEvent({ data, ...flags })
  }

  return {
    push(bytes, onEvent) {
      feed(decoder.decode(bytes, { stream: true }), onEvent)
    },
    end(onEvent) {
      feed(decoder.decode(), onEvent)
      giveOut(onEvent, { unterminated: true })
    },
    get problem() {
      return hasOverflowed ? 'a line is longer than the limit' : undefined
    },
  }
}
