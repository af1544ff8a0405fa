/** From what the client asked to what goes upstream: hop-by-hop fields out, inline analyzers asked. */
import { describeError } from '../base/errors.ts'
import type { AnalysisMsgDraft } from '../messages/schema.ts'
import type {
  BodyTransform,
  HeaderList,
  MessageTransform,
  OutgoingRequest,
  Refusal,
} from '../pipeline/analyzer.ts'
import { RequestRefused } from '../pipeline/request-refused.ts'
import { formatAuthority } from '../policy/authority.ts'
import { dropOwnTokens } from '../policy/own-token.ts'
import type { ExchangeInput, ExchangeServices } from './exchange-input.ts'
import type { ExchangeReport } from './exchange-report.ts'
import type { UpstreamRequest } from './http-messages.ts'
import { createHeaderList, forwardableRequestHeaders, hasBodyFraming } from './http-messages.ts'
import { judgeRequest } from './judge.ts'
import type { RequestBody } from './request-body.ts'
import { frameAnew, holdBody, mayBeHeld } from './transformed-body.ts'
import type { PreparedBody } from './transformed-body.ts'

export type PreparedRequest =
  | {
      readonly request: UpstreamRequest
      readonly body: PreparedBody
      /** What the messages of a WebSocket's client go through. */
      readonly messages: readonly MessageTransform[]
      /** Name of the rule that allowed it; undefined where none had to. */
      readonly rule?: string | undefined
    }
  | { readonly refusal: Refusal }
  /** The client left. */
  | 'gone'

const asItComes: PreparedBody = { kind: 'streamed', transforms: [] }

/** An unobserved exchange is not judged: nothing may be injected into what is not read. */
export async function prepareRequest(
  input: ExchangeInput,
  services: ExchangeServices,
  report: Pick<ExchangeReport, 'emit' | 'conceal' | 'isOver'>,
  body: RequestBody,
): Promise<PreparedRequest> {
  const { destination, method, connectionId, exchangeId, agent, upgrade } = input
  const isUpgrade = upgrade !== undefined
  let rule: string | undefined
  const headers = createHeaderList(forwardableRequestHeaders(input.headers, isUpgrade))
  const hasBody = !isUpgrade && hasBodyFraming(input.headers)
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
    asSent: () => ({ path: input.path, headers: createHeaderList(input.headers) }),
    isOver: () => report.isOver,
    isUpgrade,
    readBody: (maxBytes: number) =>
      hasBody ? body.read(maxBytes) : Promise.resolve(Buffer.alloc(0)),
    emit: (draft: AnalysisMsgDraft): void => {
      const isVerdict = draft.kind === 'rule-matched' && draft.mode === 'enforce'
      if (isVerdict && draft.decision === 'allow') rule = draft.rule
      report.emit(draft)
    },
    conceal: report.conceal,
  }
  if (input.hooks?.changesRequestBody === true) frameAnew(headers)
  if (!services.isObserved) return sent(input, outgoing, asItComes)
  const verdict = await judgeRequest(
    services.analyzers,
    outgoing,
    services.limits.judgeDeadlineMs,
    { hasBody, isUpgrade, awaited: () => body.pending },
  )
  if ('status' in verdict) return { refusal: verdict }
  const { transforms, messages } = verdict
  // Whoever has put a token of ours where none was wanted has not put it there for the upstream.
  dropOwnTokens(outgoing)
  // What is compressed could not be looked into.
  if (messages.length > 0) headers.remove('sec-websocket-extensions')
  const prepared =
    transforms.length === 0 ? asItComes : await prepareBody(input, body, transforms, headers)
  if (prepared === 'gone' || 'refusal' in prepared) return prepared
  return { ...sent(input, outgoing, prepared), messages, rule }
}

function sent(
  { destination, method }: ExchangeInput,
  { path, headers }: Pick<OutgoingRequest, 'path' | 'headers'>,
  body: PreparedBody,
): Extract<PreparedRequest, { readonly body: PreparedBody }> {
  return { request: { destination, method, path, headers: headers.pairs() }, body, messages: [] }
}

async function prepareBody(
  input: ExchangeInput,
  body: RequestBody,
  transforms: readonly BodyTransform[],
  headers: HeaderList,
): Promise<PreparedBody | { readonly refusal: Refusal } | 'gone'> {
  if (input.hooks !== undefined || !mayBeHeld(input)) {
    frameAnew(headers, transforms)
    return { kind: 'streamed', transforms }
  }
  try {
    return (await holdBody(body, transforms, headers)) ?? 'gone'
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
