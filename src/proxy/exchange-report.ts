/**
 * What an exchange tells the observation plane: redacted heads, body chunks, and exactly one end.
 * It counts and times; it never touches a stream, and nothing it does can throw into traffic.
 */
import type { Clock } from '../base/clock.ts'
import type { AnalysisMsgDraft, HeaderPairs, MsgOf } from '../messages/schema.ts'
import type { Refusal } from '../pipeline/analyzer.ts'
import type { BodyChunk, UnreadBytes } from '../pipeline/pipeline.ts'
import { ConcealedValues } from '../policy/concealed-values.ts'
import type { EchoPlace } from '../policy/concealed-values.ts'
import { redacted, redactHeaders, redactUrl, secretValuesOf } from '../policy/redaction.ts'
import type { UpstreamTiming } from './http-messages.ts'

/** The part of the pipeline that the traffic plane sees. */
export interface Reporter {
  readonly clock: Clock
  /** False where nobody would see what is told. */
  readonly isWatched?: boolean
  publish(draft: AnalysisMsgDraft): void
  publishBody(body: BodyChunk): void
  /** False where the bytes were dropped. */
  publishUnread(unread: UnreadBytes): boolean
}

export type FailurePhase = MsgOf<'exchange-failed'>['phase']

interface ExchangeIdentity {
  readonly connectionId: string
  readonly exchangeId: string
  readonly agent?: string | undefined
  readonly method: string
  readonly path: string
  readonly httpVersion: string
  readonly headers: HeaderPairs
  readonly destination: { readonly authority: { readonly host: string } }
}

interface ReportOptions {
  /** False: nothing but byte counts leaves here. */
  readonly observed: boolean
  /** True where bodies are credentials: heads and sizes are told, bytes are not. */
  readonly withholdBodies: boolean
}

export class ExchangeReport {
  readonly #reporter: Reporter
  readonly #identity: ExchangeIdentity
  readonly #options: ReportOptions
  readonly #ids: { connectionId: string; exchangeId: string; agent?: string }
  readonly #startedMs: number
  #requestBytes = 0
  #responseBytes = 0
  #requestEnded = false
  /** Heads whose credentials must not be seen in bodies; read when the first body is told. */
  readonly #heads: Array<Pick<ExchangeIdentity, 'headers' | 'path'>> = []
  /** Values that were put into the request; their forms are made when something is told. */
  readonly #concealed = new ConcealedValues()
  #known: string[] | undefined
  #over = false
  #problem: string | undefined
  #failure: { readonly code: string; readonly status?: number | undefined } | undefined

  constructor(reporter: Reporter, identity: ExchangeIdentity, options: ReportOptions) {
    this.#reporter = reporter
    this.#identity = identity
    this.#options = options
    const { connectionId, exchangeId, agent } = identity
    this.#ids = { connectionId, exchangeId, ...(agent === undefined ? {} : { agent }) }
    this.#startedMs = reporter.clock.monotonicMs()
    this.#heads.push(identity)
  }

  get isOver(): boolean {
    return this.#over
  }

  /** How it failed, if it has. */
  get failure(): { readonly code: string; readonly status?: number | undefined } | undefined {
    return this.#failure
  }

  get result(): {
    readonly requestBytes: number
    readonly responseBytes: number
    readonly problem: string | undefined
    readonly code: string | undefined
  } {
    return {
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      problem: this.#problem,
      code: this.#failure?.code,
    }
  }

  get isRequestEnded(): boolean {
    return this.#requestEnded
  }

