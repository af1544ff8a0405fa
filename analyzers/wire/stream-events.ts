/**
 * The events of a streamed answer, whatever frames them: server-sent events, a vendor's binary
 * frames, JSON lines, the elements of a JSON array. Each framing is one reader; which one a body has
 * follows from its media type and, where that says nothing, from its first bytes.
 */
import { createLinesSniffer, sniffedLineLength } from './ndjson-sniffer.ts'

/** How a stream sets its events apart. */
export type Framing = 'sse' | 'eventstream' | 'ndjson' | 'json-array'

/** One event: its data as text, which all formats but `[DONE]` and the like hold JSON in. */
export interface StreamEvent {
  readonly event?: string
  readonly id?: string
  readonly data: string
  /** The stream ended within it. */
  readonly unterminated?: boolean
}

/** From bytes to events as they arrive. Never throws; what it cannot read is its `problem`. */
export interface EventReader {
  push(bytes: Uint8Array, onEvent: (event: StreamEvent) => void): void
  /** As `push` with these characters in UTF-8; only of readers of text. */
  pushText?(text: string, onEvent: (event: StreamEvent) => void): void
  /** Gives out an event that the end cut off, if there is one. */
  end(onEvent: (event: StreamEvent) => void): void
  /** Why reading stopped before the end: a bound was passed, or the frames are damaged. */
  readonly problem: string | undefined
}

/** Finds out a body's framing: `none` for a body that is no stream. */
export interface FramingSniffer {
  /** `undefined` until enough bytes have come. */
  push(bytes: Uint8Array): Framing | 'none' | undefined
}

const framingByType: ReadonlyMap<string, Framing> = new Map([
  ['text/event-stream', 'sse'],
  ['application/vnd.amazon.eventstream', 'eventstream'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/stream+json', 'ndjson'],
])

/** Some services name lines of JSON so. */
const lineTypes = new Set<string | undefined>(['application/json'])

const vagueTypes = new Set([undefined, 'text/plain', 'application/octet-stream'])

/** `inArrays`: the answers of this path may be arrays of events, which are plain JSON by their type. */
export function createFramingSniffer(
  mediaType: string | undefined,
  inArrays: boolean = false,
): FramingSniffer {
  let verdict: Framing | 'none' | undefined = framingByType.get(mediaType ?? '')
  let head = ''
  const isJson = inArrays && mediaType === 'application/json'
  if (!isJson && lineTypes.has(mediaType)) return createLinesFraming()
  if (!isJson && !vagueTypes.has(mediaType)) verdict ??= 'none'

  function sniff(): Framing | 'none' | undefined {
    if (isJson) return sniffArray(head)
    const text = head.startsWith(byteOrderMark) ? head.slice(byteOrderMark.length) : head
    if (/^(?:data:|event:|:[ \r\n])/u.test(text)) return 'sse'
    return head.length < sniffedBytes ? undefined : 'none'
  }

  return {
    push(bytes) {
      if (verdict !== undefined) return verdict
      head += Buffer.from(bytes.subarray(0, sniffedBytes)).toString('latin1')
      verdict = sniff()
      return verdict
    },
  }
}

function createLinesFraming(): FramingSniffer {
  const sniffer = createLinesSniffer()
  let verdict: Framing | 'none' | undefined

  return {
    push(bytes) {
      if (verdict !== undefined) return verdict
      const head = bytes.subarray(0, sniffedLineLength + 1)
      const areLines = sniffer.push(Buffer.from(head).toString('latin1'))
      if (areLines !== undefined) verdict = areLines ? 'ndjson' : 'none'
      return verdict
    },
  }
}

function sniffArray(head: string): Framing | 'none' | undefined {
  const first = /[^ \t\r\n]/u.exec(head)?.[0]
  if (first !== undefined) return first === '[' ? 'json-array' : 'none'
  return head.length < sniffedBytes ? undefined : 'none'
}

/** U+FEFF in UTF-8, each byte as one character. */
const byteOrderMark = '\u00ef\u00bb\u00bf'
/** The longest opening, `event:`, after a byte-order mark. */
const sniffedBytes = 9
