/**
 * Turns the bytes of a relayed WebSocket into `websocket-message`s. It sees bytes after they were
 * written and only queues them; frames are read when their turn in the pipeline comes. What it
 * cannot read on (a broken frame, a bound, bytes lost to a full queue) it tells once for that
 * direction and then leaves alone: the relay knows nothing of it.
 */
import { isUtf8 } from 'node:buffer'

import { describeError } from '../base/errors.ts'
import { encodeBytes } from '../messages/codec.ts'
import { headerValues } from '../messages/header-values.ts'
import type { AnalysisMsgDraft, HeaderPairs, MsgOf } from '../messages/schema.ts'
import type { UnreadBytes } from '../pipeline/pipeline.ts'
import { readNegotiated } from './websocket-extensions.ts'
import type { Compression } from './websocket-extensions.ts'
import { FrameReader } from './websocket-frames.ts'
import type { WireMessage } from './websocket-frames.ts'
import { MessageInflater } from './websocket-inflater.ts'

export type Direction = 'request' | 'response'

/** Where messages go: those of one exchange. */
export interface ObserverOutlet {
  emit(draft: AnalysisMsgDraft): void
  /** False where the bytes were dropped. */
  publishUnread(unread: UnreadBytes): boolean
}

/** One message, as sent and inflated, in bytes: as much as is kept of an HTTP body. */
export const maxMessageBytes = 16 * 1024 * 1024
/** What a compressed message may expand to before it is given up, in bytes: as for an HTTP body. */
const maxSkippedBytes = 64 * 1024 * 1024
/** Inflated for nothing in one direction, in bytes: about a second of work. */
const maxWastedBytes = 512 * 1024 * 1024

type Drafts = Generator<AnalysisMsgDraft, void, undefined>

export class WebSocketObserver {
  readonly #outlet: ObserverOutlet
  readonly #sides: Readonly<Record<Direction, Side>> | undefined

  /** `head` is that of the 101. */
  constructor(head: HeaderPairs, outlet: ObserverOutlet, maxBytes = maxMessageBytes) {
    this.#outlet = outlet
    const negotiated = readNegotiated(head)
    const isWebSocket = headerValues(head, 'upgrade').some(
      (name) => name.toLowerCase() === 'websocket',
    )
    if (negotiated.ok && isWebSocket) {
      this.#sides = {
        request: new Side('request', negotiated.compression, maxBytes),
        response: new Side('response', negotiated.compression, maxBytes),
      }
      return
    }
    const problem = negotiated.ok ? 'it is another protocol' : negotiated.problem
    outlet.emit(failed(`what follows the upgrade cannot be read: ${problem}`))
  }

  /** Bytes that were relayed. Never waits, never throws, never changes them. */
  saw(direction: Direction, chunk: Buffer): void {
    const side = this.#sides?.[direction]
    if (side === undefined || side.isShut) return
    const wasTaken = this.#outlet.publishUnread({
      bytes: chunk.byteLength,
      read: () => side.read(chunk),
    })
    if (wasTaken) return
    // What waits in the queue is still read; what follows the gap is not.
    side.isShut = true
    this.#outlet.emit(unreadable(direction, 'bytes were dropped from the full queue'))
  }

  /** No more bytes will come, either way. */
  ended(): void {
    for (const side of Object.values(this.#sides ?? {})) {
      if (!side.isShut) this.#outlet.publishUnread({ bytes: 0, read: () => side.end() })
    }
  }
}

/** What one peer sends. */
class Side {
  readonly #direction: Direction
  readonly #frames: FrameReader
  readonly #inflater: MessageInflater
  /** Takes no more bytes. */
  isShut = false
  #isOver = false

  constructor(direction: Direction, compression: Compression | undefined, maxBytes: number) {
    this.#direction = direction
    this.#frames = new FrameReader({
      isMasked: direction === 'request',
      allowsCompression: compression !== undefined,
      maxBytes,
    })
    this.#inflater = new MessageInflater({
      keepsContext: compression?.keepsContext[direction] ?? false,
      maxBytes,
      maxSkippedBytes: Math.max(maxSkippedBytes, maxBytes),
      maxWastedBytes,
    })
  }

  *read(chunk: Buffer): Drafts {
    try {
      yield* this.#messages(chunk)
    } catch (error) {
      // No memory for a large message, say: that must not end the pipeline's turn.
      yield this.#stop(describeError(error))
    }
  }

  *end(): Drafts {
    const broken = this.#frames.end()
    if (broken !== undefined) yield this.#message(broken, undefined)
  }

  *#messages(chunk: Buffer): Drafts {
    if (this.#isOver) return
    for (const event of this.#frames.read(chunk)) {
      if (event.type === 'problem') {
        yield this.#stop(event.problem)
        return
      }
      const { message } = event
      if (!message.isCompressed) {
        yield this.#message(message, message.payload)
        continue
      }
      const inflated = this.#inflater.inflate(message.payload)
      if (inflated.ok) yield this.#message(message, inflated.bytes)
      else if (inflated.isTooLarge) yield this.#message(message, undefined)
      if (!inflated.ok && inflated.problem !== undefined) {
        yield this.#stop(inflated.problem)
        return
      }
    }
  }

  #message({ opcode, bytes }: WireMessage, payload: Buffer | undefined): AnalysisMsgDraft {
    const about = { kind: 'websocket-message', direction: this.#direction, opcode, bytes } as const
    return payload === undefined
      ? { ...about, truncated: true }
      : { ...about, ...contentOf(opcode, payload) }
  }

  #stop(problem: string): AnalysisMsgDraft {
    this.isShut = true
    this.#isOver = true
    return unreadable(this.#direction, problem)
  }
}

type Content = Pick<MsgOf<'websocket-message'>, 'text' | 'base64' | 'closeCode' | 'closeReason'>

function contentOf(opcode: number, payload: Buffer): Content {
  if (opcode === 2) return { base64: payload.toString('base64') }
  if (opcode !== 8) return encodeBytes(payload)
  const base64 = payload.toString('base64')
  // RFC 6455 §7.1.5: a close may come without a code.
  if (payload.length < 2) return { base64 }
  const reason = payload.subarray(2)
  return {
    base64,
    closeCode: payload.readUInt16BE(0),
    ...(isUtf8(reason) ? { closeReason: reason.toString('utf8') } : {}),
  }
}

function unreadable(direction: Direction, problem: string): AnalysisMsgDraft {
  const who = direction === 'request' ? 'client' : 'upstream'
  return failed(`what the ${who} sends cannot be read on: ${problem}`)
}

function failed(error: string): AnalysisMsgDraft {
  return { kind: 'analyzer-failed', analyzer: 'websocket', error }
}
