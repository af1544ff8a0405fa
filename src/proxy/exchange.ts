/**
 * One exchange from request head to last byte: judged, forwarded, observed. It is written against
 * heads as raw pairs and byte streams; node's response object appears only behind
 * `client-response.ts`. Whatever happens, exactly one of `exchange-completed` and
 * `exchange-failed` is reported, a side that leaves takes the other with it, and a response cut
 * short upstream is cut short for the client too, never ended cleanly.
 */
import { describeError, errorCodeOf } from '../base/errors.ts'
import type { MessageTransform, Refusal } from '../pipeline/analyzer.ts'
import { formatAuthority } from '../policy/authority.ts'
import { isCredentialExchange } from '../policy/redaction.ts'
import {
  answerClient,
  answerFor,
  cutClient,
  flushed,
  relayHead,
  relayInterim,
} from './client-response.ts'
import type { Expiry } from './deadlines.ts'
import { decideRequest, takenByModule, tellOfRequest } from './decisions.ts'
import type { ExchangeInput, ExchangeResult, ExchangeServices } from './exchange-input.ts'
import { ExchangeReport } from './exchange-report.ts'
import type { FailurePhase } from './exchange-report.ts'
import { waitStateOf } from './exchange-wait.ts'
import type {
  InterimResponse,
  UpstreamExchange,
  UpstreamResponse,
  UpstreamUpgrade,
} from './http-messages.ts'
import { forwardableTrailers, contentLengthOf } from './http-messages.ts'
import { ModuleTurns } from './module-turns.ts'
import { prepareRequest, requestUrl } from './outgoing-request.ts'
import { pump } from './pump.ts'
import { RequestBody } from './request-body.ts'
import { sendRequest } from './request-sender.ts'
import { relayUpgrade } from './upgrade.ts'
import { explainUpstreamFailure } from './upstream-failure.ts'
import { WebSocketObserver } from './websocket-observer.ts'
import { startRewriting } from './websocket-rewriter.ts'

/** Carries the exchange through. Resolves when it has ended; never rejects. */
export async function runExchange(
  input: ExchangeInput,
  services: ExchangeServices,
): Promise<ExchangeResult> {
  const exchange = new Exchange(input, services)
  try {
    await exchange.run()
  } catch (error) {
    // Anything that reaches here is a fault of ours: the client must not wait for it.
    exchange.fail('proxy', 'waiting', errorCodeOf(error) ?? 'internal', describeError(error), 502)
  } finally {
    exchange.release()
  }
  return exchange.result
}

function ignore(): void {}

class Exchange {
  readonly #input: ExchangeInput
  readonly #services: ExchangeServices
  readonly #report: ExchangeReport
  readonly #body: RequestBody
  #upstream: UpstreamExchange | undefined
  readonly #stopWatching: () => void
  /** Undefined for an exchange in which no module has a say. */
  readonly #modules: ModuleTurns | undefined
  #hasAnswer = false
  #isSwitched = false
  #interims = 0

