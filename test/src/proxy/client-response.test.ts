import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'

import { describe, expect, test } from 'vitest'

import {
  answerClient,
  answerFor,
  rawAnswer,
  relayHead,
} from '../../../src/proxy/client-response.ts'
import type { ProxyAnswer } from '../../../src/proxy/client-response.ts'

const answer: ProxyAnswer = {
  status: 429,
  code: 'rate-limited',
  message: 'slow down: "é"',
  headers: [['Retry-After', '7']],
}

/** A response over a stream in memory, and everything that was written to it. */
function response(): { response: ServerResponse; written: () => string } {
  const socket = new PassThrough()
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const request = { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} }
  const made = new http.ServerResponse(request as IncomingMessage)
  made.assignSocket(socket as unknown as Parameters<ServerResponse['assignSocket']>[0])
  made.on('error', () => {})
  return { response: made, written: () => Buffer.concat(chunks).toString('utf8') }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

function split(text: string): { head: string; body: string } {
  const at = text.indexOf('\r\n\r\n')
  return { head: text.slice(0, at), body: text.slice(at + 4) }
}

describe('an answer of the proxy', () => {
  test('has a body that SDKs read and fields that stop their retries', async () => {
    const { response: made, written } = response()

    answerClient(made, answer)
    await turn()

    const { head, body } = split(written())
    expect(head).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/u)
    expect(head).toContain('\r\nX-Porthole-Error: rate-limited\r\n')
    expect(head).toContain('\r\nX-Should-Retry: false\r\n')
    expect(head).toContain('\r\nRetry-After: 7\r\n')
    expect(head).toContain(`\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`)
    expect(JSON.parse(body)).toEqual({
      type: 'error',
      error: { type: 'porthole_error', code: 'rate-limited', message: 'slow down: "é"' },
    })
  })

  test('to a refusal names its rule, has its fields, or speaks as it says', () => {
    const refusal = {
      status: 429,
      reason: 'rate-limit',
      message: 'too many',
      rule: 'few',
      retryAfterSeconds: 3,
      headers: [['X-Should-Retry', 'true'] as [string, string]],
    }
    const own = { contentType: 'text/event-stream', text: 'event: error\n\n' }

    const usual = split(rawAnswer(answerFor(refusal), 'Too Many Requests', false))
    const other = split(rawAnswer(answerFor({ ...refusal, body: own }), 'Too Many Requests', false))

    expect(JSON.parse(usual.body)).toMatchObject({ error: { code: 'rate-limit', rule: 'few' } })
    expect(usual.head).toContain('\r\nRetry-After: 3\r\nX-Should-Retry: true\r\n')
    expect(usual.head).not.toContain('X-Should-Retry: false')
    expect(other.body).toBe(own.text)
    expect(other.head).toContain('\r\nContent-Type: text/event-stream\r\n')
    expect(other.head).toContain(`\r\nContent-Length: ${own.text.length}\r\n`)
  })

  test('adds no byte to a response that has begun, but breaks it off', async () => {
    const { response: made, written } = response()
    made.writeHead(200, ['Content-Length', '10'])
    made.write('half')
    await turn()
    const before = written()

    answerClient(made, answer)
    await turn()

    expect(written()).toBe(before)
    expect(made.destroyed).toBe(true)
  })

  test('to a client that has left does nothing', () => {
    const { response: made, written } = response()
    made.destroy()

    answerClient(made, answer)

    expect(written()).toBe('')
  })
})

describe('an answer as bytes', () => {
  test.each([
    [true, 'keep-alive'],
    [false, 'close'],
  ])('says what becomes of the connection: %s', (keepOpen, wanted) => {
    const { head, body } = split(rawAnswer(answer, 'Too Many Requests', keepOpen))

    expect(head).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/u)
    expect(head).toMatch(new RegExp(`\r\nConnection: ${wanted}$`, 'u'))
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`)
    expect(JSON.parse(body)).toHaveProperty('error.code', 'rate-limited')
  })
})

describe('a relayed head', () => {
  test('has the field lines of the upstream in order and case, and none of ours', async () => {
    const { response: made, written } = response()

    relayHead(made, {
      status: 299,
      statusText: 'Just So',
      httpVersion: '1.1',
      headers: [
        ['x-B', '1'],
        ['Set-Cookie', 'a=1'],
        ['Connection', 'close'],
        ['set-cookie', 'b=2'],
        ['Content-Length', '0'],
      ],
      body: new PassThrough(),
      trailers: () => [],
    })
    made.end()
    await turn()

    expect(written()).toBe(
      'HTTP/1.1 299 Just So\r\nx-B: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n',
    )
  })
})
