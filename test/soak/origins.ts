/**
 * The upstreams of the soak, on loopback: HTTPS, plain HTTP, WebSocket and raw TCP for tunnels. They
 * do what a request's field `x-soak` asks (`id`, the body that comes, the answer), and write down
 * every byte that they get and give.
 */
import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import net from 'node:net'
import tls from 'node:tls'

import { WebSocketServer } from 'ws'

import type { Authority } from '../../ca/authority.ts'
import { listening, tlsOptions } from '../support/upstream.ts'
import { bodyOf, eventAt, isPieceOf } from './bodies.ts'
import type { Ledger, OriginEntry } from './ledger.ts'

export interface Origins {
  readonly httpsPort: number
  readonly httpPort: number
  readonly tunnelPort: number
  close(): Promise<void>
}

export async function startOrigins(
  root: Authority,
  hosts: readonly string[],
  ledger: Ledger,
): Promise<Origins> {
  const contexts = new Map(
    hosts.map((host) => [host, tls.createSecureContext(tlsOptions(root, host))]),
  )
  const secure = https.createServer(
    {
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => done(null, contexts.get(name)),
      noDelay: true,
    },
    (request, response) => serve(ledger, request, response),
  )
  const plain = http.createServer((request, response) => serve(ledger, request, response))
  acceptWebSockets(secure, ledger)
  const tunnels = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    serveTunnel(ledger, socket),
  )
  const opened = [
    await listening(secure),
    await listening(plain),
    await listening(tunnels),
  ] as const
  return {
    httpsPort: opened[0].port,
    httpPort: opened[1].port,
    tunnelPort: opened[2].port,
    close: async () => {
      await Promise.all(opened.map((server) => server.close()))
    },
  }
}

function serve(ledger: Ledger, request: IncomingMessage, response: ServerResponse): void {
  const wish = new URLSearchParams(String(request.headers['x-soak'] ?? ''))
  const entry = ledger.atOrigin(wish.get('id') ?? 'unknown')
  entry.attempts += 1
  const wanted = bodyOf(wish.get('request') ?? 'none')
  response.on('error', () => {})
  request.on('error', () => {})
  request.on('data', (chunk: Buffer) => {
    if (!isPieceOf(wanted, entry.received, chunk)) entry.problem = 'the body came changed'
    entry.received += chunk.length
  })
  request.once('end', () => {
    entry.receivedAll = true
    const name = wish.get('answer') ?? 'answer'
    if (name.startsWith('events')) {
      sendEvents(response, entry, {
        count: Number(name.split(':')[1]),
        gapMs: Number(wish.get('gapMs')),
      })
    } else sendBytes(response, entry, bodyOf(name))
  })
}

const pieceBytes = 64 * 1024

function sendBytes(response: ServerResponse, entry: OriginEntry, body: Buffer): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
  const more = (): void => {
    while (entry.sent < body.length) {
      if (response.destroyed) return
      const piece = body.subarray(entry.sent, entry.sent + pieceBytes)
      entry.sent += piece.length
      if (!response.write(piece) && entry.sent < body.length) {
        response.once('drain', more)
        return
      }
    }
    entry.sentAll = true
    response.end()
  }
  more()
}

function sendEvents(
  response: ServerResponse,
  entry: OriginEntry,
  { count, gapMs }: { readonly count: number; readonly gapMs: number },
): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  response.flushHeaders()
  let index = 0
  const send = (text: string): void => {
    entry.sent += Buffer.byteLength(text)
    response.write(text)
  }
  const next = (): void => {
    if (response.destroyed) return
    if (index < count) {
      send(eventAt(index))
      index += 1
      setTimeout(next, gapMs)
      return
    }
    send('data: [DONE]\n\n')
    entry.sentAll = true
    response.end()
  }
  next()
}

/** Echoes every message. */
function acceptWebSockets(server: https.Server, ledger: Ledger): void {
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {})
    const id = new URL(request.url ?? '', 'wss://origin').searchParams.get('soak') ?? 'unknown'
    const entry = ledger.atOrigin(id)
    entry.attempts += 1
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {})
      webSocket.on('message', (data: Buffer) => {
        entry.received += data.length
        entry.receivedMessages += 1
        entry.sent += data.length
        webSocket.send(data.toString())
      })
      webSocket.once('close', (code) => {
        entry.receivedAll = code === 1000
        entry.sentAll = code === 1000
      })
    })
  })
}

/** First line: the id and how many bytes are wanted back once the client has sent its end. */
function serveTunnel(ledger: Ledger, socket: Socket): void {
  let entry: OriginEntry | undefined
  let line = ''
  let wanted = 0
  let early = 0
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    if (entry !== undefined) {
      entry.received += chunk.length
      return
    }
    line += chunk.toString('latin1')
    early += chunk.length
    const end = line.indexOf('\n')
    if (end === -1) return
    const [id = 'unknown', bytes = '0'] = line.slice(0, end).split(' ')
    entry = ledger.atOrigin(id)
    entry.attempts += 1
    entry.received += early
    wanted = Number(bytes)
  })
  socket.once('end', () => {
    if (entry === undefined) {
      socket.end()
      return
    }
    const page = entry
    page.receivedAll = true
    const body = bodyOf(`file:${wanted}`)
    page.sent += body.length
    socket.end(body, () => {
      page.sentAll = true
    })
  })
}
