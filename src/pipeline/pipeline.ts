/**
 * Runs the analyzers: keeps their order, isolates their faults, numbers messages, bounds the queue.
 * Reporting never waits and never throws: messages queue up and are worked off between events of
 * the loop, so that observation runs after the bytes it is about have gone out.
 *
 * Order: a message visits every analyzer; then each message it caused visits the analyzers after
 * its emitter. A message gets its `seq` when its turn comes, so every sink sees `seq` rise by one,
 * and a replay through the same analyzers numbers alike.
 */
import { BoundedQueue } from '../base/bounded-queue.ts'
import type { Clock } from '../base/clock.ts'
import { describeError } from '../base/errors.ts'
import { encodeBytes } from '../messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'
import { messageVersion } from '../messages/schema.ts'
import type { Analyzer } from './analyzer.ts'

/** Work per turn of the event loop, so that a burst delays traffic by little. */
const turnBytes = 256 * 1024
const turnMessages = 128
/** What a message without a body counts as in the queue, in bytes: heads, ids, object overhead. */
const messageOverheadBytes = 1024

export interface BodyChunk {
  readonly kind: 'request-body' | 'response-body'
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string | undefined
  readonly offset: number
  readonly chunk: Uint8Array
  /** Secrets to be masked wherever they stand in it; never told themselves. */
  readonly known?: readonly string[] | undefined
}

/** Bytes that become messages only when their turn comes, such as frames of a WebSocket. */
export interface UnreadBytes {
  /** What they count as in the queue. */
  readonly bytes: number
  /** Called once, in the order of the queue; drawn from lazily, so that a burst takes many turns. */
  read(): Iterator<AnalysisMsgDraft, unknown, undefined>
}

interface PipelineOptions {
  readonly analyzers: readonly Analyzer[]
  readonly clock: Clock
  /** Bytes that may wait for analysis; body chunks beyond it are dropped and counted. */
  readonly queueBytes: number
}

type Queued =
  | { readonly type: 'draft'; readonly draft: AnalysisMsgDraft; readonly at: number }
  | { readonly type: 'body'; readonly body: BodyChunk; readonly at: number }
  | { readonly type: 'unread'; readonly unread: UnreadBytes; readonly at: number }

interface Reading {
  readonly drafts: ReturnType<UnreadBytes['read']>
  readonly at: number
}

export class Pipeline {
  readonly #analyzers: readonly Analyzer[]
  readonly #clock: Clock
  readonly #queue: BoundedQueue<Queued>
  readonly #listeners = new Set<(msg: AnalysisMsg) => void>()
  readonly #chain: Chain
  #dropped = { count: 0, bytes: 0 }
  #droppedInAll = 0
  #scheduled = false
  /** Unread bytes whose turn has come, with messages still in them. */
  #reading: Reading | undefined

  constructor(options: PipelineOptions) {
    this.#analyzers = options.analyzers
    this.#clock = options.clock
    this.#queue = new BoundedQueue(options.queueBytes)
    this.#chain = new Chain(options.analyzers, (msg) => this.#deliver(msg))
  }

  /** Messages numbered so far, those dropped, and bytes now waiting. */
  get stats(): {
    readonly messages: number
    readonly dropped: number
    readonly queuedBytes: number
  } {
    return {
      messages: this.#chain.seq,
      dropped: this.#droppedInAll,
      queuedBytes: this.#queue.bytes,
    }
  }

  /** Queues a message. Heads and ends are always taken: they are few, and losing one would lie. */
  publish(draft: AnalysisMsgDraft): void {
    const at = draft.at ?? this.#clock.now()
    this.#queue.push({ type: 'draft', draft, at }, messageOverheadBytes, true)
    this.#schedule()
  }

  /** Queues bytes of a body, encoded only when their turn comes; drops them when the queue is full. */
  publishBody(body: BodyChunk): void {
    this.#pushDroppable({ type: 'body', body, at: this.#clock.now() }, body.chunk.byteLength)
  }

  /** Queues bytes to be read; false where the queue is full and they were dropped and counted. */
  publishUnread(unread: UnreadBytes): boolean {
    return this.#pushDroppable({ type: 'unread', unread, at: this.#clock.now() }, unread.bytes)
  }

