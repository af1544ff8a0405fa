/**
 * An upstream that speaks raw bytes over TLS, and a proxy in front of it: what hostile tests need
 * to see exactly what was dialled and sent, and to answer with what no HTTP server would send.
 */
import type { TLSSocket } from 'node:tls'

import type { Authority } from '../../ca/authority.ts'
import { startProxy } from './proxy.ts'
import type { ProxySetup, ProxyUnderTest } from './proxy.ts'
import { createUpstreamRoot, startRawTlsUpstream } from './upstream.ts'

/** Called for each request head, numbered from 0 over all connections. */
export type Script = (socket: TLSSocket, head: string, index: number) => void

export interface ScriptedUpstream {
  readonly port: number
  readonly root: Authority
  /** TLS connections accepted so far. */
  connections(): number
  /** All bytes of all connections, in the order of their arrival, as latin1. */
  received(): string
  /** Resolves once `received()` satisfies `done`. */
  waitFor(done: (received: string) => boolean): Promise<void>
  close(): Promise<void>
}

export const okAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Bodies are skipped by their Content-Length; a chunked one is left to the script. */
export async function startScriptedUpstream(
  host: string,
  script: Script = (socket) => void socket.write(okAnswer),
): Promise<ScriptedUpstream> {
  const root = createUpstreamRoot(host)
  let connections = 0
  let received = ''
  let requests = 0
  const waiters = new Set<() => void>()
  const server = await startRawTlsUpstream(root, host, (socket) => {
    connections += 1
    let pending = ''
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      received += text
      pending += text
      for (;;) {
        const end = pending.indexOf('\r\n\r\n')
        if (end === -1) break
        const head = pending.slice(0, end)
        const length = /\r\ncontent-length: *(\d+)/iu.exec(head)?.[1] ?? '0'
        if (pending.length < end + 4 + Number(length)) break
        pending = pending.slice(end + 4 + Number(length))
        requests += 1
        script(socket, head, requests - 1)
      }
      for (const waiter of waiters) waiter()
    })
  })
  return {
    port: server.port,
    root,
    connections: () => connections,
    received: () => received,
    waitFor: (done) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!done(received)) return
          waiters.delete(check)
          resolve()
        }
        waiters.add(check)
        check()
      }),
    close: () => server.close(),
  }
}

/** A proxy that decrypts `host` and reaches it at `port` on loopback. */
export function startProxyTo(
  host: string,
  upstream: { readonly port: number; readonly root: Authority },
  over: ProxySetup = {},
): Promise<ProxyUnderTest> {
  return startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: upstream.port },
    root: upstream.root,
    ...over,
  })
}
