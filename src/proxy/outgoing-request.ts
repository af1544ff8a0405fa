/** From what the client asked to what goes upstream: hop-by-hop fields out, inline analyzers asked. */
import { describeError } from '../base/errors.ts'
import type {
  BodyTransform,
  HeaderList,
  MessageTransform,
  OutgoingRequest,
  Refusal,
} from '../pipeline/analyzer.ts'
import { RequestRefused } from '../pipeline/request-refused.ts'
import { formatAuthority } from '../policy/authority.ts'
import type { ExchangeInput, ExchangeServices } from './exchange-input.ts'
import type { ExchangeReport } from './exchange-report.ts'
import type { UpstreamRequest } from './http-messages.ts'
import { createHeaderList, forwardableRequestHeaders, hasBodyFraming } from './http-messages.ts'
import { judgeRequest } from './judge.ts'
import { frameAnew, holdBody, mayBeHeld } from './transformed-body.ts'
import type { PreparedBody } from './transformed-body.ts'

export type PreparedRequest =
  | {
      readonly request: UpstreamRequest
      readonly body: PreparedBody
      /** What the messages of a WebSocket's client go through. */
      readonly messages: readonly MessageTransform[]
    }
  | { readonly refusal: Refusal }
  /** The client left. */
  | 'gone'

type Report = Pick<ExchangeReport, 'emit' | 'conceal' | 'requestBody'>

const asItComes: PreparedBody = { kind: 'streamed', transforms: [] }

/** An unobserved exchange is not judged: nothing may be injected into what is not read. */
export async function prepareRequest(
  input: ExchangeInput,
  services: ExchangeServices,
  report: Report,
): Promise<PreparedRequest> {
  const { destination, method, connectionId, exchangeId, agent, upgrade } = input
  const isUpgrade = upgrade !== undefined
  const headers = createHeaderList(forwardableRequestHeaders(input.headers, isUpgrade))
  const outgoing = {
    connectionId,
    exchangeId,
    agent,
    scheme: destination.scheme,
    host: destination.authority.host,
    port: destination.authority.port,
    method,
    path: input.path,
    headers,
    emit: report.emit,
    conceal: report.conceal,
  }
  if (input.hooks?.changesRequestBody === true) frameAnew(headers)
  if (!services.isObserved) return sent(input, outgoing, asItComes, [])
  const hasBody = !isUpgrade && hasBodyFraming(input.headers)
  const { analyzers, limits } = services
  const verdict = await judgeRequest(analyzers, outgoing, limits.judgeDeadlineMs, {
    hasBody,
    isUpgrade,
  })
  if ('status' in verdict) return { refusal: verdict }
  const { transforms, messages } = verdict
  // What is compressed could not be looked into.
  if (messages.length > 0) headers.remove('sec-websocket-extensions')
  if (transforms.length === 0) return sent(input, outgoing, asItComes, messages)
  const body = await prepareBody(input, transforms, headers, report)
  return body === 'gone' || 'refusal' in body ? body : sent(input, outgoing, body, messages)
}

function sent(
  { destination, method }: ExchangeInput,
  { path, headers }: Pick<OutgoingRequest, 'path' | 'headers'>,
  body: PreparedBody,
  messages: readonly MessageTransform[],
): PreparedRequest {
  return { request: { destination, method, path, headers: headers.pairs() }, body, messages }
}

async function prepareBody(
  input: ExchangeInput,
  transforms: readonly BodyTransform[],
  headers: HeaderList,
  report: Report,
): Promise<PreparedBody | { readonly refusal: Refusal } | 'gone'> {
  if (input.hooks !== undefined || !mayBeHeld(input)) {
    frameAnew(headers, transforms)
    return { kind: 'streamed', transforms }
  }
  try {
    const onChunk = (chunk: Buffer): void => report.requestBody(chunk)
    return (await holdBody(input, transforms, headers, onChunk)) ?? 'gone'
  } catch (error) {
    return { refusal: refusalOf(error) }
  }
}

/** What the client is told where the body could not be transformed. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RequestRefused) return error.refusal
  const message = `porthole could not transform the body: ${describeError(error)}`
  return { status: 502, reason: 'body-transform-failed', message }
}

/** The absolute URL of an exchange; the default port is left out. */
export function requestUrl({ destination, path }: ExchangeInput): string {
  const schemePort = destination.scheme === 'https' ? 443 : 80
  return `${destination.scheme}://${formatAuthority(destination.authority, schemePort)}${path}`
}
