/**
 * Writes every message as one line of a capture file (JSONL); bodies and prompts that come again
 * refer to what the file holds. It never holds up the chain: what the disk does not take in time is dropped whole, counted, and told as `messages-dropped`, to the
 * chain at the next message and in the file where the lost lines would have stood.
 */
import type { Clock } from '../src/base/clock.ts'
import { createSystemClock } from '../src/base/clock.ts'
import type { Entry } from '../src/capture/batch-encoder.ts'
import { bytesOf } from '../src/capture/batch-encoder.ts'
import { refEntry } from '../src/capture/capture-entry.ts'
import { readPortholeVersion } from '../src/capture/porthole-version.ts'
import type { CaptureProblem } from '../src/capture/rotating-writer.ts'
import { RotatingWriter } from '../src/capture/rotating-writer.ts'
import { encodeLine } from '../src/messages/codec.ts'
import { messageVersion } from '../src/messages/message-kind.ts'
import type { AnalysisMsg } from '../src/messages/schema.ts'
import type { Analyzer, Emit } from '../src/pipeline/analyzer.ts'
import { redactHeaders } from '../src/policy/redaction.ts'
import type { ValueFinder } from '../src/policy/value-scanner.ts'

export interface FileLoggerOptions {
  /**
   * `essential` (default) leaves out `http-parsed` and `sse-event`, which are made anew from the
   * recorded bytes when the capture is read; `all` writes them too, for other programs.
   */
  readonly include?: 'all' | 'essential' | undefined
  /** Bytes of one file before it is rotated and compressed; 256 MiB unless told otherwise. */
  readonly maxBytes?: number | undefined
  /** Bytes that may wait for the disk before lines are dropped; 64 MiB unless told otherwise. */
  readonly queueBytes?: number | undefined
  /** Milliseconds between attempts while the disk fails; 1000 unless told otherwise. */
  readonly retryMs?: number | undefined
  readonly clock?: Clock | undefined
  /** Version for the first line; the installed package's unless told otherwise. */
  readonly porthole?: string | undefined
  /** Values of stored secrets: no line that holds one is written as it is. */
  readonly values?: ValueFinder | undefined
  /** Told when writing fails and when it works again; must not throw. */
  readonly onProblem?: ((problem: CaptureProblem) => void) | undefined
}

const rebuiltKinds: ReadonlySet<string> = new Set(['http-parsed', 'sse-event'])
/** During an outage the chain hears of losses this often, in milliseconds of message time. */
const tellEveryMs = 1000

/** Secrets whose values are told of between two messages. */
const mostWithheld = 1_000

interface Losses {
  count: number
  bytes: number
}

export class FileLogger implements Analyzer {
  readonly name = 'file-logger'
  readonly #writer: RotatingWriter
  readonly #includesAll: boolean
  /** Lost and not yet told to the chain. */
  #untold: Losses = { count: 0, bytes: 0 }
  #toldAt = -Infinity
  /** Lost and not yet noted in the file. The note takes the number of the first one: it is free. */
  #unwritten: (Losses & { readonly seq: number; readonly at: number }) | undefined
  /** How often the value of a secret stood in a line, by secret. */
  readonly #withheld = new Map<string, number>()
  #isClosed = false

  /** Opens nothing yet: the first message does, or `open()`. */
  constructor(path: string, options: FileLoggerOptions = {}) {
    this.#includesAll = options.include === 'all'
    this.#writer = new RotatingWriter(path, {
      porthole: options.porthole ?? readPortholeVersion(),
      clock: options.clock ?? createSystemClock(),
      maxBytes: options.maxBytes,
      queueBytes: options.queueBytes,
      retryMs: options.retryMs,
      onProblem: (problem) => {
        if (problem.type === 'withheld') this.#withhold(problem.secretId)
        options.onProblem?.(problem)
      },
      values: options.values,
    })
  }

  get path(): string {
    return this.#writer.path
  }

  /** Opens the file now, so that a wrong path fails early: rejects with ERR_CAPTURE_UNWRITABLE. */
  async open(): Promise<void> {
    await this.#writer.open()
  }

  onMessage(msg: AnalysisMsg, emit: Emit): void {
    if (this.#isClosed) return
    if (this.#includesAll || !rebuiltKinds.has(msg.kind)) this.#write(msg)
    if (this.#withheld.size > 0) this.#tellWithheld(emit)
    if (this.#untold.count > 0 && msg.at - this.#toldAt >= tellEveryMs) {
      this.#toldAt = msg.at
      emit({ kind: 'messages-dropped', where: 'capture', ...this.#untold })
      this.#untold = { count: 0, bytes: 0 }
    }
  }

  /** Told to the chain with the next message: the writer has no messages of its own. */
  #withhold(secretId: string): void {
    if (this.#withheld.size < mostWithheld || this.#withheld.has(secretId)) {
      this.#withheld.set(secretId, (this.#withheld.get(secretId) ?? 0) + 1)
    }
  }

  #tellWithheld(emit: Emit): void {
    for (const [secretId, count] of this.#withheld) {
      emit({ kind: 'secret-withheld', where: 'capture', secretId, count })
    }
    this.#withheld.clear()
  }

  /** Waits until everything queued is on disk, as far as the disk takes it. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#writer.write(...this.#note())
    await this.#writer.close()
  }

  #write(msg: AnalysisMsg): void {
    const entry = entryOf(msg)
    // The note goes with the line or not at all: alone, notes would take the room that lines need.
    if (entry !== undefined && this.#writer.write(...this.#note(), entry)) {
      this.#unwritten = undefined
      return
    }
    const bytes = entry === undefined ? 0 : bytesOf(entry)
    this.#untold.count += 1
    this.#untold.bytes += bytes
    this.#unwritten ??= { count: 0, bytes: 0, seq: msg.seq, at: msg.at }
    this.#unwritten.count += 1
    this.#unwritten.bytes += bytes
  }

  #note(): readonly string[] {
    if (this.#unwritten === undefined) return []
    const { count, bytes, seq, at } = this.#unwritten
    const told = { by: this.name, where: 'capture', count, bytes } as const
    return [encodeLine({ v: messageVersion, seq, at, kind: 'messages-dropped', ...told })]
  }
}

/** Undefined where JSON nested ten thousands deep overflows the stack. */
function entryOf(msg: AnalysisMsg): Entry | undefined {
  try {
    return refEntry(msg) ?? encodeLine(redact(msg))
  } catch {
    return undefined
  }
}

/** The proxy redacts before a message exists; this is for messages that came another way. */
function redact(msg: AnalysisMsg): AnalysisMsg {
  switch (msg.kind) {
    case 'request-started':
    case 'response-started': {
      const headers = redactHeaders(msg.headers)
      return headers === msg.headers ? msg : { ...msg, headers }
    }
    case 'request-ended':
    case 'response-ended':
      return msg.trailers === undefined ? msg : { ...msg, trailers: redactHeaders(msg.trailers) }
    default:
      return msg
  }
}
