/**
 * What goes out and what comes back, read by the parsers of other proxies: squid, HAProxy and nginx,
 * where they are installed, between the proxy and a server, and between a client and the proxy. One
 * request in is one request out, whole; so is an answer.
 */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { hasTool } from '../ca/external-tools.ts'
import { connectRaw, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { ask } from '../support/raw-http.ts'
import type { ParentName } from '../support/real-parents.ts'
import { startRealParent } from '../support/real-parents.ts'
import { startRawUpstream } from '../support/upstream.ts'

const names: readonly ParentName[] = ['squid', 'haproxy', 'nginx']
const others = names.map((name) => {
  const isMissing = !hasTool(name)
  return { name, isMissing, shown: isMissing ? `${name} (skipped: it is not here)` : name }
})
const origin = 'http://parsed.example'
const head = (line: string, ...fields: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: parsed.example', ...fields, '', ''].join('\r\n')
const chunked = 'Transfer-Encoding: chunked'

interface Closable {
  close(): Promise<void>
}

async function closeAll(items: Closable[]): Promise<void> {
  for (const item of items.splice(0).toReversed()) await item.close()
}

interface Recorder extends Closable {
  readonly port: number
  /** Requests since it was last asked. */
  take(): string[]
}

async function startRecorder(): Promise<Recorder> {
  const seen: string[] = []
  const server = http.createServer((request, response) => {
    void text(request).then((body) => {
      seen.push(`${request.method} ${new URL(request.url ?? '', origin).pathname} ${body}`)
      response.end('recorded')
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    take: () => seen.splice(0),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

describe.each(others)('what goes out to $shown', ({ name, isMissing }) => {
  const opened: Closable[] = []
  let recorder: Recorder
  let proxy: ProxyUnderTest

  beforeAll(async () => {
    if (isMissing) return
    recorder = await startRecorder()
    opened.push(recorder)
    const other = await startRealParent(name, { upstream: recorder.port })
    opened.push(other)
    proxy =
      name === 'squid'
        ? await startProxy({
            configure: (builder) => builder.upstreamProxy(`http://127.0.0.1:${other.port}`),
          })
        : await startProxy({ connectTo: { 'parsed.example:80': other.port } })
    opened.push(proxy)
  }, 60_000)
  afterAll(() => closeAll(opened))

  test.skipIf(isMissing).each([
    ['no body', head(`GET ${origin}/a`), 'GET /a '],
    ['an empty body', head(`POST ${origin}/a`, 'Content-Length: 0'), 'POST /a '],
    ['a length', `${head(`POST ${origin}/a`, 'Content-Length: 5')}hello`, 'POST /a hello'],
    [
      'chunks',
      `${head(`POST ${origin}/a`, chunked)}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`,
      'POST /a hello',
    ],
    [
      'chunks with extensions',
      `${head(`POST ${origin}/a`, chunked)}5;x="y"\r\nhello\r\n0;z\r\n\r\n`,
      'POST /a hello',
    ],
    [
      'chunks with trailers',
      `${head(`PUT ${origin}/a`, chunked, 'Trailer: X')}5\r\nhello\r\n0\r\nX: y\r\n\r\n`,
      'PUT /a hello',
    ],
    [
      'a body that looks like a request',
      `${head(`POST ${origin}/a`, 'Content-Length: 34')}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r`,
      'POST /a GET /smuggled HTTP/1.1\r\nHost: x\r\n\r',
    ],
    [
      'odd fields',
      head(
        `GET ${origin}/a`,
        'X-Empty:',
        'x-tab:\ta\tb ',
        'X-Twice: 1',
        'x-twice: 2',
        'X-High: \u00e9',
      ),
      'GET /a ',
    ],
  ])('F10 of requests as %s is one request to it as well', async (_what, bytes, wanted) => {
    const client = await connectRaw(proxy)
    recorder.take()

    await ask(client, bytes)
    const first = recorder.take()
    await ask(client, head(`GET ${origin}/next`))
    client.destroy()

    expect(first).toEqual([wanted])
    expect(recorder.take()).toEqual(['GET /next '])
  })
})

describe.each(others)('what comes back to $shown', ({ name, isMissing }) => {
  const opened: Closable[] = []
  afterEach(() => closeAll(opened))

  test.skipIf(isMissing)(
    'F10 of answers, one after the other, are the same answers to it as well',
    async () => {
      const all: ReadonlyArray<readonly [path: string, bytes: string, body: string]> = [
        ['/length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
        [
          '/chunks',
          `HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n`,
          'hello',
        ],
        ['/after', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n', 'ok'],
        [
          '/early',
          'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate',
          'late',
        ],
        ['/end', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello', 'hello'],
        ['/none', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
        ['/same', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', ''],
        ['/last', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast', 'last'],
      ]
      // nginx before 1.29 takes an interim answer for the answer, also without a proxy before it.
      const answers = all.filter(([path]) => name !== 'nginx' || path !== '/early')
      const upstream = await startRawUpstream((socket) => {
        let asked = ''
        socket.on('data', (chunk: Buffer) => {
          asked += chunk.toString('latin1')
          if (!asked.endsWith('\r\n\r\n')) return
          const [, bytes = ''] = answers.find(([path]) => asked.startsWith(`GET ${path} `)) ?? []
          asked = ''
          socket.write(bytes)
          if (/\r\nConnection: close/u.test(bytes)) socket.end()
        })
      })
      opened.push(upstream)
      const proxy = await startProxy({
        connectTo: { 'parsed.example:80': upstream.port },
        configure: (builder) => builder.route(`parsed=http://127.0.0.1:${upstream.port}`),
      })
      opened.push(proxy)
      // nginx asks for paths alone, as of a server: to it the proxy is one, by a route.
      const isServer = name === 'nginx'
      const base = isServer ? '/parsed' : origin
      const host = isServer ? `127.0.0.1:${proxy.running.port}` : 'parsed.example'
      const other = await startRealParent(name, { upstream: proxy.running.port })
      opened.push(other)

      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      const found: string[] = []
      for (const [path] of answers) {
        const asking = http.get({
          host: '127.0.0.1',
          port: other.port,
          agent,
          path: `${base}${path}`,
          headers: { Host: host },
        })
        const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
          asking.once('response', resolve).once('error', reject)
        })
        found.push(`${path} ${await text(response)}`)
      }
      agent.destroy()

      expect(found).toEqual(answers.map(([path, , body]) => `${path} ${body}`))
    },
    60_000,
  )
})
