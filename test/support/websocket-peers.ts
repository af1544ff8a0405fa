/** WebSockets for tests: peers of the `ws` library behind TLS, and a handshake as raw bytes. */
import https from 'node:https'
import type { AddressInfo } from 'node:net'

import { WebSocket, WebSocketServer } from 'ws'
import type { ClientOptions, ServerOptions } from 'ws'

import type { Authority } from '../../ca/authority.ts'
import { connectTls } from './proxy.ts'
import type { ProxyUnderTest } from './proxy.ts'
import { requestText } from './raw-http.ts'
import { tlsOptions } from './upstream.ts'

/** A server of the `ws` library behind TLS. */
export async function startWebSocketServer(
  root: Authority,
  host: string,
  onConnection: (socket: WebSocket) => void,
  options: ServerOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const server = https.createServer(tlsOptions(root, host))
  server.on('request', (_request, response) => {
    response.statusCode = 426
    response.end('speak WebSocket')
  })
  const sockets = new WebSocketServer({ server, ...options })
  sockets.on('connection', (socket) => {
    socket.on('error', () => {})
    onConnection(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate()
        sockets.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A client of the `ws` library through the proxy, not yet open. */
export async function startWebSocketClient(
  proxy: ProxyUnderTest,
  host: string,
  options: ClientOptions = {},
  protocols: string[] = [],
): Promise<WebSocket> {
  const socket = await connectTls(proxy, `${host}:443`)
  const client = new WebSocket(`wss://${host}/v1/responses`, protocols, {
    createConnection: () => socket,
    ...options,
  })
  client.on('error', () => {})
  return client
}

/** A request to switch, as raw bytes. */
export const handshakeFor = (host: string): string =>
  requestText('GET /v1/realtime', host, [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ])
/** The answer to it, with compression. */
export const switching =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
  'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n'
