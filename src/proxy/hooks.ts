/**
 * The hooks kept from http-mitm-proxy, with the differences that its users gain from: hooks run one
 * after the other in the order they were registered, and one that fails stops the rest. What hooks
 * change in a head (`ctx.proxyToServerRequestOptions`, `ctx.serverToProxyResponse`) is applied to
 * the raw field lines. Host, port and framing stay ours: policy decided on the first two, and the
 * body is framed by what it is when it leaves.
 */
import { IncomingMessage, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http'
import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import type { Duplex, Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'

import type { Proxy as MitmProxy } from 'http-mitm-proxy'

import { asError, AppError } from '../base/errors.ts'
import { headerValues } from '../messages/header-values.ts'
import type { HeaderPairs } from '../messages/schema.ts'
import { flushed } from './client-response.ts'
import type { BodyObserver, ExchangeHooks, ExchangeInput } from './exchange-input.ts'
import type { BodyStage, ChunkHook, HookDeadline, StageFailed } from './hook-filters.ts'
import { called, chunkHooks, gateAfter, throughStages } from './hook-filters.ts'
import type { UpstreamResponse } from './http-messages.ts'
import { createHeaderList, hasBodyFraming } from './http-messages.ts'
import type { RequestContext } from './module-surface.ts'
import { completeContext } from './module-surface.ts'
import type { PendingRequest } from './request-handler.ts'

type RequestOptions = RequestContext['proxyToServerRequestOptions']
type Hook = RequestContext['onRequestHandlers'][number]
type Fields = Readonly<Record<string, unknown>>

/** Fields that a module's change does not reach: see the header of this file. */
const fixedFields = new Set(['connection', 'content-length', 'host', 'transfer-encoding'])

export async function runConnectHooks(
  proxy: MitmProxy,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  deadlineMs: number,
): Promise<void> {
  const deadline = { ms: deadlineMs, hook: 'onConnect' }
  for (const hook of proxy.onConnectHandlers) {
    await called((done) => hook.call(proxy, request, socket, head, done), deadline)
  }
}

/** False where no registered hook has a say in requests: they take the path without any. */
export function hasExchangeHooks(proxy: MitmProxy): boolean {
  return (
    proxy.onRequestHandlers.length > 0 ||
    proxy.onRequestHeadersHandlers.length > 0 ||
    proxy.onRequestDataHandlers.length > 0 ||
    proxy.onRequestEndHandlers.length > 0 ||
    proxy.onResponseHandlers.length > 0 ||
    proxy.onResponseHeadersHandlers.length > 0 ||
    proxy.onResponseDataHandlers.length > 0 ||
    proxy.onResponseEndHandlers.length > 0
  )
}

export async function runRequestHooks(
  proxy: MitmProxy,
  ctx: RequestContext,
  deadlineMs: number,
): Promise<void> {
  const onRequest = deadlineOf(ctx, 'onRequest', deadlineMs)
  await runInOrder(ctx, proxy.onRequestHandlers.slice(), onRequest)
  // After those: what they have added to the context (`ctx.use(...)`) counts too.
  await runInOrder(ctx, ctx.onRequestHandlers.slice(), onRequest)
  const onRequestHeaders = deadlineOf(ctx, 'onRequestHeaders', deadlineMs)
  await runInOrder(ctx, proxy.onRequestHeadersHandlers, onRequestHeaders)
  await runInOrder(ctx, ctx.onRequestHeadersHandlers, onRequestHeaders)
}

/**
 * A module that has begun an answer of its own may never call back: what it does is its answer.
 * Within a body the answer has begun, whoever began it: there it must.
 */
function deadlineOf(ctx: RequestContext, hook: string, ms: number): HookDeadline {
  const isWithinBody = /(?:Data|End)$/u.test(hook)
  return { ms, hook, isMoot: () => !isWithinBody && ctx.proxyToClientResponse.headersSent }
}

async function runInOrder(
  ctx: RequestContext,
  hooks: readonly Hook[],
  deadline: HookDeadline,
): Promise<void> {
  for (const hook of hooks) await called((done) => hook(ctx, done), deadline)
}

/**
 * Runs the request hooks and returns the request as they left it, with what the later hooks are to
 * do. Resolves early where a module answers the request itself. Rejects where a hook fails.
 */
export async function throughRequestHooks(
  proxy: MitmProxy,
  ctx: RequestContext,
  pending: PendingRequest,
  deadlineMs: number,
): Promise<PendingRequest> {
  const { response, onClientClosed } = pending.input
  completeContext(ctx)
  const before = structuredClone(ctx.proxyToServerRequestOptions)
  try {
    await Promise.race([runRequestHooks(proxy, ctx, deadlineMs), flushed(response, onClientClosed)])
  } catch (error) {
    // What a module has answered in full stands, whatever comes after it.
    if (!response.writableEnded) throw error
    proxy._onError('ON_REQUEST_ERROR', ctx, asError(error))
  }
  const changed = applyHookChanges(pending, before, ctx)
  const hooks = new ModuleHooks(proxy, ctx, pending.input, deadlineMs)
  return { ...changed, input: { ...changed.input, hooks } }
}

/** The request with the differences between `before` and the context's options applied. */
export function applyHookChanges(
  pending: PendingRequest,
  before: RequestOptions,
  ctx: RequestContext,
): PendingRequest {
  const after = ctx.proxyToServerRequestOptions
  if (before === undefined || after === undefined) return pending
  const headers = changedFields(pending.input.headers, before.headers, after.headers)
  const path = after.path === before.path ? pending.input.path : after.path
  return { ...pending, input: { ...pending.input, path, headers } }
}

/** Throws where a name or a value cannot stand in a head. */
function changedFields(pairs: HeaderPairs, before: Fields, after: Fields): HeaderPairs {
  const headers = createHeaderList(pairs)
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = after[name]
    // Deep, since node keeps Set-Cookie as an array, whatever the types say.
    if (isDeepStrictEqual(value, before[name]) || fixedFields.has(name.toLowerCase())) continue
    const [first, ...others] = fieldLines(name, value)
    if (first === undefined) headers.remove(name)
    else headers.set(name, first)
    for (const line of others) headers.append(name, line)
  }
  return headers.pairs()
}

/** One value for each line; none where the field is gone. Modules set numbers, too. */
function fieldLines(name: string, value: unknown): string[] {
  if (value === undefined || value === null) return []
  const lines = (Array.isArray(value) ? value : [value]).map(String)
  validateHeaderName(name)
  for (const line of lines) validateHeaderValue(name, line)
  return lines
}

class ModuleHooks implements ExchangeHooks {
  readonly sent: ExchangeInput
  readonly changesRequestBody: boolean
  readonly #proxy: MitmProxy
  readonly #ctx: RequestContext
  readonly #deadlineMs: number

  constructor(proxy: MitmProxy, ctx: RequestContext, sent: ExchangeInput, deadlineMs: number) {
    this.#proxy = proxy
    this.#ctx = ctx
    this.#deadlineMs = deadlineMs
    this.sent = sent
    const hooks = [this.#requestDataHooks, this.#requestEndHooks, ctx.requestFilters]
    this.changesRequestBody = hasBodyFraming(sent.headers) && hooks.some((list) => list.length > 0)
  }

  requestBody(body: Readable, onFailed: (error: Error) => void): Readable {
    if (!this.changesRequestBody) return body
    const fail = (kind: string, error: Error): void => onFailed(this.#told(kind, error))
    try {
      return this.#throughRequestStages(body, fail)
    } catch (error) {
      // A filter that is no stream, say. Nothing of the body has moved yet.
      fail('REQUEST_FILTER_ERROR', asError(error))
      return body
    }
  }

  #throughRequestStages(body: Readable, fail: StageFailed): Readable {
    const stages: BodyStage[] = [
      ...filters(this.#ctx.requestFilters, 'REQUEST_FILTER_ERROR'),
      {
        stream: chunkHooks(this.#requestDataHooks, this.#deadline('onRequestData')),
        kind: 'ON_REQUEST_DATA_ERROR',
      },
    ]
    const gate = new PassThrough()
    // A way into the body, not to the socket: what modules write here is framed with the rest.
    this.#ctx.proxyToServerRequest = gate as unknown as ClientRequest
    return gateAfter(
      throughStages(body, stages, fail),
      gate,
      () => runInOrder(this.#ctx, this.#requestEndHooks, this.#deadline('onRequestEnd')),
      (error) => fail('ON_REQUEST_END_ERROR', error),
    )
  }

  bodilessRequestEnded(): Promise<void> {
    return this.#run('ON_REQUEST_END_ERROR', 'onRequestEnd', this.#requestEndHooks)
  }

  async response(answer: UpstreamResponse, observer: BodyObserver): Promise<UpstreamResponse> {
    const heads = this.#responseHeadHooks
    if (heads.length === 0 && !this.#changesResponseBody) return answer
    const incoming = answer.body
    if (!(incoming instanceof IncomingMessage))
      throw new AppError('ERR_INTERNAL', { problem: 'modules need the response of node:http' })
    incoming.pause()
    this.#ctx.serverToProxyResponse = incoming
    const before = structuredClone(incoming.headers)
    await this.#run('ON_RESPONSE_ERROR', 'onResponse', this.#proxy.onResponseHandlers)
    await this.#run('ON_RESPONSE_ERROR', 'onResponse', this.#ctx.onResponseHandlers)
    await this.#run(
      'ON_RESPONSEHEADERS_ERROR',
      'onResponseHeaders',
      this.#proxy.onResponseHeadersHandlers,
    )
    await this.#run(
      'ON_RESPONSEHEADERS_ERROR',
      'onResponseHeaders',
      this.#ctx.onResponseHeadersHandlers,
    )
    try {
      return this.#changed(answer, before, incoming, observer)
    } catch (error) {
      throw this.#told('ON_RESPONSEHEADERS_ERROR', asError(error))
    }
  }

  responseEnded(): Promise<void> {
    return this.#run('ON_RESPONSE_END_ERROR', 'onResponseEnd', this.#responseEndHooks)
  }

  /** The response as the hooks left it; its body runs through them where it has one. */
  #changed(
    answer: UpstreamResponse,
    before: Fields,
    incoming: IncomingMessage,
    observer: BodyObserver,
  ): UpstreamResponse {
    const status = incoming.statusCode ?? answer.status
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new RangeError(`a module set the status ${status}`)
    const { method, httpVersion } = this.sent
    const changed = {
      ...answer,
      status,
      statusText: status === answer.status ? answer.statusText : (STATUS_CODES[status] ?? ''),
      headers: changedFields(answer.headers, before, incoming.headers),
    }
    const isChanged = this.#changesResponseBody || status !== answer.status
    if (!isChanged || method === 'HEAD') return changed
    if (!mayHaveBody(status)) {
      // The status that was changed to forbids what the upstream sends along: nobody reads it.
      return status === answer.status ? changed : withoutBody(changed)
    }
    const headers = reframed(changed.headers, httpVersion)
    if (!this.#changesResponseBody || isEmpty(answer)) return { ...changed, headers }
    const stages: BodyStage[] = [
      ...filters(this.#ctx.responseFilters, 'RESPONSE_FILTER_ERROR'),
      {
        stream: chunkHooks(this.#responseDataHooks, this.#deadline('onResponseData')),
        kind: 'ON_RESPONSE_DATA_ERROR',
      },
    ]
    answer.body.on('data', observer.onChunk)
    const body = throughStages(answer.body, stages, (kind, error) =>
      observer.onFailed(this.#told(kind, error)),
    )
    return { ...changed, headers, body }
  }

  readonly #deadline = (hook: string): HookDeadline => deadlineOf(this.#ctx, hook, this.#deadlineMs)

  async #run(kind: string, hook: string, hooks: readonly Hook[]): Promise<void> {
    try {
      await runInOrder(this.#ctx, hooks, this.#deadline(hook))
    } catch (error) {
      throw this.#told(kind, asError(error))
    }
  }

  #told(kind: string, error: Error): Error {
    this.#proxy._onError(kind, this.#ctx, error)
    return error
  }

  get #requestDataHooks(): ChunkHook[] {
    return bound(this.#ctx, [
      ...this.#proxy.onRequestDataHandlers,
      ...this.#ctx.onRequestDataHandlers,
    ])
  }

  get #requestEndHooks(): Hook[] {
    return [...this.#proxy.onRequestEndHandlers, ...this.#ctx.onRequestEndHandlers]
  }

  get #responseHeadHooks(): Hook[] {
    return [
      ...this.#proxy.onResponseHandlers,
      ...this.#ctx.onResponseHandlers,
      ...this.#proxy.onResponseHeadersHandlers,
      ...this.#ctx.onResponseHeadersHandlers,
    ]
  }

  get #responseDataHooks(): ChunkHook[] {
    return bound(this.#ctx, [
      ...this.#proxy.onResponseDataHandlers,
      ...this.#ctx.onResponseDataHandlers,
    ])
  }

  get #responseEndHooks(): Hook[] {
    return [...this.#proxy.onResponseEndHandlers, ...this.#ctx.onResponseEndHandlers]
  }

  get #changesResponseBody(): boolean {
    const hooks = [this.#responseDataHooks, this.#responseEndHooks, this.#ctx.responseFilters]
    const isTold =
      this.#ctx.responseContentPotentiallyModified || this.#proxy.responseContentPotentiallyModified
    return isTold || hooks.some((list) => list.length > 0)
  }
}

function bound(ctx: RequestContext, hooks: RequestContext['onResponseDataHandlers']): ChunkHook[] {
  return hooks.map((hook) => (chunk, done) => hook(ctx, chunk, done))
}

function filters(streams: readonly unknown[], kind: string): BodyStage[] {
  return streams.map((stream) => ({ stream: stream as Duplex, kind }))
}

/** RFC 9110 §15.3.5, §15.4.5: no body, whatever the fields say. */
function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304
}

/** A body that is known to be empty spares filters such as gunzip, which want more than nothing. */
function isEmpty({ status, headers }: UpstreamResponse): boolean {
  return !mayHaveBody(status) || headerValues(headers, 'content-length').includes('0')
}

function withoutBody(answer: UpstreamResponse): UpstreamResponse {
  const headers = createHeaderList(answer.headers)
  headers.remove('content-length')
  headers.remove('transfer-encoding')
  return { ...answer, headers: headers.pairs() }
}

/** Chunked, which needs no length; to an HTTP/1.0 client, up to the end of the connection. */
function reframed(pairs: HeaderPairs, httpVersion: string): HeaderPairs {
  const headers = createHeaderList(pairs)
  headers.remove('content-length')
  if (httpVersion === '1.0') headers.remove('transfer-encoding')
  else if (headers.values('transfer-encoding').length === 0)
    headers.set('Transfer-Encoding', 'chunked')
  return headers.pairs()
}
