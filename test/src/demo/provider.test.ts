import { request } from 'node:https'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { DemoProvider } from '../../../src/demo/provider.ts'
import { startDemoProvider } from '../../../src/demo/provider.ts'
import { bodyBytes, loadRecordings } from '../../../src/demo/recordings.ts'
import { makeDemoCertificates } from './certificates.ts'

const { caPem, certificates } = makeDemoCertificates()
const recordings = await loadRecordings()
let provider: DemoProvider

beforeAll(async () => {
  provider = await startDemoProvider({ certificates })
})
afterAll(() => provider.close())

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
  readonly chunks: number
}

/** Over verified TLS, with the host's own name. */
function ask(method: string, url: string, body: string | Buffer): Promise<Answer> {
  const { hostname, pathname } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const outgoing = request(
    {
      host: '127.0.0.1',
      port: provider.port,
      servername: hostname,
      ca: caPem,
      method,
      path: pathname,
      headers: { host: hostname },
      agent: false,
    },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks),
          chunks: chunks.length,
        }),
      )
    },
  )
  outgoing.once('error', reject)
  outgoing.end(body)
  return promise
}

describe('the demo provider', () => {
  test.each(recordings)('answers $request.url as recorded: $id', async (recorded) => {
    const { method, url, body } = recorded.request
    const expected = bodyBytes(recorded.response.body)

    const answer = await ask(method, url, bodyBytes(body))

    expect(answer.status).toBe(recorded.response.status)
    expect(answer.body.equals(expected)).toBe(true)
    const type = recorded.response.headers.find(([name]) => /^content-type$/iu.test(name))?.[1]
    expect(answer.headers['content-type']).toBe(type)
    if (type?.startsWith('text/event-stream') === true) {
      expect(answer.chunks).toBeGreaterThan(5)
    } else {
      expect(answer.headers['content-length']).toBe(String(expected.length))
    }
  })

  test.each([
    ['POST', 'https://api.openai.com/v1/chat/completions', '{"model":"gpt-unheard-of"}'],
    ['POST', 'https://api.openai.com/v1/chat/completions', 'not json'],
    ['POST', 'https://api.openai.com/v1/chat/completions', 'x'.repeat(2 << 20)],
    ['GET', 'https://api.openai.com/v1/models', ''],
    ['POST', 'https://api.anthropic.com/v1/chat/completions', '{"model":"gpt-4o-mini"}'],
  ])('answers an unknown %s %s with an error in the shape of OpenAI', async (...request) => {
    const answer = await ask(...request)

    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      error: { type: 'invalid_request_error', code: 'not_recorded', param: null },
    })
  })

  test('goes on after a client that left in the middle of a stream', async () => {
    const recorded = recordings.find(({ id }) => id.includes('streaming'))
    const left = Promise.withResolvers<void>()
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: provider.port,
        servername: 'api.openai.com',
        ca: caPem,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { host: 'api.openai.com' },
        agent: false,
      },
      (response) => {
        response.once('data', () => outgoing.destroy())
        response.once('error', () => undefined)
        response.once('close', () => left.resolve())
      },
    )
    outgoing.end(bodyBytes(recorded?.request.body))
    await left.promise

    expect((await ask('GET', 'https://api.openai.com/v1/models', '')).status).toBe(404)
  })
})

test('the recordings hold no secret, cookie or organization', () => {
  for (const recorded of recordings) {
    const text = JSON.stringify(recorded).toLowerCase()
    expect(text).not.toMatch(/cookie|authorization|api-key|openai-organization|openai-project|sk-/u)
  }
})
