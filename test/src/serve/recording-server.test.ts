import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { gzipSync } from 'node:zlib'

import { describe, expect, onTestFinished, test } from 'vitest'

import { RecordingLibrary } from '../../../src/serve/recording-library.ts'
import { startRecordingServer } from '../../../src/serve/recording-server.ts'
import type { ServedEvent } from '../../../src/serve/recording-server.ts'
import type { Recording } from '../../../src/serve/recording.ts'
import { answer, recording } from './sample-recordings.ts'

interface Serving {
  readonly url: string
  readonly port: number
  readonly events: readonly ServedEvent[]
}

async function serve(recordings: readonly Recording[], speed = Infinity): Promise<Serving> {
  const events: ServedEvent[] = []
  const server = await startRecordingServer({
    library: new RecordingLibrary(recordings, { ignored: [], once: false }),
    listen: { host: '127.0.0.1', port: 0 },
    speed,
    onServed: (event) => events.push(event),
  })
  onTestFinished(() => server.close())
  return { url: server.url, port: server.port, events }
}

async function ask(url: string, body: unknown = { model: 'm' }, init: RequestInit = {}) {
  return await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...init,
  })
}

/** Everything that the server writes for one request, framing and all. */
async function askRaw(port: number, body = '{"model":"m"}'): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  socket.write(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(chunks).toString('latin1')
}

const stream = answer({
  headers: [
    ['content-type', 'text/event-stream'],
    ['X-Request-Id', 'req_1'],
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ],
  chunks: [
    { afterMs: 0, bytes: Buffer.from('data: 1\n') },
    { afterMs: 30, bytes: Buffer.from('\ndata: 2') },
    { afterMs: 60, bytes: Buffer.from('\n\n') },
  ],
  endAfterMs: 60,
})

describe('an answer', () => {
  test('has the recorded status, headers and bytes', async () => {
    const error = answer({
      status: 429,
      statusText: 'Slow Down',
      headers: [
        ['Content-Type', 'application/json'],
        ['Retry-After', '7'],
        ['Content-Length', '9'],
      ],
      chunks: [{ afterMs: 0, bytes: Buffer.from('{"error"}') }],
    })
    const { url, events } = await serve([
      recording({ id: 'x', answer: { kind: 'answer', answer: error } }),
    ])

    const response = await ask(url)

    expect([response.status, response.statusText]).toEqual([429, 'Slow Down'])
    expect(response.headers.get('retry-after')).toBe('7')
    expect(response.headers.get('date')).toBeNull()
    expect(await response.text()).toBe('{"error"}')
    expect(events).toEqual([
      {
        kind: 'hit',
        method: 'POST',
        path: '/v1/chat/completions',
        host: 'api.openai.com',
        recording: 'x',
        status: 429,
      },
    ])
  })

  test.each([Infinity, 10])('has the recorded chunks, at speed %d', async (speed) => {
    const { port } = await serve([recording({ answer: { kind: 'answer', answer: stream } })], speed)

    const raw = await askRaw(port)

    expect(raw).toContain('Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n')
    expect(raw.slice(raw.indexOf('\r\n\r\n') + 4)).toBe(
      '8\r\ndata: 1\n\r\n8\r\n\ndata: 2\r\n2\r\n\n\n\r\n0\r\n\r\n',
    )
  })

  test('takes as long as it took', async () => {
    const slow = { ...stream, headAfterMs: 50, endAfterMs: 120 }
    const { url } = await serve([recording({ answer: { kind: 'answer', answer: slow } })], 1)
    const startedMs = performance.now()

    await (await ask(url)).text()

    // The lower bound alone: how busy the machine is says nothing of the server.
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(165)
  })

  test('that broke off breaks off at the same place', async () => {
    const broken = { ...stream, isBroken: true }
    const { port } = await serve([recording({ answer: { kind: 'answer', answer: broken } })])

    const raw = await askRaw(port)

    expect(raw.endsWith('2\r\n\n\n\r\n')).toBe(true)
  })

  test('that never began ends the connection', async () => {
    const { port } = await serve([recording({ answer: { kind: 'broken', afterMs: 0 } })])

    expect(await askRaw(port)).toBe('')
  })

  test('without a body has none', async () => {
    const empty = answer({ status: 204, headers: [], chunks: [] })
    const { port } = await serve([recording({ answer: { kind: 'answer', answer: empty } })])

    expect(await askRaw(port)).toMatch(/^HTTP\/1\.1 204 No Content\r\nConnection: close\r\n\r\n$/u)
  })

  test('leaves out headers that cannot be sent', async () => {
    const hostile = answer({
      headers: [
        ['X-Good', 'yes'],
        ['X-Bad', 'a\r\nX-Injected: 1'],
        ['bad name', 'x'],
      ],
    })
    const { url } = await serve([recording({ answer: { kind: 'answer', answer: hostile } })])

    const response = await ask(url)

    expect(response.headers.get('x-good')).toBe('yes')
    expect(response.headers.get('x-injected')).toBeNull()
    expect(await response.text()).toBe('{}')
  })
})

