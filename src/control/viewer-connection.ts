/**
 * One attached viewer, as the server sees it: gets the snapshot, then what happens, at its own
 * pace. It never holds up the broadcaster: behind a slow one a bounded queue fills, and what does
 * not fit is dropped, counted and told in its place. Of what a viewer sends, requests are read
 * (`viewer-requests.ts`), and nothing else.
 */
import type { Socket } from 'node:net'

import { BoundedQueue } from '../base/bounded-queue.ts'
import { encodeLine } from '../messages/codec.ts'
import { messageVersion } from '../messages/message-kind.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { RequestReader, ViewerAnswer } from './viewer-requests.ts'

/** How long a closing viewer has to read the rest. */
const closeGraceMs = 1000
/** Bytes handed to the socket at once: enough to keep it busy. */
const chunkBytes = 256 * 1024
/** What a queued line costs beside its bytes. */
const lineOverheadBytes = 64

interface Dropped {
  readonly seq: number
  readonly at: number
  count: number
  bytes: number
}

interface ViewerOptions {
  /** Sent first: the greeting and the snapshot. */
  readonly first: readonly Buffer[]
  /** Bytes that may wait for this viewer, beside `first`. */
  readonly queueBytes: number
  readonly onGone: () => void
  /** What it asks for; without it, nothing that it sends is read. */
  readonly requests?: RequestReader | undefined
  /** A request of this viewer was answered so. */
  readonly onAnswer?: ((answer: ViewerAnswer) => void) | undefined
}

export class ViewerConnection {
  readonly #socket: Socket
  readonly #queue: BoundedQueue<Buffer>
  #first: readonly Buffer[]
  #sentOfFirst = 0
  #isBlocked = false
  #isPumpPlanned = false
  #isEnding = false
  #dropped: Dropped | undefined

  constructor(socket: Socket, options: ViewerOptions) {
    this.#socket = socket
    this.#first = options.first
    this.#queue = new BoundedQueue(options.queueBytes)
    socket.on('error', () => {
      // Reset by the viewer; `close` follows.
    })
    socket.once('close', options.onGone)
    socket.on('drain', () => {
      this.#isBlocked = false
      this.#pump()
    })
    // Unread bytes would hide the end of the connection: what is no request is thrown away.
    const { requests, onAnswer } = options
    if (requests === undefined) socket.resume()
    else {
      socket.on('data', (chunk: Buffer) => {
        for (const answer of requests.push(chunk)) {
          this.tell({ answer })
          onAnswer?.(answer)
        }
      })
    }
    this.#pump()
  }

  /** `line` is `msg` encoded, shared by all viewers. */
  send(msg: AnalysisMsg, line: Buffer): void {
    if (this.#socket.destroyed || this.#isEnding) return
    if (this.#dropped === undefined && this.#push(line)) {
      this.#planPump()
      return
    }
    this.#dropped ??= { seq: msg.seq, at: msg.at, count: 0, bytes: 0 }
    this.#dropped.count += 1
    this.#dropped.bytes += line.length
  }

  /** One line that is no message; left out where the viewer does not read what came before. */
  tell(value: { readonly answer: ViewerAnswer } | { readonly status: string }): void {
    if (this.#socket.destroyed || this.#isEnding) return
    if (this.#push(Buffer.from(`${JSON.stringify(value)}\n`))) this.#planPump()
  }

  /** Sends what is queued, then ends; a viewer that does not read in time is cut off. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve())
    })
    this.#isEnding = true
    this.#pump()
    const timer = setTimeout(() => this.#socket.destroy(), closeGraceMs)
    await closed
    clearTimeout(timer)
  }

  #push(line: Buffer): boolean {
    return this.#queue.push(line, line.length + lineOverheadBytes)
  }

  /** Later in this turn: a burst of messages becomes one write. */
  #planPump(): void {
    if (this.#isPumpPlanned) return
    this.#isPumpPlanned = true
    queueMicrotask(() => {
      this.#isPumpPlanned = false
      this.#pump()
    })
  }

  #pump(): void {
    while (!this.#isBlocked && !this.#socket.destroyed) {
      const chunk = this.#takeChunk()
      if (chunk.length === 0) break
      this.#isBlocked = !this.#socket.write(Buffer.concat(chunk))
    }
    if (this.#isEnding && !this.#isBlocked) this.#socket.end()
  }

  #takeChunk(): Buffer[] {
    const lines: Buffer[] = []
    for (let bytes = 0; bytes < chunkBytes;) {
      const line = this.#takeLine()
      if (line === undefined) break
      lines.push(line)
      bytes += line.length
    }
    return lines
  }

  #takeLine(): Buffer | undefined {
    const line = this.#first[this.#sentOfFirst]
    if (line !== undefined) {
      this.#sentOfFirst += 1
      return line
    }
    this.#first = []
    const queued = this.#queue.shift()
    if (queued !== undefined || this.#dropped === undefined) return queued
    // The queue has run dry: this is the place of what did not fit into it.
    const told = encodeDropped(this.#dropped)
    this.#dropped = undefined
    return told
  }
}

/** It takes the number of the first message that was dropped: no other message here has it. */
function encodeDropped(dropped: Dropped): Buffer {
  const { seq, at, count, bytes } = dropped
  const kind = 'messages-dropped'
  return Buffer.from(
    encodeLine({ v: messageVersion, seq, at, kind, where: 'viewer', count, bytes }),
  )
}