  /** Called for every message after the analyzers; a listener that throws is ignored. */
  subscribe(listener: (msg: AnalysisMsg) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Works off everything that waits, now. */
  flush(): void {
    while (this.#hasWork()) this.#turn(Infinity, Infinity)
  }

  /** Flushes, then closes the analyzers in order; a fault in one does not keep another open. */
  async close(): Promise<void> {
    this.flush()
    for (const analyzer of this.#analyzers) {
      try {
        await analyzer.close?.()
      } catch (error) {
        this.publish({
          kind: 'analyzer-failed',
          analyzer: analyzer.name,
          error: describeError(error),
        })
      }
    }
    this.flush()
  }

  #pushDroppable(item: Queued, bytes: number): boolean {
    if (this.#queue.push(item, bytes + messageOverheadBytes)) {
      this.#schedule()
      return true
    }
    this.#dropped.count += 1
    this.#dropped.bytes += bytes
    this.#droppedInAll += 1
    return false
  }

  #hasWork(): boolean {
    return this.#queue.size > 0 || this.#reading !== undefined || this.#dropped.count > 0
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#turn(turnBytes, turnMessages)
      if (this.#hasWork()) this.#schedule()
    })
  }

  #turn(maxBytes: number, maxMessages: number): void {
    const before = this.#queue.bytes
    let readBytes = 0
    for (let done = 0; done < maxMessages; done += 1) {
      if (before - this.#queue.bytes + readBytes >= maxBytes) break
      if (this.#reading !== undefined) {
        readBytes += this.#readOne(this.#reading)
        continue
      }
      const next = this.#queue.shift()
      if (next === undefined) break
      if (next.type === 'unread') this.#reading = { drafts: next.unread.read(), at: next.at }
      else this.#chain.run(next.type === 'draft' ? next.draft : bodyDraft(next.body), next.at)
    }
    if (this.#dropped.count > 0 && this.#queue.size === 0) this.#tellDropped()
  }

  /** The size of the message that was read: compressed ones are far larger than what was queued. */
  #readOne(reading: Reading): number {
    const next = reading.drafts.next()
    if (next.done === true) {
      this.#reading = undefined
      return 0
    }
    this.#chain.run(next.value, next.value.at ?? reading.at)
    const { text, base64 }: { text?: unknown; base64?: unknown } = next.value as object
    const payload = text ?? base64
    return typeof payload === 'string' ? payload.length : 0
  }

  #tellDropped(): void {
    const dropped = this.#dropped
    this.#dropped = { count: 0, bytes: 0 }
    this.#chain.run({ kind: 'messages-dropped', where: 'analysis', ...dropped }, this.#clock.now())
  }

  #deliver(msg: AnalysisMsg): void {
    for (const listener of this.#listeners) {
      try {
        listener(msg)
      } catch {
        // A sink's fault must not reach the analyzers or the traffic; it has its own drop counter.
      }
    }
  }
}

/** The depth-first walk of one message and all it causes; also what a replay runs. */
export class Chain {
  readonly #analyzers: readonly Analyzer[]
  readonly #deliver: (msg: AnalysisMsg) => void
  #seq: number

  /** `firstSeq` is the number of the first message (a replay starts at its first recorded one). */
  constructor(analyzers: readonly Analyzer[], deliver: (msg: AnalysisMsg) => void, firstSeq = 0) {
    this.#analyzers = analyzers
    this.#deliver = deliver
    this.#seq = firstSeq
  }

  /** The number that the next message gets. */
  get seq(): number {
    return this.#seq
  }

  /** Gives `draft` the next number and walks it and what it causes; `seq` overrides the number. */
  run(draft: AnalysisMsgDraft, at: number, seq?: number): void {
    if (seq !== undefined) this.#seq = seq
    this.#walk(draft, at, 0)
  }

  #walk(draft: AnalysisMsgDraft, at: number, from: number): void {
    const msg = { v: messageVersion, seq: this.#seq, at, ...draft } as AnalysisMsg
    this.#seq += 1
    const caused: Array<{ draft: AnalysisMsgDraft; after: number }> = []
    for (let index = from; index < this.#analyzers.length; index += 1) {
      const analyzer = this.#analyzers[index]
      if (analyzer?.onMessage === undefined) continue
      try {
        analyzer.onMessage(msg, (emitted) => {
          caused.push({ draft: inherit(emitted, msg, analyzer.name), after: index + 1 })
        })
      } catch (error) {
        const failed: AnalysisMsgDraft = {
          kind: 'analyzer-failed',
          analyzer: analyzer.name,
          error: describeError(error),
        }
        // Its own failure is not shown to it again: that would fail without end.
        caused.push({ draft: inherit(failed, msg, undefined), after: index + 1 })
      }
    }
    this.#deliver(msg)
    for (const { draft: next, after } of caused) this.#walk(next, msg.at, after)
  }
}

function inherit(
  draft: AnalysisMsgDraft,
  msg: AnalysisMsg,
  emitter: string | undefined,
): AnalysisMsgDraft {
  const inherited: Record<string, unknown> = {}
  for (const key of ['connectionId', 'exchangeId', 'agent'] as const) {
    if (msg[key] !== undefined) inherited[key] = msg[key]
  }
  if (emitter !== undefined) inherited['by'] = emitter
  return { ...inherited, ...draft }
}

function bodyDraft(body: BodyChunk): AnalysisMsgDraft {
  const { chunk, agent, ...rest } = body
  return { ...rest, ...(agent === undefined ? {} : { agent }), ...encodeBytes(chunk) }
}
