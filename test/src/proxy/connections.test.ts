import net from 'node:net'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import { describe, expect, test } from 'vitest'

import type { AnalysisMsgDraft } from '../../../src/messages/schema.ts'
import { ConnectionRegistry } from '../../../src/proxy/connections.ts'
import type { ClientConnection, InterceptedConnection } from '../../../src/proxy/connections.ts'

interface Bench {
  readonly registry: ConnectionRegistry
  readonly told: AnalysisMsgDraft[]
}

function bench(): Bench {
  const told: AnalysisMsgDraft[] = []
  let count = 0
  const registry = new ConnectionRegistry(
    {
      clock: { now: () => 0, monotonicMs: () => 5 },
      publish: (draft) => told.push(draft),
      publishBody: () => {},
      publishUnread: () => true,
    },
    {
      next: (kind) => {
        count += 1
        return `${kind}${count}`
      },
    },
  )
  return { registry, told }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.destroy()
  })
}

function intercepted(connection: ClientConnection, host: string): InterceptedConnection {
  return { connection, authority: { host, port: 443, kind: 'name' }, hasSpoken: false }
}

describe('a connection', () => {
  test('is told once when it opens and once when it closes', async () => {
    const { registry, told } = bench()
    const socket = new net.Socket()

    const connection = registry.admit(socket)
    const again = registry.admit(socket)
    connection.agent = 'g'
    expect(registry.size).toBe(1)
    await closed(socket)

    expect(again).toBe(connection)
    expect(registry.size).toBe(0)
    expect(told).toMatchObject([
      { kind: 'connection-opened', connectionId: 'c1' },
      { kind: 'connection-closed', connectionId: 'c1', agent: 'g', bytesIn: 0, durationMs: 0 },
    ])
  })

  test('is known by its socket alone', () => {
    const { registry } = bench()
    const socket = new net.Socket()
    const connection = registry.admit(socket)

    expect(registry.outerOf(socket)).toBe(connection)
    expect(registry.outerOf(new net.Socket())).toBeUndefined()
    expect(registry.innerOf(socket)).toBeUndefined()
  })

  test('that is decrypted is bound to its outer one', () => {
    const { registry } = bench()
    const inner = new net.Socket() as unknown as TLSSocket
    const binding = intercepted(registry.admit(new net.Socket()), 'a.example')

    registry.bindInner(inner, binding)

    expect(registry.innerOf(inner)).toBe(binding)
  })

  test('is destroyed with all others at shutdown', async () => {
    const { registry } = bench()
    const sockets = [new net.Socket(), new net.Socket()]
    for (const socket of sockets) registry.admit(socket)

    await registry.destroyAll(1000)

    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
  })
})

describe('trust', () => {
  test('is remembered for the agent and the host that showed it', () => {
    const { registry } = bench()
    const [first, second, stranger] = [1, 2, 3].map(() => registry.admit(new net.Socket()))
    if (first === undefined || second === undefined || stranger === undefined) return
    first.agent = 'g'
    second.agent = 'g'

    registry.markSpoken(intercepted(first, 'a.example'))

    expect(registry.isKnownToTrust(intercepted(second, 'a.example'))).toBe(true)
    expect(registry.isKnownToTrust(intercepted(second, 'b.example'))).toBe(false)
    expect(registry.isKnownToTrust(intercepted(stranger, 'a.example'))).toBe(false)
  })

  test('is forgotten oldest first, so that it cannot grow without bound', () => {
    const { registry } = bench()
    const connection = registry.admit(new net.Socket())
    const hosts = Array.from({ length: 1001 }, (_, index) => `h${index}.example`)

    for (const host of hosts) registry.markSpoken(intercepted(connection, host))

    const known = hosts.filter((host) => registry.isKnownToTrust(intercepted(connection, host)))
    expect(known).toHaveLength(1000)
    expect(known).not.toContain('h0.example')
  })
})
