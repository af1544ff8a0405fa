/** Connections that several agents use one after the other, or at once, and what ends with whom. */
import { once } from 'node:events'
import type { Socket } from 'node:net'

import { describe, expect, test } from 'vitest'

import { closesAfterEach } from '../support/opened.ts'
import { connectRaw, readUntil } from '../support/proxy.ts'
import { startRawUpstream } from '../support/upstream.ts'
import { basicToken, rootFor, startVaultProxy } from '../support/vault-proxy.ts'
import { agent, makeVault } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const open = closesAfterEach()

const host = 'plain.example'
const forms = {
  'a proxy, in absolute form': (path: string) => `GET http://${host}/${path} HTTP/1.1`,
  'a route, in origin form': (path: string) => `GET /api/${path} HTTP/1.1`,
} as const

interface Bench {
  readonly vault: VaultUnderTest
  /** A connection to the proxy. */
  connect(): Promise<Socket>
  /** Asks on a connection, in the name of an agent. */
  send(socket: Socket, path: string, name: 'one' | 'two'): void
  /** Resolves once the upstream has got the request for that path. */
  arrival(path: string): Promise<void>
  /** Has the upstream answer the request for that path. */
  answer(path: string): void
}

/** An upstream that answers when it is told to, behind a proxy that two agents may use. */
async function bench(form: keyof typeof forms): Promise<Bench> {
  const waiting = new Map<string, Socket>()
  const listeners = new Map<string, () => void>()
  const upstream = open(
    await startRawUpstream((socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        const path = /^GET \/(?<path>\w+) /u.exec(chunk.toString())?.groups?.['path'] ?? ''
        waiting.set(path, socket)
        listeners.get(path)?.()
      })
    }),
  )
  const vault = open(await makeVault())
  const proxy = open(
    await startVaultProxy({
      vault: vault.read(),
      root: rootFor(host),
      upstreams: {},
      allow: [host],
      configure: (builder) => {
        const from = { host, port: 80, kind: 'name' } as const
        builder.connectTo(from, { host: '127.0.0.1', port: upstream.port, kind: 'ipv4' })
        builder.route(`api=http://127.0.0.1:${upstream.port}`)
      },
    }),
  )
  const tokens = {
    one: vault.writable.agents.add(agent('one')),
    two: vault.writable.agents.add(agent('two')),
  }
  const at = form.startsWith('a route') ? `127.0.0.1:${proxy.running.port}` : host
  return {
    vault,
    connect: () => connectRaw(proxy),
    send: (socket, path, name) => {
      const line = forms[form](path)
      socket.write(`${line}\r\nHost: ${at}\r\n${basicToken(tokens[name])}\r\n`)
    },
    arrival: async (path) => {
      if (waiting.has(path)) return
      await new Promise<void>((resolve) => {
        listeners.set(path, resolve)
      })
    },
    answer: (path) => {
      const text = `done ${path}`
      waiting.get(path)?.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
    },
  }
}

/** The proxy's end of it. */
async function endOf(socket: Socket): Promise<void> {
  socket.resume()
  await Promise.race([once(socket, 'end'), once(socket, 'close')])
}

/** One call that is asked and answered on it. */
async function call(all: Bench, socket: Socket, path: string, name: 'one' | 'two'): Promise<void> {
  all.send(socket, path, name)
  await all.arrival(path)
  all.answer(path)
  await readUntil(socket, (said) => said.includes(`done ${path}`))
}

describe.each(Object.keys(forms) as Array<keyof typeof forms>)('a connection to %s', (form) => {
  test('A4 goes on with the request of another agent when one that was answered is revoked', async () => {
    const all = await bench(form)
    const [socket, idle] = [await all.connect(), await all.connect()]
    await call(all, socket, 'first', 'one')
    await call(all, idle, 'idle', 'one')
    all.send(socket, 'second', 'two')
    await all.arrival('second')
    const ended = endOf(idle)
    all.vault.writable.agents.revoke('one')
    // By now the proxy has looked at all of its connections.
    await ended

    all.answer('second')
    const said = await readUntil(socket, (text) => text.includes('done second'))
    expect(said.toString()).toMatch(/^HTTP\/1\.1 200 .*done second$/su)
    socket.destroy()
  })

  test('A4 ends with the agent whose request is under way on it', async () => {
    const all = await bench(form)
    const socket = await all.connect()
    await call(all, socket, 'first', 'one')
    all.send(socket, 'second', 'two')
    await all.arrival('second')
    const ended = endOf(socket)
    all.vault.writable.agents.revoke('two')

    await ended
    socket.destroy()
  })

  test('A4 ends with an agent whose request is under way before that of another', async () => {
    const all = await bench(form)
    const socket = await all.connect()
    all.send(socket, 'first', 'one')
    all.send(socket, 'second', 'two')
    await Promise.all([all.arrival('first'), all.arrival('second')])
    const ended = endOf(socket)
    all.vault.writable.agents.revoke('one')

    await ended
    socket.destroy()
  })
})