describe('a request', () => {
  test('that is compressed is compared as it was meant', async () => {
    const { url } = await serve([recording()])

    const response = await ask(url, undefined, {
      body: gzipSync('{"model":"m"}'),
      headers: { 'Content-Encoding': 'gzip' },
    })

    expect(response.status).toBe(200)
  })

  test('that was not recorded gets 404, which no client should try again', async () => {
    const { url, events } = await serve([recording()])

    const response = await ask(url, { model: 'other' })

    expect(response.status).toBe(404)
    expect(response.headers.get('x-should-retry')).toBe('false')
    const { error } = (await response.json()) as { error: { message: string } }
    expect(error.message).toContain('$.model: recorded "m", asked "other"')
    expect(events).toMatchObject([
      { kind: 'miss', reason: 'differs', difference: { path: '$.model' } },
    ])
  })

  test('for a WebSocket is told that there are none', async () => {
    const { url, events } = await serve([recording({ method: 'GET' })])

    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { Connection: 'Upgrade', Upgrade: 'websocket' }
      httpRequest(`${url}/v1/realtime`, { headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .once('error', reject)
        .end()
    })

    expect(status).toBe(404)
    expect(events).toMatchObject([
      { message: expect.stringContaining('WebSockets are not served') },
    ])
  })

  test.each([
    ['says so', { 'Content-Length': String(17 * 1024 * 1024) }],
    ['comes in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('larger than 16 MiB that %s gets 413', async (_, headers) => {
    const { url } = await serve([recording()])

    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(
        `${url}/v1/chat/completions`,
        { method: 'POST', headers },
        (response) => {
          resolve(response.statusCode)
          request.destroy()
        },
      )
      request.once('error', reject)
      for (let sent = 0; sent < 17; sent += 1) request.write(Buffer.alloc(1024 * 1024, 'a'))
    })

    expect(status).toBe(413)
  })

  test.each<[number, string, Readonly<Record<string, string>>]>([
    [200, 'a program', {}],
    [200, 'a page on this machine', { Origin: 'http://localhost:3000' }],
    [200, 'a recorded host', { Host: 'api.openai.com' }],
    [403, 'a foreign page', { Origin: 'https://evil.example' }],
    [403, 'a name that was led here', { Host: 'evil.example' }],
    [403, 'a page without an origin of its own', { Origin: 'null' }],
  ])('gets %d from %s', async (expected, _, headers) => {
    const { port } = await serve([recording()])
    const body = '{"model":"m"}'

    const status = await new Promise<number | undefined>((resolve, reject) => {
      const target = { port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST' }
      httpRequest({ ...target, headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .once('error', reject)
        .end(body)
    })

    expect(status).toBe(expected)
  })
})

test('a client that leaves ends its answer, and nothing else', async () => {
  const endless = answer({ ...stream, endAfterMs: 3_600_000 })
  const { url } = await serve([recording({ answer: { kind: 'answer', answer: endless } })], 1)
  const leaving = new AbortController()
  const first = await ask(url, undefined, { body: '{"model":"m"}', signal: leaving.signal })
  leaving.abort()
  await expect(first.text()).rejects.toThrow()

  expect((await ask(url, { model: 'other' })).status).toBe(404)
})

test('a port that is taken is told as such', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())

  const start = startRecordingServer({
    library: new RecordingLibrary([], { ignored: [], once: false }),
    listen: { host: '127.0.0.1', port: (taken.address() as AddressInfo).port },
    speed: 1,
    onServed: () => {},
  })

  await expect(start).rejects.toMatchObject({ code: 'ERR_LISTEN_IN_USE' })
})
