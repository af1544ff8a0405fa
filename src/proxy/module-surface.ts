/**
 * How modules written for http-mitm-proxy register: its `Proxy`, with the gaps of `use()` closed
 * (it forgets `onRequestEnd` and `onResponseEnd`) and the hooks that are never called refused by
 * name. WebSockets are relayed as they come and told as messages; no module stands between.
 */
import { Proxy as MitmProxy } from 'http-mitm-proxy'

import { AppError } from '../base/errors.ts'
import type { MitmModule } from './mitm-module.ts'

export type RequestContext = Parameters<MitmProxy['_onRequest']>[0]
type Hook = Parameters<MitmProxy['onRequest']>[0]

export class ModuleProxy extends MitmProxy {
  /** Throws `ERR_MODULE_HOOK` for a module that wants WebSocket hooks. */
  override use(module: MitmModule): this {
    refuseWebSocketHooks(module)
    super.use(module)
    registerForgotten(module, this)
    return this
  }

  override onWebSocketConnection(): never {
    return refuseHook('onWebSocketConnection')
  }

  override onWebSocketSend(): never {
    return refuseHook('onWebSocketSend')
  }

  override onWebSocketMessage(): never {
    return refuseHook('onWebSocketMessage')
  }

  override onWebSocketFrame(): never {
    return refuseHook('onWebSocketFrame')
  }

  override onWebSocketClose(): never {
    return refuseHook('onWebSocketClose')
  }

  override onWebSocketError(): never {
    return refuseHook('onWebSocketError')
  }
}

/** Gives a context's `use()` the same as the proxy's. */
export function completeContext(ctx: RequestContext): void {
  const inherited = ctx.use
  ctx.use = (module: MitmModule) => {
    refuseWebSocketHooks(module)
    inherited(module)
    registerForgotten(module, ctx)
    // The library's own forgets this one too, and only here.
    if (hookOf(module, 'onResponseHeaders') !== undefined)
      ctx.onResponseHeaders(hookOf(module, 'onResponseHeaders') as Hook)
    return ctx
  }
}

function registerForgotten(
  module: MitmModule,
  target: Pick<RequestContext, 'onRequestEnd' | 'onResponseEnd'>,
): void {
  for (const name of ['onRequestEnd', 'onResponseEnd'] as const) {
    const hook = hookOf(module, name)
    if (hook !== undefined) target[name](hook as Hook)
  }
}

function hookOf(module: MitmModule, name: string): unknown {
  const hook: unknown = Reflect.get(module, name)
  return typeof hook === 'function' ? hook : undefined
}

function refuseWebSocketHooks(module: MitmModule): void {
  // Not Object.keys: the hooks of a class instance are its prototype's.
  for (const name of ['Connection', 'Send', 'Message', 'Frame', 'Close', 'Error']) {
    const hook = `onWebSocket${name}`
    if (hookOf(module, hook) !== undefined) refuseHook(hook)
  }
}

function refuseHook(hook: string): never {
  throw new AppError('ERR_MODULE_HOOK', { hook })
}
