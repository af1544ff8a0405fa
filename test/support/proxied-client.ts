/** HTTP requests through a proxy with Node's own client: what came back, byte for byte. */
import http from 'node:http'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'

import type { HeaderPairs } from '../../src/messages/schema.ts'
import { toPairs } from '../../src/proxy/http-messages.ts'

export interface ProxiedAnswer {
  readonly status: number
  /** As sent: order, spelling, repetitions. */
  readonly headers: HeaderPairs
  readonly body: Buffer
}

export interface ProxiedRequest {
  readonly url: string
  readonly method?: string
  /** Host and framing are added. */
  readonly headers?: HeaderPairs
  readonly body?: Uint8Array | string
  /** Called for every part of the answer's body. */
  readonly onData?: (chunk: Buffer) => void
}

export interface ProxiedClient extends Disposable {
  request(request: ProxiedRequest): Promise<ProxiedAnswer>
}

/** `ca`: what the client trusts; nothing else. Connections are kept for further requests. */
export function createProxiedClient(proxyUrl: string, ca: string): ProxiedClient {
  const settings = {
    keepAlive: true,
    proxyEnv: { HTTPS_PROXY: proxyUrl, HTTP_PROXY: proxyUrl },
  }
  const agents = { https: new https.Agent({ ...settings, ca }), http: new http.Agent(settings) }
  return {
    request: async ({ url, method = 'GET', headers = [], body, onData }) => {
      const { protocol, hostname, port, host, pathname, search } = new URL(url)
      const isHttps = protocol === 'https:'
      const framing: HeaderPairs =
        body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))]]
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      const outgoing = (isHttps ? https : http).request({
        agent: isHttps ? agents.https : agents.http,
        hostname,
        port: port === '' ? (isHttps ? 443 : 80) : Number(port),
        path: `${pathname}${search}`,
        method,
        headers: [['Host', host], ...headers, ...framing].flat(),
      })
      outgoing.once('response', resolve)
      outgoing.once('error', reject)
      outgoing.end(body)
      const incoming = await promise
      const chunks: Buffer[] = []
      for await (const chunk of incoming) {
        chunks.push(chunk as Buffer)
        onData?.(chunk as Buffer)
      }
      return {
        status: incoming.statusCode ?? 0,
        headers: toPairs(incoming.rawHeaders),
        body: Buffer.concat(chunks),
      }
    },
    [Symbol.dispose]: () => {
      agents.https.destroy()
      agents.http.destroy()
    },
  }
}

/** Sends bytes to a port on loopback and returns what comes until `done` says so, or the end. */
export function exchangeRaw(
  port: number,
  bytes: string,
  done: (answer: string) => boolean,
  address = '127.0.0.1',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, address, () => socket.write(bytes))
    let answer = ''
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      if (done(answer)) socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(answer))
  })
}

/** Resolves once nobody listens on the port any more. */
export async function untilRefused(port: number): Promise<void> {
  const isOpen = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
  while (await isOpen());
}
