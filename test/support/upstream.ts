/** Upstreams for tests, with certificates made at run time: real sockets, real TLS, loopback only. */
import http from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import tls from 'node:tls'

import type { Authority } from '../../ca/authority.ts'
import { createAuthority } from '../../ca/authority.ts'

export interface TestUpstream {
  readonly port: number
  /** Connections accepted so far. */
  readonly connections: () => number
  readonly requests: ReadonlyArray<{ readonly message: IncomingMessage; readonly body: Buffer }>
  close(): Promise<void>
}

/** The root of a pretended public web: proxies under test trust it as an upstream root. */
export function createUpstreamRoot(...hosts: string[]): Authority {
  return createAuthority({
    permittedHosts: hosts,
    now: new Date(),
    days: 2,
    commonName: 'Test root',
  })
}

export function tlsOptions(root: Authority, host: string): { cert: string; key: string } {
  const leaf = root.issueLeaf(host, new Date())
  return { cert: leaf.certificatePem, key: leaf.privateKeyPem }
}

/** HTTPS with the certificate of `host`; every request body is read and kept before `handler` runs. */
export async function startHttpsUpstream(
  root: Authority,
  host: string,
  handler: RequestListener,
): Promise<TestUpstream> {
  return track(https.createServer(tlsOptions(root, host)), handler)
}

export async function startHttpUpstream(handler: RequestListener): Promise<TestUpstream> {
  return track(http.createServer(), handler)
}

/** A raw TLS server: `onSocket` speaks whatever it likes. */
export async function startRawTlsUpstream(
  root: Authority,
  host: string,
  onSocket: (socket: tls.TLSSocket) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = tls.createServer(
    { ...tlsOptions(root, host), ALPNProtocols: ['http/1.1'] },
    (socket) => {
      socket.on('error', () => {})
      onSocket(socket)
    },
  )
  return listening(server)
}

/** A raw TCP server. */
export async function startRawUpstream(
  onSocket: (socket: Socket) => void,
  options: net.ServerOpts = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const server = net.createServer(options, (socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  return listening(server)
}

async function track(server: http.Server, handler: RequestListener): Promise<TestUpstream> {
  const requests: Array<{ message: IncomingMessage; body: Buffer }> = []
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  server.on('request', (message, response) => {
    const chunks: Buffer[] = []
    message.on('error', () => {})
    response.on('error', () => {})
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      requests.push({ message, body: Buffer.concat(chunks) })
      handler(message, response)
    })
  })
  const listener = await listening(server)
  return { ...listener, connections: () => connections, requests }
}

/** Listens on a free port of loopback; closing ends the connections too. */
export async function listening(
  server: net.Server,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
  }
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
