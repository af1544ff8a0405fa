/** WebSockets through interception, with real peers: what is told of them. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, test } from 'vitest'
import type { ClientOptions, ServerOptions, WebSocket } from 'ws'

import { FileLogger } from '../../analyzers/file-logger.ts'
import { readCapture } from '../../src/capture/reader.ts'
import { reanalyze } from '../../src/capture/reanalyze.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { canary } from '../support/canary.ts'
import { connectTls, readUntil, startProxy } from '../support/proxy.ts'
import type { ProxySetup, ProxyUnderTest } from '../support/proxy.ts'
import { readAnswer, requestText } from '../support/raw-http.ts'
import { createUpstreamRoot } from '../support/upstream.ts'
import {
  handshakeFor,
  startWebSocketClient,
  startWebSocketServer,
} from '../support/websocket-peers.ts'

const host = 'api.openai.com'
const root = createUpstreamRoot(host)
const opened: Array<{ close(): Promise<void> }> = []

afterEach(async () => {
  for (const item of opened.splice(0).toReversed()) await item.close()
})

async function startProxyTo(port: number, over: ProxySetup = {}): Promise<ProxyUnderTest> {
  const proxy = await startProxy({
    allow: [host],
    connectTo: { [`${host}:443`]: port },
    root,
    ...over,
  })
  opened.push(proxy)
  return proxy
}

async function startServer(
  onConnection: (socket: WebSocket) => void,
  options: ServerOptions = {},
): Promise<number> {
  const server = await startWebSocketServer(root, host, onConnection, options)
  opened.push(server)
  return server.port
}

async function openClient(proxy: ProxyUnderTest, options: ClientOptions = {}): Promise<WebSocket> {
  const client = await startWebSocketClient(proxy, host, options)
  await once(client, 'open')
  return client
}

/** Of one direction: opcode, payload and close code of each message. */
function told(proxy: ProxyUnderTest, direction: 'request' | 'response'): unknown[] {
  return proxy
    .of('websocket-message')
    .filter((msg) => msg.direction === direction)
    .map((msg) =>
      msg.opcode === 8
        ? ['close', msg.closeCode, msg.closeReason]
        : [msg.opcode, msg.text ?? msg.base64],
    )
}

const create = JSON.stringify({
  type: 'response.create',
  model: 'm',
  input: 'tell me more '.repeat(50),
})
const deltas = Array.from({ length: 20 }, (_, index) =>
  JSON.stringify({
    type: 'response.output_text.delta',
    sequence_number: index,
    delta: `word ${index}`,
  }),
)
const binary = Buffer.from([0, 1, 2, 0xff])

