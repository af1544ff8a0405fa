/**
 * Recorded by a real proxy, then served: what clients get the second time is what the first time
 * brought, chunk by chunk, a stream that broke off and a key that was masked included.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { GoogleGenAI } from '@google/genai'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import { loadRecordings } from '../../src/serve/load-recordings.ts'
import { RecordingLibrary } from '../../src/serve/recording-library.ts'
import { startRecordingServer } from '../../src/serve/recording-server.ts'
import type { RecordingServer, ServedEvent } from '../../src/serve/recording-server.ts'
import { connectRaw, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { bodyBytes, readRecorded } from '../support/recorded-exchanges.ts'
import { startHttpUpstream } from '../support/upstream.ts'

let folder = ''
let capture = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-serve-recorded-'))
  capture = join(folder, 'calls.jsonl')
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

type Upstream = Parameters<typeof startHttpUpstream>[0]

/** What `use` does through a route to the upstream is recorded; the capture is whole afterwards. */
async function record(
  upstream: Upstream,
  use: (url: string, proxy: ProxyUnderTest) => Promise<void>,
): Promise<void> {
  const server = await startHttpUpstream(upstream)
  onTestFinished(() => server.close())
  const logger = new FileLogger(capture, { porthole: 'test' })
  await logger.open()
  const proxy = await startProxy({
    configure: (builder) => {
      builder.route(`model=http://127.0.0.1:${server.port}`)
      for (const analyzer of [...defaultAnalyzers(), logger]) builder.addAnalyzer(analyzer)
    },
  })
  await use(`http://127.0.0.1:${proxy.running.port}/model`, proxy)
  await proxy.running.close({ drainMs: 1000 })
}

async function serve(): Promise<RecordingServer & { readonly events: ServedEvent[] }> {
  const { recordings, problems } = await loadRecordings(capture)
  expect(problems).toEqual([])
  const events: ServedEvent[] = []
  const server = await startRecordingServer({
    library: new RecordingLibrary(recordings, { ignored: [], once: false }),
    listen: { host: '127.0.0.1', port: 0 },
    speed: Infinity,
    onServed: (event) => events.push(event),
  })
  onTestFinished(() => server.close())
  return { ...server, events }
}

/** One raw POST; all that comes until the connection ends, and the chunks of the body in it. */
async function post(port: number, path: string, body: string) {
  const socket = await connectRaw({ running: { port } } as ProxyUnderTest)
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
      `Connection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const raw = (await readUntil(socket, () => false)).toString('latin1')
  socket.destroy()
  const framed = raw.slice(raw.indexOf('\r\n\r\n') + 4)
  return { head: raw.slice(0, raw.indexOf('\r\n\r\n')), chunks: chunksOf(framed) }
}

/** Undone chunked framing (RFC 9112 §7.1); the last is empty where the body has its end. */
function chunksOf(framed: string): string[] {
  const chunks: string[] = []
  for (let at = 0; at < framed.length;) {
    const line = framed.indexOf('\r\n', at)
    const size = Number.parseInt(framed.slice(at, line), 16)
    chunks.push(framed.slice(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
  return chunks
}

describe('a stream', () => {
  test.each([false, true])('comes again in the same chunks (broken off: %j)', async (isBroken) => {
    // Cut at the ends of lines: what ends within a word waits, in the capture, for the rest of it.
    const pieces = bodyBytes(readRecorded('chat-usage-stream').response.body)
      .toString()
      .split(/(?<=\n)/u)
    let first: Awaited<ReturnType<typeof post>> | undefined
    await record(
      (request, response) => {
        request.resume()
        response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Request-Id': 'r1' })
        void (async () => {
          for (const piece of pieces) await new Promise((done) => response.write(piece, done))
          if (isBroken) response.destroy()
          else response.end()
        })()
      },
      async (_url, { running }) => {
        first = await post(running.port, '/model/v1/chat/completions', '{"model":"m"}')
      },
    )

    const server = await serve()
    const again = await post(server.port, '/v1/chat/completions', '{ "model": "m" }')

    expect(again.chunks).toEqual(first?.chunks)
    expect(again.chunks.at(-1) === '').toBe(!isBroken)
    expect(again.head).toContain('X-Request-Id: r1')
  })
})

test('a request that held a key is found again with another one', async () => {
  // Put together here, for no file may hold what looks like a real one.
  const key = ['sk', 'proj', 'abcdefghijklmnopqrstuvwxyz0123456789ABCD'].join('-')
  const ask = (key: string) =>
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `my key is ${key} is it?` }] })
  await record(
    (request, response) => {
      request.resume()
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"ok":true}')
    },
    async (_url, { running }) => {
      const path = '/model/v1/chat/completions'
      await post(running.port, path, ask(key))
    },
  )

  const server = await serve()
  const found = await post(server.port, '/v1/chat/completions', ask('sk-none'))
  const other = await post(
    server.port,
    '/v1/chat/completions',
    ask('sk-none').replace('is it', 'or'),
  )

  expect(found.head).toMatch(/^HTTP\/1\.1 200 /u)
  expect(other.head).toMatch(/^HTTP\/1\.1 404 /u)
  expect(JSON.stringify(server.events)).not.toContain('abcdefghij')
})

test("Google's SDK, whose key stands in a header, gets its stream again", async () => {
  const body = bodyBytes(readRecorded('gemini-thoughts-stream').response.body)
  const ask = async (baseUrl: string, apiKey: string): Promise<unknown[]> => {
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } })
    const chunks: unknown[] = []
    const request = { model: 'gemini-2.5-flash', contents: 'Draw a square' }
    for await (const chunk of await client.models.generateContentStream(request)) {
      chunks.push(chunk.candidates)
    }
    return chunks
  }
  let first: unknown[] = []
  await record(
    (request, response) => {
      request.resume()
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(body)
    },
    async (url) => {
      first = await ask(url, 'one-key')
    },
  )

  const server = await serve()

  expect(first.length).toBeGreaterThan(1)
  expect(await ask(server.url, 'another-key')).toEqual(first)
  expect(server.events).toMatchObject([{ kind: 'hit' }])
})
