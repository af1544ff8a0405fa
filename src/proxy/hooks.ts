/**
 * The hook surface kept from http-mitm-proxy, with two differences that its users gain from: hooks
 * run one after the other in the order they were registered, and one that fails stops the rest.
 * What a request hook changes in `ctx.proxyToServerRequestOptions` (`path`, `headers`) is applied to
 * the raw field lines; host and port stay what policy decided on.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'

import type { Proxy as MitmProxy } from 'http-mitm-proxy'

import { createHeaderList } from './http-messages.ts'
import type { PendingRequest } from './request-handler.ts'

export type RequestContext = Parameters<MitmProxy['_onRequest']>[0]
type RequestOptions = RequestContext['proxyToServerRequestOptions']
type Callback = (error?: Error | null) => void

export async function runConnectHooks(
  proxy: MitmProxy,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> {
  for (const hook of proxy.onConnectHandlers) {
    await called((done) => hook.call(proxy, request, socket, head, done))
  }
}

export async function runRequestHooks(proxy: MitmProxy, ctx: RequestContext): Promise<void> {
  for (const hook of [...proxy.onRequestHandlers, ...ctx.onRequestHandlers]) {
    await called((done) => hook(ctx, done))
  }
}

/** The request with the differences between `before` and the context's options applied. */
export function applyHookChanges(
  pending: PendingRequest,
  before: RequestOptions,
  ctx: RequestContext,
): PendingRequest {
  const after = ctx.proxyToServerRequestOptions
  if (before === undefined || after === undefined) return pending
  const headers = createHeaderList(pending.input.headers)
  for (const name of new Set([...Object.keys(before.headers), ...Object.keys(after.headers)])) {
    const value = after.headers[name]
    // Deep, since node keeps Set-Cookie as an array, whatever the types say.
    if (isDeepStrictEqual(value, before.headers[name]) || name.toLowerCase() === 'host') continue
    if (value === undefined) headers.remove(name)
    else headers.set(name, value)
  }
  const path = after.path === before.path ? pending.input.path : after.path
  return { ...pending, input: { ...pending.input, path, headers: headers.pairs() } }
}

function called(start: (done: Callback) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const returned = start((error) => {
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
    // Many hooks are async functions: one that rejects never calls back, and nobody else listens.
    if (returned instanceof Promise) returned.catch(reject)
  })
}
