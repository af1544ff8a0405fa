/**
 * A capture as a source of messages. A small one is analysed anew from its bytes; of a large one
 * the older exchanges are told without their bodies, as they were recorded, so that it opens soon
 * and in little memory. It is read from its beginning: rows stand in the order in which they came.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

import type { Clock } from '../base/clock.ts'
import { createSystemClock } from '../base/clock.ts'
import { describeError } from '../base/errors.ts'
import { loadMessages } from '../capture/load-record.ts'
import type { CaptureLine } from '../capture/reader.ts'
import { readCapture } from '../capture/reader.ts'
import { reanalyze, restoreLeftOut } from '../capture/reanalyze.ts'
import type { SkimPlan } from '../capture/skim.ts'
import { planSkim, skimCapture } from '../capture/skim.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import type { MessageSource, SourceHandlers } from './source.ts'

interface FileOptions {
  /** New ones, run anew over the recording so that what it leaves out is shown too, then closed. */
  readonly analyzers?: (() => readonly Analyzer[]) | undefined
  /** Plain bytes from which on a capture is large; 16 MiB unless told otherwise. */
  readonly largeBytes?: number | undefined
  /** For how long it takes; the process's own unless a test holds it. */
  readonly clock?: Pick<Clock, 'monotonicMs'> | undefined
}

/** Analysing anew takes about a second for 6 MB. */
const defaultLargeBytes = 16 * 1024 * 1024
/** Of a large capture, the newest bytes that are told in full. */
const fullShare = 1 / 4
/** Milliseconds between two looks at the event loop, so that a viewer stays responsive. */
const sliceMs = 12
const statusEveryMs = 250

/** The messages of a capture, then the end. Problems in it become statuses. */
export function createFileSource(path: string, options: FileOptions = {}): MessageSource {
  let source: FileSource | undefined
  let isClosed = false
  return {
    start(handlers) {
      if (source !== undefined) return
      source = new FileSource(path, options, handlers)
      if (!isClosed) void source.run()
    },
    close() {
      isClosed = true
      source?.close()
    },
    load: (_origin, exchangeId) => loadAgain(path, exchangeId, options.analyzers?.() ?? []),
  }
}

async function loadAgain(
  path: string,
  exchangeId: string,
  analyzers: readonly Analyzer[],
): Promise<AnalysisMsg[]> {
  const recorded = await loadMessages(path, exchangeId)
  const messages: AnalysisMsg[] = []
  const lines = restoreLeftOut(asLines(recorded, path), analyzers, new Set([exchangeId]))
  for await (const line of lines) if (line.type === 'message') messages.push(line.msg)
  await closeAll(analyzers)
  return messages
}

async function* asLines(
  messages: readonly AnalysisMsg[],
  path: string,
): AsyncGenerator<CaptureLine, void, undefined> {
  for (const msg of messages) yield { type: 'message', path, lineNumber: 0, msg, raw: '' }
}

async function closeAll(analyzers: readonly Analyzer[]): Promise<void> {
  await Promise.allSettled(analyzers.map(async (analyzer) => await analyzer.close?.()))
}

class FileSource {
  readonly #path: string
  readonly #analyzers: readonly Analyzer[]
  readonly #largeBytes: number
  readonly #handlers: SourceHandlers
  #isClosed = false
  /** What stays on the status line: a problem outlives the news that the capture ends. */
  #lastStatus = 'end of capture'
  #hasProblem = false
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #statusAt: number

  constructor(path: string, options: FileOptions, handlers: SourceHandlers) {
    this.#path = path
    this.#analyzers = options.analyzers?.() ?? []
    this.#largeBytes = options.largeBytes ?? defaultLargeBytes
    this.#handlers = handlers
    this.#clock = options.clock ?? createSystemClock()
    this.#statusAt = this.#clock.monotonicMs()
  }

  close(): void {
    this.#isClosed = true
  }

  async run(): Promise<void> {
    try {
      const plan = await planSkim(this.#path)
      await this.#tellAll(plan.bytes > this.#largeBytes ? this.#skim(plan) : this.#readWhole())
    } catch (error) {
      if (!this.#isClosed) this.#tellProblem(describeError(error))
    }
    await closeAll(this.#analyzers)
    if (this.#isClosed) return
    this.#handlers.onEnd()
    this.#handlers.onStatus(this.#lastStatus)
  }

  #readWhole(): AsyncIterable<CaptureLine> {
    const recorded = readCapture(this.#path)
    return this.#analyzers.length > 0 ? reanalyze(recorded, this.#analyzers) : recorded
  }

  #skim(plan: SkimPlan): AsyncIterable<CaptureLine> {
    this.#lastStatus = 'end of capture; bodies of its older exchanges are read when they are opened'
    const full = new Set<string>()
    const fullBytes = this.#largeBytes * fullShare
    const onProgress = (done: number): void => this.#tellProgress(done / plan.bytes)
    const lines = skimCapture(plan, { full, fullBytes, onProgress })
    return this.#analyzers.length > 0 ? restoreLeftOut(lines, this.#analyzers, full) : lines
  }

  async #tellAll(lines: AsyncIterable<CaptureLine>): Promise<void> {
    let sliceEnd = this.#clock.monotonicMs() + sliceMs
    for await (const line of lines) {
      if (this.#isClosed) return
      if (line.type === 'message') this.#handlers.onMessage(line.msg, this.#path)
      if (line.type === 'problem') {
        const where = line.lineNumber > 0 ? `line ${line.lineNumber}: ` : ''
        this.#tellProblem(`${where}${line.problem}`)
      }
      if (this.#clock.monotonicMs() < sliceEnd) continue
      await nextTurn()
      sliceEnd = this.#clock.monotonicMs() + sliceMs
    }
  }

  #tellProblem(problem: string): void {
    this.#hasProblem = true
    this.#lastStatus = problem
    this.#handlers.onStatus(problem)
  }

  /** A problem stays in sight: it says more than how far reading has come. */
  #tellProgress(share: number): void {
    const now = this.#clock.monotonicMs()
    if (this.#hasProblem || this.#isClosed || now - this.#statusAt < statusEveryMs) return
    this.#statusAt = now
    this.#handlers.onStatus(`reading the capture, ${Math.floor(share * 100)} %`)
  }
}
