/**
 * The origin, a process of its own: HTTPS on loopback that behaves as the field `x-bench` of a
 * request asks: `answer=json`, `bytes=N`, or `events=N&gapMs=N&firstMs=N`. Request bodies are read
 * to their end first. Events carry the monotonic time at which they were written.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

import { fileBody, smallAnswerBody, streamEnd, streamEvent } from './payloads.ts'
import { serveParent, settingsFromParent } from './serve-parent.ts'

const { certificatePath, keyPath } = settingsFromParent() as {
  readonly certificatePath: string
  readonly keyPath: string
}

const answer = smallAnswerBody()
const piece = fileBody(256 * 1024)

const server = https.createServer(
  {
    cert: readFileSync(certificatePath),
    key: readFileSync(keyPath),
    ALPNProtocols: ['http/1.1'],
    keepAliveTimeout: 300_000,
    noDelay: true,
  },
  (request, response) => {
    response.on('error', () => {})
    request.on('error', () => {})
    request.resume().once('end', () => respond(request, response))
  },
)
server.on('tlsClientError', () => {})
server.listen(0, '127.0.0.1', () => {
  serveParent({}, { port: (server.address() as AddressInfo).port })
})

function respond(request: IncomingMessage, response: ServerResponse): void {
  const wish = new URLSearchParams(String(request.headers['x-bench'] ?? ''))
  const bytes = Number(wish.get('bytes') ?? 0)
  const events = Number(wish.get('events') ?? 0)
  if (bytes > 0) sendBytes(response, bytes)
  else if (events > 0) {
    const gapMs = Number(wish.get('gapMs') ?? 0)
    const firstMs = Number(wish.get('firstMs') ?? 0)
    sendEvents(response, { events, gapMs, firstMs })
  } else {
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': answer.length,
      'X-Request-Id': 'req_bench',
      'OpenAI-Processing-Ms': '12',
    })
    response.end(answer)
  }
}

function sendBytes(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes })
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      const next = left >= piece.length ? piece : piece.subarray(0, left)
      left -= next.length
      if (response.destroyed) return
      if (!response.write(next) && left > 0) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
}

function sendEvents(
  response: ServerResponse,
  wish: { readonly events: number; readonly gapMs: number; readonly firstMs: number },
): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  response.flushHeaders()
  let sent = 0
  const startMs = performance.now() + wish.firstMs
  const next = (): void => {
    while (sent < wish.events) {
      if (response.destroyed) return
      const hasRoom = response.write(streamEvent(`t${process.hrtime.bigint()}.`))
      sent += 1
      if (wish.gapMs > 0) {
        // By the schedule, not by the last event: a late timer must not slow the whole stream.
        setTimeout(next, Math.max(0, startMs + sent * wish.gapMs - performance.now()))
        return
      }
      if (!hasRoom) {
        response.once('drain', next)
        return
      }
    }
    response.end(streamEnd)
  }
  if (wish.firstMs > 0) setTimeout(next, wish.firstMs)
  else next()
}
