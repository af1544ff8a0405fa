/**
 * Runs the analyzers over what the proxy reports: bounds the queue, and its part of the event loop.
 * Reporting never waits and never throws: messages queue up and are worked off between events of
 * the loop, so that observation runs after the bytes it is about have gone out. Order and numbers
 * are the chain's: every sink sees `seq` rise by one, and a replay through the same analyzers
 * numbers alike. Where nobody watches, nothing is kept.
 */
import { BoundedQueue } from '../base/bounded-queue.ts'
import type { Clock } from '../base/clock.ts'
import { describeError } from '../base/errors.ts'
import type { BodyBytes } from '../messages/body-bytes.ts'
import { encodeBytes } from '../messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../messages/schema.ts'
import type { ConcealedValues } from '../policy/concealed-values.ts'
import type { ContentRedaction } from '../policy/content-secrets.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import type { Analyzer } from './analyzer.ts'
import { BodyAssembler } from './body-assembler.ts'
import type { BodyChunk, BodyPart } from './body-assembler.ts'
import { BodyMasking } from './body-masking.ts'
import type { Masked } from './body-masking.ts'
import { Chain } from './chain.ts'
import { echoOf, idsOf, KnownSecrets, maskFrame } from './message-masking.ts'
import { Turns } from './turns.ts'
import type { TurnLimits } from './turns.ts'
import { ValueGuard } from './value-guard.ts'

export type { BodyChunk } from './body-assembler.ts'

/** What a message without a body counts as in the queue, in bytes: heads, ids, object overhead. */
const messageOverheadBytes = 1024

/** Bytes that become messages only when their turn comes, such as frames of a WebSocket. */
export interface UnreadBytes {
  /** What they count as in the queue. */
  readonly bytes: number
  /** Called once, in the order of the queue; drawn from lazily, so that a burst takes many turns. */
  read(): Iterator<AnalysisMsgDraft, unknown, undefined>
  /** Secrets to be masked wherever they stand in it; never told themselves. */
  readonly known?: readonly string[] | undefined
  /** Which of them were put into the request; told where they come back. */
  readonly concealed?: ConcealedValues | undefined
}

interface PipelineOptions {
  readonly analyzers: readonly Analyzer[]
  readonly clock: Clock
  /** Bytes that may wait for analysis; body chunks beyond it are dropped and counted. */
  readonly queueBytes: number
  /** What is masked in content; secrets unless told otherwise. */
  readonly redaction?: ContentRedaction | undefined
  /** Values of stored secrets, which stand in no message. */
  readonly values?: ValueFinder | undefined
}

type Queued =
  | { readonly type: 'draft'; readonly draft: AnalysisMsgDraft; readonly at: number }
  | { readonly type: 'body'; readonly body: BodyChunk; readonly at: number }
  | { readonly type: 'unread'; readonly unread: UnreadBytes; readonly at: number }

const unlimited: TurnLimits = { bytes: Infinity, messages: Infinity, ms: Infinity }

/** A message whose turn has come. */
interface Ready {
  readonly draft: AnalysisMsgDraft
  readonly at: number
  /** What it counts as in a turn, in bytes. */
  readonly size: number
  readonly bytes?: BodyBytes | undefined
}

interface Reading {
  readonly drafts: ReturnType<UnreadBytes['read']>
  readonly at: number
  readonly unread: UnreadBytes
}