  /** Publishes under this exchange's ids; silent for an unobserved one. */
  readonly emit = (draft: AnalysisMsgDraft): void => {
    if (this.#isTold) this.#reporter.publish(Object.assign({ ...this.#ids }, draft))
  }

  /** The request as it goes upstream: credentials that were put into it are hidden in what is told. */
  sends(head: Pick<ExchangeIdentity, 'headers' | 'path'>): void {
    this.#heads.push(head)
    this.#known = undefined
  }

  /** A value that inline analyzers put into the request is hidden in what is told, from now on. */
  readonly conceal = (
    value: string,
    { secretId }: { readonly secretId?: string | undefined } = {},
  ): void => {
    this.#concealed.add(value, secretId)
    this.#known = undefined
  }

  /** Credentials of this exchange, in the forms in which they may be repeated. */
  get #secrets(): readonly string[] {
    // What the client sent mostly goes upstream as it is.
    this.#known ??= [
      ...new Set([
        ...this.#heads.flatMap(({ headers, path }) => secretValuesOf(headers, path)),
        ...this.#concealed.forms,
      ]),
    ].sort((a, b) => b.length - a.length)
    return this.#known
  }

  get #isTold(): boolean {
    return this.#options.observed && this.#reporter.isWatched !== false
  }

  /** Whether bytes of this exchange may be told at all. */
  get showsBodies(): boolean {
    return this.#isTold && !this.#options.withholdBodies
  }

  /** Queues bytes that become messages of this exchange; false where they were dropped. */
  readonly publishUnread = (unread: UnreadBytes): boolean =>
    this.#reporter.publishUnread({
      bytes: unread.bytes,
      known: this.#secrets,
      concealed: this.#concealed,
      read: () => this.#identified(unread.read()),
    })

  started(url: string): void {
    if (!this.#isTold) return
    const { method, httpVersion, headers, destination } = this.#identity
    // What stands in fields that nobody knows to be secret is masked by its value.
    const secrets = this.#concealed.isEmpty ? [] : this.#secrets
    this.emit({
      kind: 'request-started',
      method,
      url: maskValues(redactUrl(url), secrets),
      httpVersion,
      headers: secrets.length === 0 ? redactHeaders(headers) : shownFields(headers, secrets),
      host: destination.authority.host,
    })
  }

  requestBody(chunk: Buffer): void {
    this.#body('request-body', this.#requestBytes, chunk)
    this.#requestBytes += chunk.byteLength
  }

  requestEnded(trailers: HeaderPairs): void {
    if (this.#requestEnded || this.#over) return
    this.#requestEnded = true
    this.emit({ kind: 'request-ended', bytes: this.#requestBytes, ...optionalTrailers(trailers) })
  }

  responseStarted(
    head: {
      status: number
      statusText: string
      httpVersion: string
      headers: HeaderPairs
    },
    timing?: UpstreamTiming,
  ): void {
    if (!this.#isTold) return
    const secrets = this.#secrets
    this.emit({
      kind: 'response-started',
      status: head.status,
      statusText: maskValues(head.statusText, secrets),
      httpVersion: head.httpVersion,
      headers: shownFields(head.headers, secrets),
      ttfbMs: this.#elapsedMs(),
      ...timing,
    })
    this.#tellEchoes([['', head.statusText]], { where: 'status' })
    this.#tellEchoes(head.headers, { where: 'header' })
  }

  responseBody(chunk: Buffer): void {
    this.#body('response-body', this.#responseBytes, chunk)
    this.#responseBytes += chunk.byteLength
  }

  /** Counts bytes that are relayed without being shown. */
  count(direction: 'request' | 'response', bytes: number): void {
    if (direction === 'request') this.#requestBytes += bytes
    else this.#responseBytes += bytes
  }

  responseEnded(trailers: HeaderPairs): void {
    this.emit({
      kind: 'response-ended',
      bytes: this.#responseBytes,
      durationMs: this.#elapsedMs(),
      // Secrets are read from the heads when they are needed: most responses have no trailers.
      ...optionalTrailers(trailers, trailers.length === 0 ? [] : this.#secrets),
    })
    this.#tellEchoes(trailers, { where: 'trailer' })
  }

  refused(refusal: Refusal): void {
    if (this.#over) return
    const { status, reason, message, rule } = refusal
    this.emit({
      kind: 'request-refused',
      status,
      reason,
      message,
      ...(rule === undefined ? {} : { rule }),
    })
    this.completed(status)
  }

  completed(status: number): void {
    if (this.#over) return
    this.#over = true
    this.emit({
      kind: 'exchange-completed',
      status,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      durationMs: this.#elapsedMs(),
    })
  }

  /** False if the exchange was over already. */
  failed(
    failure: Omit<MsgOf<'exchange-failed'>, 'kind' | 'v' | 'seq' | 'at' | 'durationMs'>,
  ): boolean {
    if (this.#over) return false
    this.#over = true
    this.#problem = failure.message ?? failure.code
    this.#failure = failure
    this.emit({ kind: 'exchange-failed', ...failure, durationMs: this.#elapsedMs() })
    return true
  }

  #body(kind: BodyChunk['kind'], offset: number, chunk: Buffer): void {
    if (!this.showsBodies || this.#over) return
    const { connectionId, exchangeId, agent } = this.#ids
    const known = this.#secrets
    const body = { kind, connectionId, exchangeId, agent, offset, chunk, known }
    this.#reporter.publishBody(
      this.#concealed.isEmpty ? body : { ...body, concealed: this.#concealed },
    )
  }

  /** Of fields as they came: what redaction takes out of them is not seen afterwards. */
  #tellEchoes(fields: HeaderPairs, { where }: EchoPlace): void {
    if (this.#concealed.isEmpty || !this.#isTold) return
    for (const [name, value] of fields) {
      const shown = maskValues(name, this.#secrets)
      const place = name === '' ? { where } : { where, name: shown }
      for (const echo of this.#concealed.notesIn(`${name}\n${value}`, place)) this.emit(echo)
    }
  }

  *#identified(drafts: ReturnType<UnreadBytes['read']>): Generator<AnalysisMsgDraft, void> {
    for (let next = drafts.next(); next.done !== true; next = drafts.next()) {
      yield { ...this.#ids, ...next.value }
    }
  }

  /** Milliseconds since the request's head, to the hundredth. */
  #elapsedMs(): number {
    return Math.round((this.#reporter.clock.monotonicMs() - this.#startedMs) * 100) / 100
  }
}

function optionalTrailers(
  trailers: HeaderPairs,
  secrets: readonly string[] = [],
): { trailers?: Array<[string, string]> } {
  return trailers.length === 0 ? {} : { trailers: shownFields(trailers, secrets) }
}

function shownFields(pairs: HeaderPairs, secrets: readonly string[]): Array<[string, string]> {
  return redactHeaders(pairs).map(([name, value]) => [
    maskValues(name, secrets),
    maskValues(value, secrets),
  ])
}

/** A request target, without secrets known by their looks and those known by their value. */
export function shownPath(path: string, concealed: readonly string[] = []): string {
  const secrets = concealed.toSorted((a, b) => b.length - a.length)
  return maskValues(redactUrl(maskValues(path, secrets)), secrets)
}

/** An upstream may repeat in its head what it was sent. */
function maskValues(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, redacted), text)
}
