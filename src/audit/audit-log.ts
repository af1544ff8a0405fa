/**
 * The audit as a proxy keeps it. What is decided within one turn of the event loop is appended in
 * one transaction at its end, and what was let through waits for that; a refusal is answered at once
 * and so is appended at once. Another process that appends is waited for without blocking. Where
 * nothing can be appended, entries wait in a bounded queue, and traffic goes on, unless a record is
 * demanded: then it is refused. Syncing is done elsewhere.
 */
import { lstatSync } from 'node:fs'

import type { Clock } from '../base/clock.ts'
import { describeError } from '../base/errors.ts'
import type { AuditSink, Decision, Outcome } from '../policy/decision-log.ts'
import type { AuditDatabase } from './audit-database.ts'
import { isBusy, openAuditDatabase } from './audit-database.ts'
import { AuditQueue } from './audit-queue.ts'
import type { Batch } from './audit-queue.ts'
import { Checkpointer } from './checkpointer.ts'
import type { Act, AuditSession } from './entry.ts'
import { encodeAct, encodeActOutcome, encodeDecision, encodeOutcome, newActId } from './entry.ts'

export type AuditProblem =
  | { readonly type: 'failing'; readonly message: string }
  /** It is appended to again; `lost` entries never will be. */
  | { readonly type: 'recovered'; readonly lost: number }
  /** The file is no longer where it was; a new one begins there. */
  | { readonly type: 'moved' }
  | { readonly type: 'lost'; readonly count: number }

export interface AuditLogOptions {
  readonly path: string
  readonly clock: Clock
  readonly pid: number
  /** Name of the user whom this process belongs to. */
  readonly user: string
  /** Asked until it says yes: from then on everything is recorded. */
  readonly isOn: () => boolean
  /** Whether a decision that cannot be recorded is refused. */
  readonly isDemanded: boolean
  readonly onProblem: (problem: AuditProblem) => void
  readonly queueBytes?: number
}

/** How long another process is waited for at the start, when there is no traffic yet, in ms. */
const startPatienceMs = 5000
/** How long what was let through waits for its record: where one is demanded, and else. In ms. */
const demandedPatienceMs = 5000
const patienceMs = 100
/** How soon appending is tried again: after another process had the lock, and after a failure. */
const busyRetryMs = 2
const failedRetryMs = 1000
/** How long outcomes may wait for a decision to be appended with. */
const outcomeDelayMs = 250
/** Entries of one transaction: some milliseconds at most. */
const mostAtOnce = 256
/** How often the file is looked for, in ms. */
const lookMs = 1000
const defaultQueueBytes = 16 * 1024 * 1024

