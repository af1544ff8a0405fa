import { describe, expect, test } from 'vitest'

import { PortholeBuilder } from '../../../src/builder.ts'
import type { RequestContext } from '../../../src/proxy/module-surface.ts'
import { completeContext, ModuleProxy } from '../../../src/proxy/module-surface.ts'

const refused = [
  'onWebSocketConnection',
  'onWebSocketSend',
  'onWebSocketMessage',
  'onWebSocketFrame',
  'onWebSocketClose',
  'onWebSocketError',
] as const

function refusalOf(name: string): unknown {
  return expect.objectContaining({
    code: 'ERR_MODULE_HOOK',
    message: expect.stringContaining(name),
    hint: expect.stringContaining('websocket-message'),
  })
}

describe('a WebSocket hook', () => {
  test.each(refused)('%s is refused by name, with what to do instead', (name) => {
    const proxy = new ModuleProxy()

    expect(() => proxy.use({ [name]() {} })).toThrow(refusalOf(name))
    expect(() => proxy[name]()).toThrow(refusalOf(name))
  })

  test('of a class is found as well', () => {
    class Watching {
      onWebSocketMessage(): void {}
    }

    expect(() => new ModuleProxy().use(new Watching())).toThrow(refusalOf('onWebSocketMessage'))
  })

  test('lets no proxy start', async () => {
    const builder = new PortholeBuilder().listen('127.0.0.1:0').use({ onWebSocketFrame() {} })

    await expect(builder.build().start()).rejects.toEqual(refusalOf('onWebSocketFrame'))
  })
})

describe('use()', () => {
  const hook = (): void => {}
  const all = {
    onError: hook,
    onRequest: hook,
    onRequestHeaders: hook,
    onRequestData: hook,
    onRequestEnd: hook,
    onResponse: hook,
    onResponseHeaders: hook,
    onResponseData: hook,
    onResponseEnd: hook,
  }
  const names = Object.keys(all)

  test('of a proxy registers each hook once', () => {
    const proxy = new ModuleProxy().use(all)

    const lists = names.map((name): unknown => Reflect.get(proxy, `${name}Handlers`))
    expect(lists).toEqual(names.map(() => [hook]))
  })

  test('of a context registers each hook once, and refuses what a proxy refuses', () => {
    const { ctx, registered } = contextOf()
    completeContext(ctx)

    ctx.use(all)

    expect(registered.toSorted()).toEqual(names.toSorted())
    expect(() => ctx.use({ onWebSocketSend() {} })).toThrow(refusalOf('onWebSocketSend'))
  })
})

/** A context that the library made, with its ways to register watched. */
function contextOf(): { ctx: RequestContext; registered: string[] } {
  const made: RequestContext[] = []
  class Catching extends ModuleProxy {
    override _onRequest(ctx: RequestContext): void {
      made.push(ctx)
    }
  }
  const proxy = new Catching()
  proxy.options = {}
  const stream = {
    on() {},
    pause() {},
    socket: {},
    url: '/',
    method: 'GET',
    headers: { host: 'a' },
  }
  proxy._onHttpServerRequest(true, stream as never, stream as never)
  const [ctx] = made
  if (ctx === undefined) throw new Error('no context was made')
  const registered: string[] = []
  for (const name of Object.keys(ctx).filter((key) => /^on[A-Z][A-Za-z]*$/u.test(key))) {
    if (name.endsWith('Handlers')) continue
    Object.assign(ctx, {
      [name]: () => {
        registered.push(name)
      },
    })
  }
  return { ctx, registered }
}
