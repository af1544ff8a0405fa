import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import { LoopGuard, loopCode, namesListener } from '../../../src/proxy/loop-guard.ts'

const servers: net.Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(host: string): Promise<AddressInfo> {
  const server = net.createServer((socket) => socket.on('error', () => {}))
  servers.push(server)
  server.listen(0, host)
  await once(server, 'listening')
  return server.address() as AddressInfo
}

/** What becomes of a connection to `host`: `connected`, or the code of its error. */
async function outcome(guard: LoopGuard, host: string, port: number): Promise<string> {
  const socket = guard.watch(net.connect({ host, port }))
  const failed = once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code)
  // A turn later: an error of the same moment comes first.
  const made = once(socket, 'connect').then(
    () => new Promise<string>((resolve) => setImmediate(() => setImmediate(resolve, 'connected'))),
  )
  const first = await Promise.race([failed, made])
  socket.destroy()
  failed.catch(() => undefined)
  return first ?? ''
}

describe('a connection', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1', loopCode],
    ['127.0.0.1', 'localhost', loopCode],
    ['0.0.0.0', '127.0.0.1', loopCode],
    ['0.0.0.0', '127.0.0.2', loopCode],
    ['::', '::1', loopCode],
    ['::', '127.0.0.1', loopCode],
  ])('to the listener on %s, as %s, is %s', async (bound, dialled, wanted) => {
    const { address, port } = await listen(bound)
    const guard = new LoopGuard()
    guard.listensAt({ host: address, port })

    expect(await outcome(guard, dialled, port)).toBe(wanted)
  })

  test('to another port, or to the same port of another address, is none of it', async () => {
    const { address, port } = await listen('127.0.0.1')
    const guard = new LoopGuard()

    expect(await outcome(guard, '127.0.0.1', port)).toBe('connected')
    guard.listensAt({ host: address, port: port + 1 })
    expect(await outcome(guard, '127.0.0.1', port)).toBe('connected')
    guard.listensAt({ host: '127.0.0.2', port })
    expect(await outcome(guard, '127.0.0.1', port)).toBe('connected')
  })
})

describe('a mark', () => {
  test('is known again among others, and that of another proxy is not', () => {
    const guard = new LoopGuard()

    expect(guard.mark).toMatch(/^1\.1 porthole-[\da-f]{16}$/u)
    expect(guard.hasPassed([`1.0 fred, ${guard.mark}, 1.1 squid (squid/6)`])).toBe(true)
    expect(guard.hasPassed(['1.1 other', guard.mark])).toBe(true)
    expect(guard.hasPassed(['1.1 porthole', new LoopGuard().mark])).toBe(false)
    expect(guard.hasPassed([])).toBe(false)
  })
})

test.each([
  ['127.0.0.1', 8080, true],
  ['localhost', 8080, true],
  ['proxy.localhost', 8080, true],
  ['::1', 8080, true],
  ['0.0.0.0', 8080, true],
  ['127.0.0.1', 8081, false],
  ['proxy.example', 8080, false],
  ['10.0.0.1', 8080, false],
])('%s:%i names a listener on 127.0.0.1:8080: %s', (host, port, wanted) => {
  expect(namesListener({ host, port }, { host: '127.0.0.1', port: 8080 })).toBe(wanted)
})
