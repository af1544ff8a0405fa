/**
 * The turns of modules within one exchange: when their hooks run, and what becomes of the exchange
 * when one fails (the client hears 502, or its connection is broken off) or when a module answers
 * the client itself (that answer stands, and the upstream is dropped).
 */
import type { Readable } from 'node:stream'

import { describeError } from '../base/errors.ts'
import { flushed } from './client-response.ts'
import type { ExchangeHooks, ExchangeInput } from './exchange-input.ts'
import type { ExchangeReport, FailurePhase } from './exchange-report.ts'
import { isHookTimeout } from './hook-filters.ts'
import type { UpstreamResponse } from './http-messages.ts'

/** What the turns ask of the exchange that they are part of. */
interface ExchangeControl {
  readonly report: ExchangeReport
  /** Ends the exchange as failed; tells the client `status` if it has heard nothing yet. */
  readonly fail: (
    by: 'client' | 'proxy',
    phase: FailurePhase,
    code: string,
    message: string,
    status: number,
  ) => void
  /** Drops the upstream, if there is one by now. */
  readonly abort: () => void
}

export class ModuleTurns {
  readonly #hooks: ExchangeHooks
  readonly #input: ExchangeInput
  readonly #control: ExchangeControl
  /** Settles when the response is over; one promise, for the sake of few listeners. */
  #over: Promise<void> | undefined

  constructor(hooks: ExchangeHooks, input: ExchangeInput, control: ExchangeControl) {
    this.#hooks = hooks
    this.#input = input
    this.#control = control
  }

  /** True where a module has begun an answer, or the client has left, before the exchange began. */
  get isTaken(): boolean {
    return this.#input.response.headersSent || this.#input.response.destroyed
  }

  /** True where a module has ended the response. */
  get hasAnswered(): boolean {
    return this.#input.response.writableEnded
  }

  requestBody(body: Readable): Readable {
    return this.#hooks.requestBody(body, (error) => this.#failed('request', error))
  }

  bodilessRequestEnded(): Promise<boolean> {
    return this.#hasRun('request', this.#hooks.bodilessRequestEnded())
  }

  /** The response as the client is to get it; undefined where there is none to relay any more. */
  async response(answer: UpstreamResponse): Promise<UpstreamResponse | undefined> {
    let relayed: UpstreamResponse | undefined
    const started = this.#hooks.response(answer, {
      onChunk: (chunk) => this.#control.report.responseBody(chunk),
      onFailed: (error) => this.#failed('response', error),
    })
    const hasRun = await this.#hasRun(
      'response',
      started.then((changed) => {
        relayed = changed
      }),
    )
    if (hasRun && !this.#input.response.headersSent) return relayed
    await this.leave()
    return undefined
  }

  responseEnded(): Promise<boolean> {
    return this.#hasRun('response', this.#hooks.responseEnded())
  }

  /** Leaves the client to a module that has begun an answer of its own; resolves when that is over. */
  async leave(): Promise<void> {
    if (this.#control.report.isOver) return
    this.#control.abort()
    this.#input.body.resume()
    await this.#responseOver()
    this.answered()
  }

  /** The response is over without the exchange having ended it. */
  answered(): void {
    const { response } = this.#input
    this.#control.abort()
    if (response.writableFinished) this.#control.report.completed(response.statusCode)
    else this.#control.fail('client', 'response', 'client-aborted', 'the client left', 502)
  }

  /** False where a hook failed, or the response was over before its hooks were. */
  async #hasRun(phase: FailurePhase, hooks: Promise<void>): Promise<boolean> {
    try {
      await Promise.race([hooks, this.#responseOver()])
    } catch (error) {
      this.#failed(phase, error)
      return false
    }
    return !this.#control.report.isOver && !this.#input.response.writableFinished
  }

  #responseOver(): Promise<void> {
    const { response, onClientClosed } = this.#input
    this.#over ??= flushed(response, onClientClosed)
    return this.#over
  }

  /** Where the module had answered the client in full, that answer stands. */
  #failed(phase: FailurePhase, error: unknown): void {
    if (this.hasAnswered) return
    const message = describeError(error)
    const isLate = isHookTimeout(error)
    if (isLate) {
      this.#control.report.emit({ kind: 'analyzer-failed', analyzer: 'module', error: message })
    }
    this.#control.fail('proxy', phase, isLate ? 'module-timeout' : 'module-failed', message, 502)
  }
}