describe('a conversation', () => {
  const deflate = { threshold: 0, concurrencyLimit: 1 }
  test.each<
    [
      string,
      ServerOptions['perMessageDeflate'],
      ClientOptions['perMessageDeflate'],
      string | undefined,
    ]
  >([
    ['without compression', false, false, undefined],
    ['with compression refused', false, true, undefined],
    ['with compression', deflate, deflate, 'permessage-deflate'],
    [
      'without context of the server',
      { ...deflate, serverNoContextTakeover: true },
      deflate,
      'permessage-deflate; server_no_context_takeover',
    ],
    [
      'without context of the client',
      { ...deflate, clientNoContextTakeover: true },
      deflate,
      'permessage-deflate; client_no_context_takeover',
    ],
    [
      'with small windows',
      { ...deflate, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
      deflate,
      'permessage-deflate; server_max_window_bits=9; client_max_window_bits=10',
    ],
    [
      'with everything asked for by the client',
      deflate,
      {
        ...deflate,
        serverNoContextTakeover: true,
        serverMaxWindowBits: 12,
        clientMaxWindowBits: 11,
      },
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11',
    ],
  ])('%s is told message by message', async (_name, serverDeflate, clientDeflate, negotiated) => {
    const port = await startServer(
      (socket) => {
        socket.on('message', (_data, isBinary) => {
          if (isBinary) {
            socket.send(binary)
            socket.close(4001, 'that was all')
          } else for (const delta of deltas) socket.send(delta)
        })
      },
      { perMessageDeflate: serverDeflate },
    )
    const proxy = await startProxyTo(port)
    const client = await openClient(proxy, { perMessageDeflate: clientDeflate })
    const received: unknown[] = []
    client.on('message', (data, isBinary) => {
      const payload = data as Buffer
      received.push(isBinary ? payload : payload.toString())
      if (received.length === deltas.length) client.send(binary)
    })
    const extensions = client.extensions

    client.ping('are you there')
    client.send(create)
    const [code, reason] = (await once(client, 'close')) as [number, Buffer]
    const completed = await proxy.waitFor('exchange-completed')

    expect(received).toEqual([...deltas, binary])
    expect([code, String(reason)]).toEqual([4001, 'that was all'])
    expect(told(proxy, 'request')).toEqual([
      [9, 'are you there'],
      [1, create],
      [2, binary.toString('base64')],
      // The library answers a close with the same.
      ['close', 4001, 'that was all'],
    ])
    expect(told(proxy, 'response')).toEqual([
      [10, 'are you there'],
      ...deltas.map((delta) => [1, delta]),
      [2, binary.toString('base64')],
      ['close', 4001, 'that was all'],
    ])
    expect(proxy.of('analyzer-failed')).toEqual([])
    expect(completed).toMatchObject({ status: 101 })
    expect(extensions).toBe(negotiated === undefined ? '' : 'permessage-deflate')
    const head = proxy
      .of('response-started')[0]
      ?.headers.find(([name]) => /extensions/iu.test(name))
    expect(head?.[1].split('; ').sort()).toEqual(negotiated?.split('; ').sort())
  })

  test('has the ids of its exchange, between its head and its end', async () => {
    const proxy = await startProxyTo(await startServer((socket) => socket.send('hello')))
    const client = await startWebSocketClient(proxy, host)
    await once(client, 'message')
    client.close(1000)
    const { exchangeId, connectionId } = await proxy.waitFor('exchange-completed')

    const own = proxy.messages.filter((msg) => msg.exchangeId === exchangeId)
    expect(own.map(({ kind }) => kind)).toEqual([
      'request-started',
      'request-ended',
      'response-started',
      'websocket-message',
      'websocket-message',
      'websocket-message',
      'exchange-completed',
    ])
    expect(own.every((msg) => msg.connectionId === connectionId)).toBe(true)
  })

  test('agrees on a subprotocol that carries a key, and the key is told nobody', async () => {
    const key = `openai-insecure-api-key.${canary}-5d1f`
    let offered: Set<string> = new Set()
    const port = await startServer((socket) => socket.send('hello'), {
      handleProtocols: (protocols) => {
        offered = protocols
        return 'realtime'
      },
    })
    const proxy = await startProxyTo(port)
    const client = await startWebSocketClient(proxy, host, {}, ['realtime', key])
    await once(client, 'message')

    expect(client.protocol).toBe('realtime')
    expect([...offered]).toEqual(['realtime', key])
    await proxy.waitFor('websocket-message')
    expect(JSON.stringify(proxy.messages)).not.toContain(canary)
    expect(JSON.stringify(proxy.of('request-started')[0]?.headers)).toContain(
      'realtime,openai-insecure-api-key.[REDACTED]',
    )
    client.terminate()
  })

  test('is the same in a capture, read back and analyzed anew', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'porthole-websocket-'))
    try {
      const path = join(folder, 'capture.jsonl')
      const logger = new FileLogger(path)
      const port = await startServer(
        (socket) => socket.on('message', () => socket.close(1001, 'bye')),
        {
          perMessageDeflate: { threshold: 0 },
        },
      )
      const proxy = await startProxyTo(port, {
        configure: (builder) => builder.addAnalyzer(logger),
      })
      const client = await openClient(proxy)
      client.send(create)
      await proxy.waitFor('exchange-completed')
      await proxy.close()

      const replayed: AnalysisMsg[] = []
      for await (const line of reanalyze(readCapture(path), [])) {
        if (line.type === 'message') replayed.push(line.msg)
      }
      const live = proxy.of('websocket-message')
      expect(live).toHaveLength(3)
      expect(replayed.filter(({ kind }) => kind === 'websocket-message')).toEqual(live)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

test('an upgrade may follow answered requests on the same connection', async () => {
  const port = await startServer((socket) => socket.send('hello'))
  const proxy = await startProxyTo(port)
  const client = await connectTls(proxy, `${host}:443`)
  for (let index = 0; index < 3; index += 1) {
    client.write(requestText('GET /', host))
    expect((await readAnswer(client)).status).toBe(426)
  }
  client.write(handshakeFor(host))
  await readUntil(client, (all) => all.includes('hello'))

  expect(await proxy.waitFor('websocket-message')).toMatchObject({ text: 'hello' })
  client.destroy()
})
