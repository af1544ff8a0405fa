/** From what the client asked to what goes upstream: hop-by-hop fields out, inline analyzers asked. */
import type { Readable, Transform } from 'node:stream'

import type { HeaderList, Refusal } from '../pipeline/analyzer.ts'
import { formatAuthority } from '../policy/authority.ts'
import type { ExchangeInput, ExchangeServices } from './exchange-input.ts'
import type { ExchangeReport } from './exchange-report.ts'
import type { UpstreamRequest } from './http-messages.ts'
import { createHeaderList, forwardableRequestHeaders, hasBodyFraming } from './http-messages.ts'
import { judgeRequest } from './judge.ts'
import type { RequestBody } from './request-body.ts'

export type PreparedRequest =
  | { readonly request: UpstreamRequest; readonly transforms: readonly Transform[] }
  | { readonly refusal: Refusal }

/** An unobserved exchange is not judged: nothing may be injected into what is not read. */
export async function prepareRequest(
  input: ExchangeInput,
  services: ExchangeServices,
  report: Pick<ExchangeReport, 'emit' | 'conceal'>,
  body: RequestBody,
): Promise<PreparedRequest> {
  const { destination, method, connectionId, exchangeId, agent } = input
  const headers = createHeaderList(
    forwardableRequestHeaders(input.headers, input.upgrade !== undefined),
  )
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
    isUpgrade: input.upgrade !== undefined,
    readBody: (maxBytes: number) =>
      input.upgrade === undefined && hasBodyFraming(input.headers)
        ? body.read(maxBytes)
        : Promise.resolve(Buffer.alloc(0)),
    emit: report.emit,
    conceal: report.conceal,
  }
  if (input.hooks?.changesRequestBody === true) frameAnew(headers)
  if (!services.isObserved) {
    return {
      request: { destination, method, path: input.path, headers: headers.pairs() },
      transforms: [],
    }
  }
  const { judgeDeadlineMs } = services.limits
  const verdict = await judgeRequest(
    services.analyzers,
    outgoing,
    judgeDeadlineMs,
    () => body.pending,
  )
  if ('status' in verdict) return { refusal: verdict }
  if (verdict.transforms.length > 0) frameAnew(headers)
  return {
    request: { destination, method, path: outgoing.path, headers: headers.pairs() },
    transforms: verdict.transforms,
  }
}

/** `source` as it is behind all of them, one after the other. */
export function throughTransforms(
  source: Readable,
  transforms: readonly Transform[],
  onFailed: (error: Error) => void,
): Readable {
  return transforms.reduce<Readable>(
    (before, transform) => before.pipe(transform.on('error', onFailed)),
    source,
  )
}

/** For a body whose length is not known before its end. */
function frameAnew(headers: HeaderList): void {
  headers.remove('content-length')
  headers.set('Transfer-Encoding', 'chunked')
}

/** The absolute URL of an exchange; the default port is left out. */
export function requestUrl({ destination, path }: ExchangeInput): string {
  const schemePort = destination.scheme === 'https' ? 443 : 80
  return `${destination.scheme}://${formatAuthority(destination.authority, schemePort)}${path}`
}