export class Pipeline {
  readonly #analyzers: readonly Analyzer[]
  readonly #clock: Clock
  readonly #queue: BoundedQueue<Queued>
  readonly #listeners = new Set<(msg: AnalysisMsg) => void>()
  readonly #chain: Chain
  readonly #assembler = new BodyAssembler()
  readonly #redaction: ContentRedaction
  readonly #masking: BodyMasking
  readonly #known = new KnownSecrets()
  readonly #guard: ValueGuard | undefined
  readonly #isAnalyzed: boolean
  #dropped = { count: 0, bytes: 0 }
  #droppedInAll = 0
  readonly #turns = new Turns({
    take: (limits) => {
      this.#turn(limits)
      return this.#hasWork()
    },
    waitingBytes: () => this.#queue.bytes,
  })
  /** Unread bytes whose turn has come, with messages still in them. */
  #reading: Reading | undefined
  /** Taken from the queue, and next in turn. */
  readonly #ready: Ready[] = []
  #isWorking = false

  constructor(options: PipelineOptions) {
    this.#analyzers = options.analyzers
    this.#clock = options.clock
    this.#queue = new BoundedQueue(options.queueBytes)
    this.#isAnalyzed = options.analyzers.some((analyzer) => analyzer.onMessage !== undefined)
    this.#redaction = options.redaction ?? 'secrets'
    const { values } = options
    this.#masking = new BodyMasking(this.#redaction, values)
    this.#guard = values === undefined ? undefined : new ValueGuard(values)
    const chain = { redaction: this.#redaction, known: this.#known, guard: this.#guard }
    this.#chain = new Chain(options.analyzers, (msg) => this.#deliver(msg), chain)
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
    if (!this.isWatched) return
    const at = draft.at ?? this.#clock.now()
    this.#queue.push({ type: 'draft', draft, at }, messageOverheadBytes, true)
    this.#turns.announce()
  }

  /** Queues bytes of a body, encoded only when their turn comes; drops them when the queue is full. */
  publishBody(body: BodyChunk): void {
    if (!this.isWatched) return
    this.#pushDroppable({ type: 'body', body, at: this.#clock.now() }, body.chunk.byteLength)
  }

  /**
   * Queues bytes to be read. False where they will not be, for the queue is full, which is counted,
   * or nobody watches: who begins to watch later must not be shown a stream from its middle.
   */
  publishUnread(unread: UnreadBytes): boolean {
    if (!this.isWatched) return false
    return this.#pushDroppable({ type: 'unread', unread, at: this.#clock.now() }, unread.bytes)
  }

  /** Called for every message after the analyzers; a listener that throws is ignored. */
  subscribe(listener: (msg: AnalysisMsg) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Works off everything that waits, now. */
  flush(): void {
    if (this.#isWorking) return
    for (;;) {
      while (this.#hasWork()) this.#turn(unlimited)
      const now = this.#clock.now()
      this.#tell(this.#masking.flushAll(), now)
      this.#makeReady(this.#assembler.flushAll(), now)
      if (!this.#hasWork()) return
    }
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
      this.#turns.announce()
      return true
    }
    this.#dropped.count += 1
    this.#dropped.bytes += bytes
    this.#droppedInAll += 1
    return false
  }

  /** Whether anybody would see what is published. */
  get isWatched(): boolean {
    return this.#isAnalyzed || this.#listeners.size > 0
  }

  #hasWork(): boolean {
    return (
      this.#queue.size > 0 ||
      this.#chain.isBusy ||
      this.#ready.length > 0 ||
      this.#reading !== undefined ||
      this.#dropped.count > 0
    )
  }

  #turn(limits: TurnLimits): void {
    this.#isWorking = true
    const untilMs = this.#clock.monotonicMs() + limits.ms
    let [messages, bytes] = [0, 0]
    while (messages < limits.messages && bytes < limits.bytes) {
      if (this.#chain.isBusy) {
        this.#chain.advance()
      } else {
        const next = this.#next()
        if (next === undefined) break
        messages += 1
        bytes += next.size
        this.#chain.begin(next.draft, next.at, { bytes: next.bytes })
      }
      if (this.#clock.monotonicMs() > untilMs) break
    }
    this.#isWorking = false
  }

  /** The next message whose turn it is. */
  #next(): Ready | undefined {
    for (;;) {
      const ready = this.#ready.shift() ?? this.#readOne()
      if (ready !== undefined) return ready
      const queued = this.#queue.shift()
      if (queued === undefined) return this.#takeDropped()
      const { at } = queued
      if (queued.type === 'unread') {
        const { unread } = queued
        this.#reading = { drafts: unread.read(), at, unread }
      } else if (queued.type === 'body') {
        this.#known.remember(queued.body.exchangeId, queued.body)
        this.#tell(this.#masking.push(queued.body), at)
      } else {
        const { kind, exchangeId } = queued.draft
        if (kind === 'exchange-completed' || kind === 'exchange-failed') this.#known.end(exchangeId)
        this.#tell(this.#masking.before(queued.draft), at, exchangeId)
        this.#makeReady(this.#assembler.flush(exchangeId), at)
        this.#ready.push({ draft: queued.draft, at, size: messageOverheadBytes })
      }
    }
  }

  #tell({ chunks, withheld, notes }: Masked, at: number, exchangeId?: string): void {
    for (const chunk of chunks) this.#makeReady(this.#assembler.push(chunk), at)
    for (const draft of notes ?? []) {
      if (this.#guard?.isToldAlready(draft) === true) continue
      this.#ready.push({ draft, at, size: messageOverheadBytes })
    }
    if (withheld === undefined) return
    this.#makeReady(this.#assembler.flush(exchangeId), at)
    const ids = exchangeId === undefined ? {} : { exchangeId }
    const draft = { kind: 'messages-dropped', where: 'redaction', ...ids, ...withheld } as const
    this.#ready.push({ draft, at, size: messageOverheadBytes })
  }

  #makeReady(parts: readonly BodyPart[], at: number): void {
    for (const { body, pieceEnds } of parts) {
      const { decoded } = body
      const { buffer, byteOffset, byteLength } = body.chunk
      const bytes = Buffer.from(buffer, byteOffset, byteLength)
      const size = byteLength + messageOverheadBytes
      this.#ready.push({ draft: bodyDraft(body), at, size, bytes: { bytes, pieceEnds, decoded } })
    }
  }

  #readOne(): Ready | undefined {
    const reading = this.#reading
    const next = reading?.drafts.next()
    if (reading === undefined || next === undefined || next.done === true) {
      this.#reading = undefined
      return undefined
    }
    // The size of the message: compressed ones are far larger than what was queued.
    const { text, base64 }: { text?: unknown; base64?: unknown } = next.value as object
    const payload = text ?? base64
    const size = typeof payload === 'string' ? payload.length : 0
    const { known = [], concealed } = reading.unread
    this.#known.remember(next.value.exchangeId, reading.unread)
    const at = next.value.at ?? reading.at
    const frame = next.value
    const draft = maskFrame(frame, this.#redaction, known, (range) => {
      const echo = isFromUpstream(frame) ? echoOf(range, concealed, 'websocket') : undefined
      if (echo !== undefined) this.#ready.push({ draft: { ...idsOf(frame), ...echo }, at, size: 0 })
    })
    return { draft, at, size }
  }

  #takeDropped(): Ready | undefined {
    const dropped = this.#dropped
    if (dropped.count === 0) return undefined
    this.#dropped = { count: 0, bytes: 0 }
    const draft = { kind: 'messages-dropped', where: 'analysis', ...dropped } as const
    return { draft, at: this.#clock.now(), size: messageOverheadBytes }
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

function isFromUpstream(draft: AnalysisMsgDraft): boolean {
  return draft.kind === 'websocket-message' && draft.direction === 'response'
}

/** Secrets that are known stay behind. */
function bodyDraft(body: BodyChunk): AnalysisMsgDraft {
  const { kind, connectionId, exchangeId, agent, offset } = body
  const ids = { connectionId, exchangeId, ...(agent === undefined ? {} : { agent }) }
  return { kind, ...ids, offset, ...encodeBytes(body.chunk) }
}
