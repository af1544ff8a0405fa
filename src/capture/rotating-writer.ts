/**
 * The capture writer: takes lines, and messages that become lines when their turn comes; never
 * waits, never throws, and writes them one batch at a time from a bounded queue. A full or failing disk keeps the queue; once that is full, lines are
 * refused and counted; writing goes on by itself when the disk takes them again. A file that would
 * pass its size is renamed, compressed in the background and continued in a new one.
 */
import { rename } from 'node:fs/promises'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'

import { BoundedQueue } from '../base/bounded-queue.ts'
import type { Clock } from '../base/clock.ts'
import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { encodeLine } from '../messages/codec.ts'
import { messageVersion } from '../messages/message-kind.ts'
import type { ValueFinder } from '../policy/value-scanner.ts'
import { BatchEncoder, bytesOf } from './batch-encoder.ts'
import type { Entry } from './batch-encoder.ts'
import type { OpenHandle } from './capture-file.ts'
import { CaptureFile } from './capture-file.ts'
import { LineGuard } from './line-guard.ts'
import { compressFile, listInterrupted, listRotations, rotatedPath } from './rotated-files.ts'

/** A file is rotated before it passes this. */
const defaultMaxBytes = 256 * 1024 * 1024
/** Lines that wait for a slow or full disk. */
const defaultQueueBytes = 64 * 1024 * 1024
/** What a waiting line costs beside its bytes. */
const lineOverheadBytes = 128
const defaultRetryMs = 1000
/** How often the file under the name is compared with the one that is open. */
const checkEveryMs = 1000
/** How long closing waits for a compression; after that the plain file stays as it is. */
const compressionGraceMs = 2000

export type CaptureProblem =
  /** Writing failed; told once per outage. Lines wait from here on. */
  | { readonly type: 'failing'; readonly code: string | undefined; readonly message: string }
  /** Writing works again; `count` writes were refused since the outage began. */
  | { readonly type: 'recovered'; readonly count: number }
  /** Closed before the disk took these writes. */
  | { readonly type: 'lost'; readonly count: number; readonly bytes: number }
  /** The value of a stored secret stood in a line, and was taken out. Told for each. */
  | { readonly type: 'withheld'; readonly secretId: string }
  /** The finished file stays uncompressed; nothing is lost. */
  | { readonly type: 'not-compressed'; readonly path: string; readonly message: string }

export interface CaptureOptions {
  /** Bytes of one file; 256 MiB unless told otherwise. A longer single entry gets its own file. */
  readonly maxBytes?: number | undefined
  /** Bytes that may wait for the disk; 64 MiB unless told otherwise. */
  readonly queueBytes?: number | undefined
  /** Porthole's version, for the first line of each file. */
  readonly porthole: string
  readonly clock: Clock
  readonly onProblem?: ((problem: CaptureProblem) => void) | undefined
  /** Milliseconds between attempts while the disk fails; 1000 unless told otherwise. */
  readonly retryMs?: number | undefined
  readonly openHandle?: OpenHandle | undefined
  /** Values of stored secrets: no line that holds one is written as it is. */
  readonly values?: ValueFinder | undefined
}

/** A writer whose file is open already; rejects with ERR_CAPTURE_UNWRITABLE. */
export async function openCapture(path: string, options: CaptureOptions): Promise<RotatingWriter> {
  const writer = new RotatingWriter(path, options)
  await writer.open()
  return writer
}

export class RotatingWriter {
  readonly path: string
  readonly #options: CaptureOptions
  readonly #maxBytes: number
  readonly #queue: BoundedQueue<Entry>
  readonly #encoder: BatchEncoder
  readonly #compression = new AbortController()
  #file: CaptureFile | undefined
  #hasOpened = false
  #headerDue = false
  /** Whether the open file holds a whole entry: an empty one is never rotated. */
  #hasLines = false
  #continues: number | undefined
  #checkedAtMs = 0
  #failing = false
  #refused = 0
  #drainPlanned = false
  #tail: Promise<void> = Promise.resolve()
  #compressing: Promise<void> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined

  /** Opens nothing yet: the first line does, or `open()`. */
  constructor(path: string, options: CaptureOptions) {
    this.path = path
    this.#options = options
    this.#maxBytes = options.maxBytes ?? defaultMaxBytes
    this.#queue = new BoundedQueue(options.queueBytes ?? defaultQueueBytes)
    const { values } = options
    const guard =
      values === undefined
        ? undefined
        : new LineGuard(values, (secretId) => this.#tell({ type: 'withheld', secretId }))
    this.#encoder = new BatchEncoder(options.clock, guard)
  }

  /** Opens the file and writes its first line; rejects with ERR_CAPTURE_UNWRITABLE. */
  async open(): Promise<void> {
    const opened = this.#tail.then(async () => {
      await this.#ensureFile()
      await this.#writeHeader()
    })
    this.#tail = opened.catch(() => {})
    try {
      await opened
    } catch (error) {
      const details = { path: this.path, problem: describeError(error) }
      throw new AppError('ERR_CAPTURE_UNWRITABLE', details, error)
    }
  }

  /**
   * Queues entries, all of them or none: false where they were refused, for the queue is full or
   * closed.
   */
  write(...entries: readonly Entry[]): boolean {
    if (this.#closed !== undefined) return false
    const costs = entries.map((entry) => bytesOf(entry) + lineOverheadBytes)
    if (!this.#queue.fits(costs.reduce((sum, cost) => sum + cost, 0))) {
      this.#refused += 1
      return false
    }
    for (const [index, entry] of entries.entries()) this.#queue.push(entry, costs[index] ?? 0, true)
    if (this.#retry === undefined) this.#planDrain()
    return true
  }

  /** Writes what waits, syncs it to disk and closes. What the disk still refuses is told as lost. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retry)
    this.#planDrain()
    await this.#tail
    clearTimeout(this.#retry)
    this.#tellLost()
    try {
      await this.#file?.sync()
      await this.#file?.close()
    } catch (error) {
      this.#tell({ type: 'failing', code: errorCodeOf(error), message: describeError(error) })
    }
    this.#file = undefined
    const grace = new AbortController()
    await Promise.race([
      this.#compressing,
      delay(compressionGraceMs, undefined, { signal: grace.signal }).catch(() => {}),
    ])
    grace.abort()
    this.#compression.abort()
    await this.#compressing
  }

  #planDrain(): void {
    if (this.#drainPlanned) return
    this.#drainPlanned = true
    this.#tail = this.#tail.then(() => this.#drain())
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        this.#encoder.refill(() => this.#queue.shift())
        if (this.#encoder.isEmpty) break
        await this.#ensureFile()
        await this.#writeHeader()
        await this.#writeBatch()
      }
      this.#recover()
    } catch (error) {
      this.#fail(error)
    } finally {
      // In the same turn as the last look at the queue: a line that comes later plans anew.
      this.#drainPlanned = false
    }
  }

  async #ensureFile(): Promise<void> {
    if (this.#file !== undefined) {
      const nowMs = this.#options.clock.monotonicMs()
      if (nowMs - this.#checkedAtMs < checkEveryMs) return
      this.#checkedAtMs = nowMs
      const state = await this.#file.check()
      if (state === 'same') return
      this.#encoder.restart()
      if (state === 'shortened') return
      if (state === 'emptied') {
        this.#headerDue = true
        this.#hasLines = false
        return
      }
      await this.#file.close()
      this.#file = undefined
    }
    const file = await CaptureFile.open(this.path, this.#options.openHandle)
    this.#file = file
    this.#headerDue = true
    this.#hasLines = file.size > 0
    this.#checkedAtMs = this.#options.clock.monotonicMs()
    if (this.#hasOpened) return
    this.#hasOpened = true
    for (const path of await listInterrupted(this.path)) this.#compress(path)
  }

  async #writeHeader(): Promise<void> {
    if (!this.#headerDue || this.#file === undefined) return
    const header = encodeLine({
      kind: 'capture-opened',
      v: messageVersion,
      porthole: this.#options.porthole,
      startedAt: this.#options.clock.now(),
      ...(this.#continues === undefined || this.#hasLines ? {} : { continues: this.#continues }),
    })
    const appended = await this.#file.append(Buffer.from(header))
    if (!appended.ok) throw appended.error
    this.#headerDue = false
  }

  /** Appends what the file has room for, and rotates it once there is no more. */
  async #writeBatch(): Promise<void> {
    if (this.#file === undefined) return
    const room = this.#maxBytes - this.#file.size
    const { bytes, entryEnds, needsFile } = this.#encoder.encode(room, !this.#hasLines)
    // Nothing to write, and more to encode: others want the event loop too.
    if (bytes.length === 0 && !needsFile) await nextTurn()
    const appended = await this.#file.append(bytes)
    if (!appended.ok) {
      const kept = entryEnds.filter((end) => end <= appended.keptBytes).length
      this.#took(kept)
      throw appended.error
    }
    this.#took(entryEnds.length)
    if (needsFile) await this.#rotate()
  }

  #took(count: number): void {
    this.#encoder.drop(count)
    if (count > 0) this.#hasLines = true
  }

  async #rotate(): Promise<void> {
    const n = ((await listRotations(this.path)).at(-1) ?? 0) + 1
    const finished = rotatedPath(this.path, n)
    await rename(this.path, finished)
    this.#continues = n
    const file = this.#file
    this.#file = undefined
    this.#encoder.restart()
    await file?.close()
    this.#compress(finished)
  }

  #compress(path: string): void {
    this.#compressing = this.#compressing.then(async () => {
      try {
        await compressFile(path, this.#compression.signal)
      } catch (error) {
        if (this.#compression.signal.aborted) return
        this.#tell({ type: 'not-compressed', path, message: describeError(error) })
      }
    })
  }

  #fail(error: unknown): void {
    this.#encoder.restart()
    if (!this.#failing) {
      this.#failing = true
      this.#refused = 0
      this.#tell({ type: 'failing', code: errorCodeOf(error), message: describeError(error) })
    }
    if (this.#closed !== undefined) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#planDrain()
    }, this.#options.retryMs ?? defaultRetryMs).unref()
  }

  #recover(): void {
    if (!this.#failing) return
    this.#failing = false
    this.#tell({ type: 'recovered', count: this.#refused })
  }

  #tellLost(): void {
    const lost = this.#encoder.takeAll()
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      lost.push(next)
    }
    const bytes = lost.reduce((sum, entry) => sum + bytesOf(entry), 0)
    if (lost.length > 0) this.#tell({ type: 'lost', count: lost.length, bytes })
  }

  #tell(problem: CaptureProblem): void {
    try {
      this.#options.onProblem?.(problem)
    } catch {
      // Whoever reports the problem must not stop the writing.
    }
  }
}
