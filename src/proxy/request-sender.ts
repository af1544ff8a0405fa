/**
 * The way up of one exchange: the request's body, as it comes or transformed, and its trailers. What
 * the client sent is what is told of it. A body that breaks off never looks complete upstream.
 */
import type { Readable } from 'node:stream'

import type { Refusal } from '../pipeline/analyzer.ts'
import type { ExchangeInput } from './exchange-input.ts'
import type { ExchangeReport, FailurePhase } from './exchange-report.ts'
import type { UpstreamExchange } from './http-messages.ts'
import { contentLengthOf, forwardableTrailers, hasBodyFraming } from './http-messages.ts'
import type { ModuleTurns } from './module-turns.ts'
import { refusalOf } from './outgoing-request.ts'
import { pump } from './pump.ts'
import type { PumpOutcome } from './pump.ts'
import type { RequestBody } from './request-body.ts'
import { throughTransforms, transformTrailers } from './transformed-body.ts'
import type { PreparedBody } from './transformed-body.ts'

export interface RequestSending {
  readonly input: ExchangeInput
  readonly body: RequestBody
  readonly report: ExchangeReport
  /** Undefined for an exchange in which no module has a say. */
  readonly modules: ModuleTurns | undefined
  readonly upstream: UpstreamExchange
  readonly fail: (
    by: 'client' | 'proxy',
    phase: FailurePhase,
    code: string,
    message: string,
    status?: number,
  ) => void
  readonly refuse: (refusal: Refusal) => void
}

/** Resolves when all was handed on, or the exchange has failed; never rejects. */
export async function sendRequest(sending: RequestSending, prepared: PreparedBody): Promise<void> {
  const { input, report, modules, upstream } = sending
  const { upgrade, headers, requestTrailers } = input
  if (upgrade !== undefined || !hasBodyFraming(headers)) {
    sending.body.discard()
    if (modules !== undefined && !(await modules.bodilessRequestEnded())) return
    upstream.body.end()
    report.requestEnded([])
    return
  }
  if (prepared.kind === 'held') {
    upstream.body.end(prepared.bytes)
    report.requestEnded([])
    return
  }
  const { tee } = sending.body
  const body = sending.body.stream()
  const source = bodyToSend(sending, body, prepared)
  const isPlain = source === body
  // The tee reads what the client sent, before any transform: what is put in is not recorded.
  if (!isPlain && prepared.kind !== 'begun') body.on('data', tee)
  const outcome = await pump(source, upstream.body, isPlain ? tee : ignore, {
    length: isPlain ? contentLengthOf(headers) : undefined,
    flushHead: () => upstream.flushHead(),
  })
  if (!outcome.ended) {
    onBroken(sending, outcome)
    return
  }
  const trailers = requestTrailers()
  try {
    const transformed = await transformTrailers(forwardableTrailers(trailers), prepared.transforms)
    if (transformed.length > 0) upstream.sendTrailers(transformed)
  } catch (error) {
    failTransform(sending, error)
    return
  }
  upstream.body.end()
  report.requestEnded(trailers)
}

function bodyToSend(
  sending: RequestSending,
  body: Readable,
  prepared: Exclude<PreparedBody, { kind: 'held' }>,
): Readable {
  const onFailed = (error: Error): void => failTransform(sending, error)
  if (prepared.kind === 'begun') return prepared.stream.on('error', onFailed)
  const source = sending.modules?.requestBody(body) ?? body
  return throughTransforms(source, prepared.transforms, onFailed)
}

/** The body is not sent to its end; what was sent of it never looks complete. */
function failTransform({ input, report, upstream, fail, refuse }: RequestSending, error: unknown) {
  const refusal = refusalOf(error)
  const { status, reason, message } = refusal
  if (input.response.headersSent || reason === 'body-transform-failed') {
    fail('proxy', 'request', reason, message, status)
    return
  }
  if (!report.isOver) refuse(refusal)
  upstream.abort()
}

function onBroken(
  { input, body, fail }: RequestSending,
  outcome: Extract<PumpOutcome, { ended: false }>,
): void {
  if (outcome.side === 'source') {
    fail('client', 'request', 'client-aborted', 'the client left while sending its request')
    return
  }
  // The upstream stopped reading. If it has answered (a 413, say) the answer stands; if not,
  // `answer` is about to reject with the reason.
  input.body.unpipe()
  body.discard()
}

function ignore(): void {}