export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions
  readonly #session: AuditSession
  readonly #queue: AuditQueue
  #database: AuditDatabase | undefined
  #checkpointer: Checkpointer | undefined
  #file = ''
  #lookedMs = -Infinity
  #isOn = false
  #isClosed = false
  #isFailing = false
  #isScheduled = false
  #timer: NodeJS.Timeout | undefined
  #timerMs = Infinity
  #batch: Batch | undefined
  #lost = 0

  constructor(options: AuditLogOptions) {
    this.#options = options
    this.#session = { pid: options.pid, startedAt: options.clock.now() }
    this.#queue = new AuditQueue(options.queueBytes ?? defaultQueueBytes)
  }

  /**
   * Opens the file now, where it is on. Throws `ERR_AUDIT_…` and `ERR_HOME_UNWRITABLE` where a
   * record is demanded; else it is a problem.
   */
  open(): void {
    if (!this.#asksIsOn()) return
    try {
      this.#open(startPatienceMs)
    } catch (error) {
      if (this.#options.isDemanded) throw error
      this.#onFailure(error)
    }
  }

  decided(decision: Decision): void | Promise<boolean> {
    if (!this.#asksIsOn()) return undefined
    const at = this.#options.clock.now()
    const encode = (as: Decision): string => encodeDecision(as, at, this.#session)
    if (decision.decision === 'deny') {
      this.#push(encode(decision))
      this.#flushUnlessFailing()
      return undefined
    }
    const batch = this.#currentBatch()
    const refused = {
      ...decision,
      decision: 'deny',
      reason: unrecordedReason,
      status: 503,
    } as const
    if (!this.#push(encode(decision), { batch, encodeRefused: () => encode(refused) })) {
      return this.#options.isDemanded ? Promise.resolve(false) : undefined
    }
    this.#schedule()
    // It has been failing for a while: nobody waits for it but those who must.
    return this.#isFailing && !this.#options.isDemanded ? undefined : batch.settled
  }

  ended(outcome: Outcome): void {
    if (!this.#asksIsOn()) return
    this.#push(encodeOutcome(outcome, this.#options.clock.now(), this.#session))
    this.#retryIn(outcomeDelayMs)
  }

  /** Something that was done to this proxy while it runs. */
  acted(act: Act): void {
    if (!this.#asksIsOn()) return
    const at = this.#options.clock.now()
    const id = newActId()
    this.#push(encodeAct(act, id, at, this.#session))
    this.#push(encodeActOutcome(id, {}, at, this.#session))
    this.#flushUnlessFailing()
  }

  /** Appends what still waits, as far as it can be, and closes the file. */
  async close(): Promise<void> {
    const untilMs = this.#options.clock.monotonicMs() + patienceMs
    while (this.#queue.size > 0) {
      this.#flush()
      if (this.#queue.size === 0 || this.#isFailing) break
      if (this.#options.clock.monotonicMs() > untilMs) break
      await new Promise((resolve) => setTimeout(resolve, busyRetryMs))
    }
    this.#isClosed = true
    clearTimeout(this.#timer)
    const count = this.#lost + this.#queue.size
    if (count > 0) this.#options.onProblem({ type: 'lost', count })
    await this.#checkpointer?.close()
    this.#closeDatabase()
  }

  #asksIsOn(): boolean {
    if (this.#isClosed) return false
    this.#isOn ||= this.#options.isOn()
    return this.#isOn
  }

  #push(body: string, waiting?: Parameters<AuditQueue['push']>[1]): boolean {
    if (this.#queue.push(body, waiting)) return true
    this.#lost += 1
    this.#fails('more waits than can be kept')
    this.#retryIn(failedRetryMs)
    return false
  }

  /** What is decided in this turn waits for one and the same transaction. */
  #currentBatch(): Batch {
    if (this.#batch !== undefined) return this.#batch
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const batch: Batch = { settled: promise, settle: resolve, waiting: 0 }
    const ms = this.#options.isDemanded ? demandedPatienceMs : patienceMs
    const timer = setTimeout(() => this.#onLate(batch), ms)
    timer.unref()
    void promise.then(() => clearTimeout(timer))
    this.#batch = batch
    return batch
  }

  #onLate(batch: Batch): void {
    // The loop may have been late, and not the disk.
    this.#flushUnlessFailing()
    if (batch.waiting === 0) return
    this.#fails('it took too long')
    // What nobody has recorded by now is not let through, and recorded so.
    if (this.#options.isDemanded) this.#queue.refuse(batch)
    batch.settle(!this.#options.isDemanded)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flushUnlessFailing()
      // What comes in the next turn has its own time to wait.
      this.#batch = undefined
    })
  }

  /** While it fails, the timer tries: not every request. */
  #flushUnlessFailing(): void {
    if (!this.#isFailing) this.#flush()
  }

  #flush(): void {
    while (this.#queue.size > 0) {
      const bodies = this.#queue.first(mostAtOnce)
      try {
        this.#open().append(this.#withLoss(bodies))
      } catch (error) {
        this.#onFailure(error)
        return
      }
      this.#queue.remove(bodies.length)
      this.#batch = undefined
      this.#checkpointer?.appended(bodies.length)
      if (this.#isFailing) this.#options.onProblem({ type: 'recovered', lost: this.#lost })
      this.#isFailing = false
      this.#lost = 0
    }
  }

  /** What could not be kept is told in the audit itself. */
  #withLoss(bodies: readonly string[]): readonly string[] {
    if (this.#lost === 0) return bodies
    const { user, clock } = this.#options
    const act = { user, action: 'audit lost', details: { entries: this.#lost } }
    const id = newActId()
    return [encodeAct(act, id, clock.now(), this.#session), ...bodies]
  }

  #onFailure(error: unknown): void {
    if (isBusy(error)) {
      this.#retryIn(busyRetryMs)
      return
    }
    this.#closeDatabase()
    this.#fails(describeError(error))
    this.#retryIn(failedRetryMs)
  }

  #fails(message: string): void {
    if (!this.#isFailing) this.#options.onProblem({ type: 'failing', message })
    this.#isFailing = true
  }

  #retryIn(ms: number): void {
    const dueMs = this.#options.clock.monotonicMs() + ms
    if (dueMs >= this.#timerMs) return
    clearTimeout(this.#timer)
    this.#timerMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timerMs = Infinity
      this.#flush()
    }, ms)
    this.#timer.unref()
  }

  #open(openPatienceMs = 0): AuditDatabase {
    this.#lookForFile()
    if (this.#database !== undefined) return this.#database
    const { path } = this.#options
    const waits = { patienceMs: 0, openPatienceMs }
    this.#database = openAuditDatabase(path, { create: true, ...waits, survives: 'process' })
    this.#checkpointer ??= new Checkpointer(path)
    this.#file = fileName(path)
    return this.#database
  }

  /** A file that was moved away, or replaced, would be appended to where nobody looks. */
  #lookForFile(): void {
    const now = this.#options.clock.monotonicMs()
    if (this.#database === undefined || now - this.#lookedMs < lookMs) return
    this.#lookedMs = now
    if (fileName(this.#options.path) === this.#file) return
    this.#closeDatabase()
    void this.#checkpointer?.close()
    this.#checkpointer = undefined
    this.#options.onProblem({ type: 'moved' })
  }

  #closeDatabase(): void {
    this.#database?.close()
    this.#database = undefined
  }
}

/** Stands as the reason of what was refused because it could not be recorded. */
export const unrecordedReason = 'audit-unavailable'

function fileName(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`
}
