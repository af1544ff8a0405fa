/**
 * A model provider for the demo: an HTTPS server on loopback that answers as the recorded providers
 * did. It knows nothing of Porthole and makes nothing up: an unknown request gets a 404.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'

import { z } from 'zod'

import type { RecordedExchange } from './recordings.ts'
import { bodyBytes, loadRecordings, servableHeaders, splitEvents } from './recordings.ts'

/** The provider hosts that the recordings come from: the server needs a certificate for each. */
export const demoHosts = ['api.anthropic.com', 'api.openai.com'] as const

export interface DemoCertificate {
  readonly host: string
  /** The leaf, then its chain. */
  readonly certificatePem: string
  readonly privateKeyPem: string
}

export interface DemoProvider {
  /** On 127.0.0.1. */
  readonly port: number
  /** Cuts what is under way. */
  close(): Promise<void>
}

/** Enough for any request that a recording answers. */
const requestLimitBytes = 1 << 20

/** The first certificate also serves clients that name no host, or another one. */
export async function startDemoProvider(options: {
  readonly certificates: readonly [DemoCertificate, ...DemoCertificate[]]
}): Promise<DemoProvider> {
  const recordings = await loadRecordings()
  const [first] = options.certificates
  const server = createServer(
    {
      cert: first.certificatePem,
      key: first.privateKeyPem,
      ALPNProtocols: ['http/1.1'],
    },
    (request, response) => {
      // A client that went away is the only way to fail here, and there is nobody left to tell.
      answer(recordings, request, response).catch(() => response.destroy())
    },
  )
  for (const { host, certificatePem, privateKeyPem } of options.certificates) {
    server.addContext(host, createSecureContext({ cert: certificatePem, key: privateKeyPem }))
  }
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function answer(
  recordings: readonly RecordedExchange[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const wanted = signature(
    request.method ?? '',
    `https://${request.headers.host ?? ''}${request.url ?? ''}`,
    await readBody(request),
  )
  const found = recordings.find(
    ({ request: recorded }) =>
      signature(recorded.method, recorded.url, bodyBytes(recorded.body)) === wanted,
  )
  if (found === undefined) {
    sendNotFound(request, response)
    return
  }
  const bytes = bodyBytes(found.response.body)
  const headers = servableHeaders(found)
  const isStream = headers.some(
    ([name, value]) => /^content-type$/iu.test(name) && value.startsWith('text/event-stream'),
  )
  await pause(response, isStream ? 90 : 140)
  if (!isStream) headers.push(['Content-Length', String(bytes.length)])
  response.writeHead(found.response.status, headers.flat())
  if (!isStream) {
    response.end(bytes)
    return
  }
  for (const [index, event] of splitEvents(bytes).entries()) {
    // Between 15 and 34 ms, uneven as tokens are, yet the same in every run.
    await pause(response, 15 + ((index * 7) % 20))
    response.write(event)
  }
  response.end()
}

/** Ends early, by throwing, when the client goes away. */
async function pause(response: ServerResponse, milliseconds: number): Promise<void> {
  await delay(milliseconds)
  if (response.destroyed) throw new Error('the client went away')
}

const requestShape = z.object({ model: z.string(), stream: z.boolean() }).partial()

/** What tells one recorded request from another; the words of the prompt do not count. */
function signature(method: string, url: string, body: Buffer): string {
  let shape: z.infer<typeof requestShape> = {}
  try {
    shape = requestShape.parse(JSON.parse(body.toString('utf8')))
  } catch {
    // No JSON object: it will match no recording.
  }
  const { hostname, pathname } = URL.parse(url) ?? { hostname: '', pathname: '' }
  return [method, hostname, pathname, shape.model ?? '', shape.stream === true].join(' ')
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes <= requestLimitBytes) chunks.push(chunk)
  }
  return bytes <= requestLimitBytes ? Buffer.concat(chunks) : Buffer.alloc(0)
}

/** In the shape of OpenAI's errors, which clients of all kinds show well. */
function sendNotFound(request: IncomingMessage, response: ServerResponse): void {
  const message = `The demo provider has no recording for ${request.method ?? ''} ${request.url ?? ''}`
  const error = { message, type: 'invalid_request_error', param: null, code: 'not_recorded' }
  const bytes = Buffer.from(JSON.stringify({ error }))
  response.writeHead(404, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
  })
  response.end(bytes)
}