  constructor(input: ExchangeInput, services: ExchangeServices) {
    this.#input = input
    this.#services = services
    const sent = input.hooks?.sent ?? input
    const { host } = input.destination.authority
    this.#report = new ExchangeReport(services.reporter, sent, {
      observed: services.isObserved,
      withholdBodies:
        isCredentialExchange(host, input.path) ||
        (sent !== input && isCredentialExchange(host, sent.path)),
    })
    for (const value of input.concealed ?? []) this.#report.conceal(value)
    this.#body = new RequestBody(input, services.heldBodies, (chunk) =>
      this.#report.requestBody(chunk),
    )
    if (input.hooks !== undefined) {
      this.#modules = new ModuleTurns(input.hooks, input, {
        report: this.#report,
        fail: (...failure) => this.fail(...failure),
        abort: () => this.#upstream?.abort(),
      })
    }
    this.#stopWatching = services.deadlines.watch({
      state: () =>
        waitStateOf(input, {
          ...this.#report.result,
          isRequestEnded: this.#report.isRequestEnded,
          hasAnswer: this.#hasAnswer,
          isSwitched: this.#isSwitched,
          interims: this.#interims + Number(this.#body.hasAsked),
        }),
      expired: (expiry) => this.#onExpired(expiry),
    })
  }

  get result(): ExchangeResult {
    return this.#report.result
  }

  /** Lets go of the connection, which may carry further exchanges. */
  release(): void {
    this.#stopWatching()
    this.#body.dispose()
    this.#input.onClientClosed.delete(this.#onClientClosed)
  }

  async run(): Promise<void> {
    const { body, response, upgrade, onClientClosed, hooks } = this.#input
    body.on('error', ignore)
    response.on('error', ignore)
    response.on('close', this.#onClientClosed)
    onClientClosed.add(this.#onClientClosed)
    // Nobody reads a socket that waits for its upgrade: its end alone does not close it.
    upgrade?.socket.once('end', this.#onClientClosed)
    this.#report.started(requestUrl(hooks?.sent ?? this.#input))
    if (this.#modules?.isTaken === true) {
      void tellOfRequest(this.#services.decisions, this.#input, takenByModule)
      return this.#modules.leave()
    }

    const prepared = await prepareRequest(this.#input, this.#services, this.#report, this.#body)
    // Nothing is said to be let through, or refused, whose client has heard the last of it.
    const judged = this.#report.isOver ? 'gone' : prepared
    const refusal = await decideRequest(this.#services, this.#input, judged, this.#report.failure)
    if (judged === 'gone') return this.#onClientClosed()
    if (refusal !== undefined) return this.#refuse(refusal)
    if (this.#report.isOver || 'refusal' in judged) return
    this.#report.sends(judged.request)
    const upstream = this.#services.forwarder.open(judged.request, (interim) =>
      this.#relayInterim(interim),
    )
    this.#upstream = upstream
    const sending = {
      input: this.#input,
      body: this.#body,
      report: this.#report,
      modules: this.#modules,
      upstream,
      fail: (...failure: Parameters<Exchange['fail']>) => this.fail(...failure),
      refuse: (refusal: Refusal) => this.#refuseLate(refusal),
    }
    void sendRequest(sending, judged.body)

    let answer: UpstreamResponse | UpstreamUpgrade
    try {
      answer = await upstream.answer
    } catch (error) {
      this.#failUpstream(error, upstream.isConnected() ? 'waiting' : 'connect')
      return
    }
    this.#hasAnswer = true
    if (this.#report.isOver) {
      upstream.abort()
      return
    }
    if ('socket' in answer) await this.#relayUpgrade(answer, judged.messages)
    else await this.#relayResponse(answer)
  }

  /** Ends the exchange as failed, once; tells the client `status` if it has heard nothing yet. */
  fail(
    by: 'client' | 'upstream' | 'proxy',
    phase: FailurePhase,
    code: string,
    message: string,
    status?: number,
  ): void {
    const { response } = this.#input
    const told =
      status !== undefined && !response.headersSent && !response.destroyed ? status : undefined
    const isFirst = this.#report.failed({
      by,
      phase,
      code,
      message,
      ...(told === undefined ? {} : { status: told }),
    })
    this.#upstream?.abort()
    if (!isFirst) return
    // Whoever sends too slowly must not go on with it.
    if (told === 408) response.shouldKeepAlive = false
    if (told === undefined) cutClient(this.#input, by)
    else answerClient(response, { status: told, code, message })
  }

  #relayInterim(interim: InterimResponse): void {
    this.#interims += 1
    // The client has had it already.
    if (interim.status === 100 && this.#body.hasAsked) return
    if (this.#interims <= this.#services.limits.maxInterims)
      relayInterim(this.#input.response, interim)
    else {
      const message = 'the upstream sent interim responses without end'
      this.fail('upstream', 'waiting', 'interim-flood', message, 502)
    }
  }

  #refuse(refusal: Refusal): void {
    this.#report.refused(refusal)
    this.#body.discard()
    answerClient(this.#input.response, answerFor(refusal))
  }

  /** After it was let through, and some of it was sent: it has failed, and its answer is a refusal. */
  #refuseLate(refusal: Refusal): void {
    const { status, reason, message } = refusal
    this.#report.failed({ by: 'proxy', phase: 'request', code: reason, message, status })
    this.#body.discard()
    answerClient(this.#input.response, answerFor(refusal))
  }

  async #relayResponse(answer: UpstreamResponse): Promise<void> {
    const { response, onClientClosed } = this.#input
    this.#report.responseStarted(answer, this.#upstream?.timing)
    const modules = this.#modules
    const relayed = modules === undefined ? answer : await modules.response(answer)
    if (relayed === undefined) return
    relayHead(response, relayed)
    const onChunk = (chunk: Buffer): void => {
      if (relayed.body === answer.body) this.#report.responseBody(chunk)
    }
    const outcome = await pump(relayed.body, response, onChunk, {
      length: modules === undefined ? contentLengthOf(answer.headers) : undefined,
      flushHead: () => response.destroyed || response.flushHeaders(),
    })
    if (modules?.hasAnswered === true) return modules.leave()
    if (!outcome.ended) {
      const code = errorCodeOf(outcome.error) ?? 'ECONNRESET'
      if (outcome.side === 'source') {
        this.fail('upstream', 'response', code, 'the upstream broke off its response')
      } else
        this.fail('client', 'response', 'client-aborted', 'the client left during the response')
      return
    }
    const trailers = answer.trailers()
    const passed = forwardableTrailers(trailers)
    if (passed.length > 0)
      response.addTrailers(passed.map(([name, value]): [string, string] => [name, value]))
    this.#report.responseEnded(trailers)
    if (modules !== undefined && !(await modules.responseEnded())) return
    response.end()
    await flushed(response, onClientClosed)
    if (response.writableFinished) this.#report.completed(relayed.status)
  }

  async #relayUpgrade(
    answer: UpstreamUpgrade,
    messages: readonly MessageTransform[],
  ): Promise<void> {
    const { upgrade, resetClient } = this.#input
    if (upgrade === undefined) {
      answer.socket.destroy()
      const message = 'the upstream switched protocols unasked'
      this.fail('upstream', 'response', 'unrequested-upgrade', message, 502)
      return
    }
    this.#isSwitched = true
    this.#report.responseStarted({ ...answer, httpVersion: '1.1' }, this.#upstream?.timing)
    const { maxWebSocketMessageBytes } = this.#services.limits
    const observer = this.#report.showsBodies
      ? new WebSocketObserver(answer.headers, this.#report, maxWebSocketMessageBytes)
      : undefined
    const rewriting = startRewriting(messages, maxWebSocketMessageBytes, () => {
      answer.socket.destroy()
      upgrade.socket.destroy()
    })
    const end = await relayUpgrade(
      { ...upgrade, reset: resetClient },
      answer,
      (direction, chunk) => {
        this.#report.count(direction, chunk.byteLength)
        observer?.saw(direction, chunk)
      },
      rewriting?.through,
    )
    rewriting?.stop()
    observer?.ended()
    const failure = rewriting?.failure
    if (failure !== undefined) this.fail('proxy', 'request', failure.code, failure.message)
    else if (end.ok) this.#report.completed(101)
    else this.fail(end.by, 'response', end.code, `the ${end.by} broke off the WebSocket`)
  }

  #onExpired({ by, phase, code, message, status }: Expiry): void {
    // Within a WebSocket an answer would be read as frames.
    this.fail(by, phase, code, message, this.#isSwitched ? undefined : status)
    if (this.#isSwitched) this.#input.upgrade?.socket.destroy()
  }

  #failUpstream(error: unknown, phase: 'connect' | 'waiting'): void {
    const { authority } = this.#input.destination
    const failure = explainUpstreamFailure(error, formatAuthority(authority), phase)
    if (failure.tls !== undefined && !this.#report.isOver) {
      this.#report.emit({
        kind: 'tls-failed',
        host: authority.host,
        side: 'upstream',
        ...failure.tls,
      })
    }
    this.fail('upstream', phase, failure.code, failure.message, failure.status)
  }

  readonly #onClientClosed = (): void => {
    if (this.#report.isOver) return
    if (this.#input.upgrade !== undefined && this.#hasAnswer) return
    if (this.#input.response.writableFinished) {
      // Without modules, whoever ends a response also tells of it.
      this.#modules?.answered()
      return
    }
    const phase = this.#hasAnswer ? 'response' : this.#report.isRequestEnded ? 'waiting' : 'request'
    this.fail('client', phase, 'client-aborted', 'the client closed the connection')
  }
}
